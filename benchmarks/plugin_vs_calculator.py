"""Time a step of `pair_style mace`, native and TorchScript, against mace-torch's ASE calculator.

Usage: python benchmarks/plugin_vs_calculator.py [--rounds 5] [--steps 30]

The bundled interface of 372 atoms and its model, both precisions, 1 and 2 threads. Each round runs
every variant once in a fresh process, in turn; a variant's figure is the median over rounds with
the range. Writes benchmarks/results/plugin_vs_calculator.json and the table in README.md.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mdbench.programs import cpu_name

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks/results/plugin_vs_calculator.json"
DATA = ROOT / "inputs/graphene_water.data"
MODEL = ROOT / "models/graphene-water/graphene-water.model"
BIN = Path(sys.executable).parent
PRECISIONS = {"single": "float32", "double": "float64"}
MARK = "plugin_vs_calculator"

INPUT = """units metal
atom_modify map yes
read_data {data}
pair_style mace precision {precision}
pair_coeff * * {model} C O H
neighbor 1.0 bin
velocity all create 298 4 mom yes dist gaussian
timestep 0.0005
fix 1 all nve
run 5 post no
run {steps}
"""


def calculator_worker(dtype: str, steps: int) -> None:
    """Print ms a step of velocity Verlet with MACECalculator (in its own process)."""
    from ase import units
    from ase.io.lammpsdata import read_lammps_data
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.md.verlet import VelocityVerlet
    from mace.calculators import MACECalculator

    atoms = read_lammps_data(str(DATA), atom_style="atomic")
    atoms.calc = MACECalculator(model_paths=str(MODEL), device="cpu", default_dtype=dtype)
    MaxwellBoltzmannDistribution(atoms, temperature_K=298)
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
    dynamics.run(5)
    start = time.perf_counter()
    dynamics.run(steps)
    print(1000 * (time.perf_counter() - start) / steps)


def run(command: list[str], threads: int) -> str:
    """Output of a program on a number of threads."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def time_plugin(model: Path, precision: str, threads: int, steps: int) -> dict[str, float]:
    """Ms a step of LAMMPS's loop, and the plugin's overhead in percent."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "in.time"
        script.write_text(INPUT.format(data=DATA, precision=precision, model=model, steps=steps))
        output = run([str(BIN / "lmp"), "-log", "none", "-in", str(script)], threads)
    loop_s = float(re.findall(r"Loop time of ([\d.]+)", output)[-1])
    overhead = float(re.findall(r"Overhead outside the model: ([\d.]+)", output)[-1])
    return {"ms": 1000 * loop_s / steps, "overhead_percent": overhead}


def time_calculator(precision: str, threads: int, steps: int) -> dict[str, float]:
    """Ms a step of ASE with mace-torch's calculator."""
    worker = [sys.executable, "-W", "ignore", __file__, "--worker", PRECISIONS[precision]]
    output = run([*worker, "--steps", str(steps)], threads)
    return {"ms": float(output.strip().splitlines()[-1])}


def measure(rounds: int, steps: int, threads: list[int]) -> list[dict[str, Any]]:
    """All rows, variants interleaved."""
    cases = [(p, t) for p in PRECISIONS for t in threads]
    native = MODEL.with_suffix(".mace")
    script = MODEL.with_name("graphene-water-lammps.pt")
    raw: dict[tuple[str, int], list[tuple[dict[str, float], ...]]] = {}
    for _ in range(rounds):
        for case in cases:
            found = (
                time_plugin(native, *case, steps),
                time_plugin(script, *case, steps),
                time_calculator(*case, steps),
            )
            raw.setdefault(case, []).append(found)
    rows = []
    for (precision, count), found in raw.items():
        fast, plugin, calculator = ([r[i]["ms"] for r in found] for i in range(3))
        rows.append(
            {
                "precision": precision,
                "threads": count,
                "native_ms": fast,
                "torchscript_ms": plugin,
                "calculator_ms": calculator,
                "native_speedup": median_ratio(calculator, fast),
                "torchscript_speedup": median_ratio(calculator, plugin),
                "overhead_percent": [r[1]["overhead_percent"] for r in found],
            }
        )
    return rows


def median_ratio(a: list[float], b: list[float]) -> float:
    """Median over rounds of a / b."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def machine() -> dict[str, Any]:
    """What was measured on, with what."""
    describe = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(describe, capture_output=True, text=True, cwd=ROOT, check=False)
        commit = done.stdout.strip()
    except OSError:  # no git
        commit = ""
    packages = ("torch", "mace-torch", "lammps", "ase", "numpy")
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def spread(values: list[float]) -> str:
    """Median and range."""
    digits = 1 if min(values) < 20 else 0
    low, middle, high = (f"{f(values):.{digits}f}" for f in (min, statistics.median, max))
    return f"{middle} ({low}-{high})"


def table(result: dict[str, Any]) -> str:
    """The README's table."""
    where, rows = result["machine"], result["rows"]
    lines = [
        "| precision, threads | native, ms/step | TorchScript | mace-torch, ASE | native faster |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['precision']}, {r['threads']} | {spread(r['native_ms'])} "
        f"| {spread(r['torchscript_ms'])} | {spread(r['calculator_ms'])} "
        f"| {r['native_speedup']:.1f}x |"
        for r in rows
    ]
    versions = where["versions"]
    note = (
        f"372 atoms, bundled model; median (range) of {len(rows[0]['native_ms'])} interleaved runs "
        f"of {result['steps']} steps on {where['cores']} cores of {where['cpu']}, "
        f"torch {versions['torch']}, mace-torch {versions['mace-torch']}."
    )
    lines += ["", note]
    return "\n".join(lines)


def replace_block(mark: str, text: str, readme: Path = ROOT / "README.md") -> None:
    """Put a text between the markers of that name."""
    begin, end = f"<!-- {mark}: made by benchmarks/ -->", "<!-- end -->"
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    whole = f"{begin}\n{text}\n{end}"
    readme.write_text(re.sub(pattern, lambda _: whole, readme.read_text(), flags=re.DOTALL))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--worker")
    options = parser.parse_args()
    if options.worker:
        calculator_worker(options.worker, options.steps)
        return
    rows = measure(options.rounds, options.steps, options.threads)
    result = {"steps": options.steps, "machine": machine(), "rows": rows}
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    if options.output == RESULT:
        replace_block(MARK, table(result))
    print(table(result))


if __name__ == "__main__":
    main()
