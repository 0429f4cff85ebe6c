"""Time steps of `pair_style mace` with a *.mace file on threads and on MPI ranks.

Usage: python benchmarks/native_scaling.py [--rounds 5] [--models medium bundled]

2,976 atoms (the bundled interface, 2 x 2 x 2). Each round runs every layout once, in turn; the
figure is the median over rounds, with the range. Ranks exchange features: their halo is r_max wide.
Writes benchmarks/results/native_scaling.json and the table in README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from native_vs_peers import files, spread
from plugin_vs_calculator import BIN, DATA, ROOT, machine, median_ratio, replace_block

RESULT = ROOT / "benchmarks/results/native_scaling.json"
MARK = "native_scaling"
STEPS = {"medium": 6, "bundled": 60}
LAYOUTS = [(1, 1), (1, 2), (2, 1)]  # ranks, threads

INPUT = """units metal
atom_modify map yes
read_data {data}
replicate 2 2 2
pair_style mace precision {precision}
pair_coeff * * {model} C O H
neighbor 0.5 bin
velocity all create 298 4 mom yes dist gaussian loop geom
timestep 0.0005
fix 1 all nve
run 2 post no
run {steps}
"""


def time_steps(model: str, precision: str, ranks: int, threads: int) -> dict[str, float]:
    """Ms a step, and MiB of the largest rank."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "in.time"
        path = files(model)["native"]
        script.write_text(
            INPUT.format(data=DATA, precision=precision, model=path, steps=STEPS[model])
        )
        command = [str(BIN / "lmp"), "-log", "none", "-in", str(script)]
        if ranks > 1:
            command = [str(BIN / "mpiexec"), "-n", str(ranks), *command]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        output = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout
    loop_s = float(re.findall(r"Loop time of ([\d.]+)", output)[-1])
    memory = float(re.findall(r"Peak memory of a rank: (\d+) MiB", output)[-1])
    return {"ms": 1000 * loop_s / STEPS[model], "mib": memory}


def measure(models: list[str], rounds: int) -> list[dict[str, Any]]:
    """All rows, layouts interleaved."""
    cases = [(m, p, *layout) for m in models for p in ("single", "double") for layout in LAYOUTS]
    found: dict[tuple[str, str, int, int], list[dict[str, float]]] = {}
    for round_ in range(rounds):
        for case in cases:
            found.setdefault(case, []).append(time_steps(*case))
            print(f"round {round_}", *case, f"{found[case][-1]['ms']:.1f} ms", file=sys.stderr)
    return [
        {
            "model": model,
            "precision": precision,
            "ranks": ranks,
            "threads": threads,
            "ms": [f["ms"] for f in found[model, precision, ranks, threads]],
            "speedup": median_ratio(
                [f["ms"] for f in found[model, precision, 1, 1]],
                [f["ms"] for f in found[model, precision, ranks, threads]],
            ),
            "mib": max(f["mib"] for f in found[model, precision, ranks, threads]),
        }
        for model, precision, ranks, threads in cases
    ]


def table(result: dict[str, Any]) -> str:
    """The README's table."""
    lines = ["| model, precision | ranks x threads | ms/step | speed-up |", "|---|---|---|---|"]
    lines += [
        f"| {r['model']}, {r['precision']} | {r['ranks']} x {r['threads']} | {spread(r['ms'])} "
        f"| {r['speedup']:.2f} |"
        for r in result["rows"]
    ]
    where = result["machine"]
    note = (
        f"2,976 atoms, the models of the first table; median (range) of "
        f"{len(result['rows'][0]['ms'])} interleaved runs on {where['cores']} cores of "
        f"{where['cpu']}."
    )
    return "\n".join([*lines, "", note])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["medium", "bundled"])
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    result = {"machine": machine(), "rows": measure(options.models, options.rounds)}
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    if options.output == RESULT:
        replace_block(MARK, table(result))
    print(table(result))


if __name__ == "__main__":
    main()
