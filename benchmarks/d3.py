"""Time D3 dispersion against what users would take instead, and as a part of MACE MD.

Usage: python benchmarks/d3.py [--rounds 3] [--quick] [--output FILE]

PBE-D3(BJ) of graphene-water. Four questions: time and accuracy of an evaluation (energy, forces,
virial) against s-dftd3, LAMMPS's `pair_style dispersion/d3` and torch-dftd at equal cutoffs; how
often the list is made in MD, and which skin is fastest; the share of a MACE step; and what
`hybrid/overlay` with LAMMPS's own D3 costs instead. Every variant runs in turn, `--rounds` times,
in processes that are fresh in each round; the figure is the median over rounds of the fastest
evaluation, with the range. One thread unless said.

The peers: pip install dftd3==1.7.0 torch-dftd==0.5.3; the latter with its dependencies, since it
imports pymatgen when it is loaded. The slowest are measured in the first round only; what is not
installed, or too slow, is left out with the reason. `--quick` (1 minute) shows that all works.
Writes benchmarks/results/d3.json and the tables in README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from d3_engines import (
    BOHR_ANG,
    FAMILIES,
    VARIANTS,
    Case,
    Variant,
    difference,
    limit_memory,
    sample,
    structure,
)
from d3_runs import RunError, run_lmp
from d3_table import table
from native_vs_peers import MALLOC
from plugin_vs_calculator import ROOT, machine, replace_block

RESULT = ROOT / "benchmarks/results/d3.json"
MARK = "d3"
CUTOFFS = {"12 A": 12.0, "15 A": 15.0, "50 Bohr": 50 * BOHR_ANG, "95 Bohr": 95 * BOHR_ANG}
CASES = [Case(n, ang, name) for n in (128, 372, 1038) for name, ang in CUTOFFS.items()]
SKINS_ANG = [0.5, 1.0, 2.0, 3.0, 4.0]
REFERENCE = "s-dftd3"
# Pairs, both ways, beyond which a variant is measured in the first round only, and not at all
# (torch-dftd takes 2 kB a pair).
ONCE = {"torch-dftd float32": 5e6, "torch-dftd float64": 2e6, "LAMMPS, rebuilt": 1.5e7}
NEVER = {"torch-dftd float32": 7.5e6, "torch-dftd float64": 4e6}
STEPS = {"bundled": 300, "medium": 40}


def refusal(variant: Variant, case: Case, round_: int) -> str:
    """Why a variant is not measured."""
    most = NEVER.get(variant.name, math.inf)
    if case.pairs > most:
        return f"left out: more than {most / 1e6:g} million pairs of 2 kB"
    return "once is enough" if round_ and case.pairs > ONCE.get(variant.name, math.inf) else ""


def ask(pool: Any, variant: Variant, case: Case) -> dict[str, Any] | str:  # noqa: ANN401
    """A sample by the process of the variant's family, or why there is none."""
    try:
        found = pool.submit(sample, variant, case).result()
    except BrokenProcessPool:
        return "left out: its process died"
    except (ImportError, MemoryError, RuntimeError) as problem:
        return f"left out: {str(problem).splitlines()[0]}"
    return dict(found)


def measure_evaluations(cases: list[Case], rounds: int) -> list[dict[str, Any]]:
    """Rows of all cases and variants, variants in turn."""
    for count in {case.atoms for case in cases}:
        structure(count)  # made here, not in a process that measures
    os.environ.update(MALLOC, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_PROC_BIND="false")
    rows = [
        {"atoms": c.atoms, "cutoff": c.cutoff, "cutoff_ang": c.cutoff_ang, "variant": v.name}
        for c in cases
        for v in VARIANTS
    ]
    for row in rows:
        row |= {"ms": [], "list_ms": [], "reason": ""}
    fresh = multiprocessing.get_context("spawn")
    for round_ in range(rounds):
        with ExitStack() as stack:
            pools = {
                family: stack.enter_context(ProcessPoolExecutor(1, fresh, limit_memory))
                for family in FAMILIES
            }
            for i, case in enumerate(cases):
                mine = rows[i * len(VARIANTS) : (i + 1) * len(VARIANTS)]
                one_case(pools, case, mine, round_)
    return rows


def one_case(pools: dict[str, Any], case: Case, rows: list[dict[str, Any]], round_: int) -> None:
    """Every variant once; the first round also compares their answers."""
    answers = {}
    for variant, row in zip(VARIANTS, rows, strict=True):
        found = refusal(variant, case, round_) or ask(pools[variant.family], variant, case)
        if isinstance(found, str):
            row["reason"] = row["reason"] or found
            continue
        fastest = min(range(len(found["ms"])), key=found["ms"].__getitem__)
        row["ms"].append(found["ms"][fastest])
        row["list_ms"].append(found["list_ms"][fastest])
        row.setdefault("all_ms", []).append(found["ms"])
        answers[variant.name] = found["answer"]
        say(f"round {round_}, {case.atoms} atoms, {case.cutoff}, {variant.name}: ", row["ms"][-1])
    if round_ == 0 and REFERENCE in answers:
        for row in rows:
            if row["variant"] in answers and "switch" not in row["variant"]:
                row.update(difference(answers[row["variant"]], answers[REFERENCE]))


def say(text: str, milliseconds: float) -> None:
    """Progress."""
    print(f"{text} {milliseconds:.2f} ms", file=sys.stderr)


def measure_skins(skins: list[float], steps: int, rounds: int) -> list[dict[str, Any]]:
    """Rows of the skins: 372 atoms, bundled model, 298 K."""
    rows = [{"skin_ang": skin, "steps": steps, "runs": [], "reason": ""} for skin in skins]
    for round_ in range(rounds):
        for row in rows:
            collect(row, "bundled", "fused", steps, f"skin {row['skin_ang']}")
            if row["runs"]:
                say(f"round {round_}, skin {row['skin_ang']}:", row["runs"][-1]["ms"])
    return rows


def measure_steps(models: list[str], rounds: int) -> list[dict[str, Any]]:
    """Rows of the models: MACE alone, with D3 inside it, with LAMMPS's beside it."""
    rows = [
        {"model": m, "style": s, "steps": STEPS[m], "runs": [], "reason": ""}
        for m in models
        for s in ("alone", "fused", "overlay")
    ]
    for round_ in range(rounds):
        for row in rows:
            collect(row, row["model"], row["style"], row["steps"])
            if row["runs"]:
                say(f"round {round_}, {row['model']}, {row['style']}:", row["runs"][-1]["ms"])
    return rows


def collect(row: dict[str, Any], model: str, style: str, steps: int, more: str = "") -> None:
    """Add a run to a row, or why it failed."""
    if row["reason"]:
        return
    try:
        row["runs"].append(run_lmp(model, style, steps, more))
    except RunError as problem:
        row["reason"] = f"left out: {problem}"
        print(row["reason"], file=sys.stderr)


def stamp() -> dict[str, Any]:
    """The machine, with the versions of the peers that are installed."""
    where = machine()
    for name in ("dftd3", "torch-dftd", "pymatgen"):
        try:
            where["versions"][name] = version(name)
        except PackageNotFoundError:
            continue
    where["load_average"] = os.getloadavg()
    return where


def compact(text: str) -> str:
    """JSON with a list of numbers on one line, of five digits each."""
    text = re.sub(r"\d+\.\d{4,}(e-?\d+)?", lambda found: f"{float(found[0]):.5g}", text)
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a part of it, once, written nowhere")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    start = time.perf_counter()
    where = stamp()
    if options.quick:
        evaluated = measure_evaluations([c for c in CASES if c.atoms < 1000][:6:5], 1)
        skins = measure_skins([1.0, 2.0], 100, 1)
        steps = measure_steps(["bundled"], 1)
    else:
        evaluated = measure_evaluations(CASES, options.rounds)
        skins = measure_skins(SKINS_ANG, 1000, min(2, options.rounds))
        steps = measure_steps(["bundled", "medium"], options.rounds)
    result = {"machine": where, "evaluations": evaluated, "skins": skins, "steps": steps}
    text = compact(json.dumps(result, indent=1)) + "\n"
    result = json.loads(text)  # the table is made from the file's digits
    if not options.quick:
        options.output.write_text(text)
        if options.output == RESULT:
            replace_block(MARK, table(result))
    print(table(result))
    print(f"{time.perf_counter() - start:.0f} s in all", file=sys.stderr)


if __name__ == "__main__":
    main()
