"""Time energy + forces by the native evaluator against what users would take instead.

Usage: python benchmarks/native_vs_peers.py [--rounds 5] [--models medium bundled]

372 atoms of graphene-water; a model of the shape of MACE-MP-0b3 medium (128x0e+128x1o, r_max 6 A,
random weights: timing does not depend on them) and the bundled one. Native and TorchScript
evaluators on a prepared graph; mace-torch's calculator; Symmetrix-XL's kernels on its prepared
graph, compiled for this machine, where it is installed (pip install 'mdbench[peers]'; its first
compilation takes minutes). Each round runs every variant once in a fresh process, in turn; the
figure is the median over rounds of the fastest evaluation, with the range. Accuracy is checked
first. Writes benchmarks/results/native_vs_peers.json and the table in README.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers import prepare_symmetrix, symmetrix_evaluation
from plugin_vs_calculator import DATA, MODEL, ROOT, machine, median_ratio, replace_block

RESULT = ROOT / "benchmarks/results/native_vs_peers.json"
WORK = ROOT / "build/benchmarks"
DTYPES = {"single": "float32", "double": "float64"}
MARK = "native_vs_peers"
EVALUATIONS = {"native": 15, "torchscript": 2, "mace-torch": 2, "symmetrix-xl": 9}
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
"""Without them two thirds of mace-torch's time here goes into page faults: a fair baseline."""


def files(model: str) -> dict[str, Path]:
    """Paths of a model in every form, made where missing."""
    from mdbench.model import convert

    WORK.mkdir(parents=True, exist_ok=True)
    source = MODEL if model == "bundled" else WORK / "medium.model"
    if not source.exists():
        maker = ROOT / "tests/models/make_models.py"
        subprocess.run([sys.executable, "-W", "ignore", str(maker), str(WORK)], check=True)
    native, script = WORK / f"{model}.mace", WORK / f"{model}-lammps.pt"
    if not native.exists():
        convert(source, native, elements=["H", "C", "O"])
    if not script.exists():
        convert(source, script)
    return {"native": native, "torchscript": script, "mace-torch": source, "symmetrix-xl": source}


def structure() -> Any:  # noqa: ANN401 - ASE has no types
    """The interface of 372 atoms."""
    from ase.io.lammpsdata import read_lammps_data

    atoms = read_lammps_data(str(DATA), atom_style="atomic")
    atoms.pbc = True
    return atoms


def jittered(positions: np.ndarray, step: int) -> np.ndarray:
    """Positions of an evaluation: a little different each time, the same in every variant."""
    noise = np.random.default_rng(1000 + step).normal(size=positions.shape)
    return positions + 0.003 * np.clip(noise, -3, 3)


def core_evaluation(path: Path, precision: str, threads: int) -> Any:  # noqa: ANN401
    """A function of the step that evaluates forces [atoms, 3], and what ran it."""
    from mdbench import _core
    from mdbench.core import GraphArrays

    atoms = structure()
    evaluator = _core.load_evaluator(str(path), device="cpu", precision=precision, threads=threads)
    info = evaluator.info
    graph = GraphArrays.from_atoms(atoms, info["atomic_numbers"], info["cutoff_ang"])
    receiver = graph.receiver
    evaluator.prepare(np.unique(graph.species))

    def evaluate(step: int) -> tuple[float, np.ndarray]:
        moved = jittered(atoms.positions, step) - atoms.positions
        vectors = graph.edge_vector + moved[graph.sender] - moved[receiver]
        start = time.perf_counter()
        _, gradient, _ = evaluator.evaluate(
            graph.species, graph.first_edge, graph.sender, vectors, graph.num_local
        )
        seconds = time.perf_counter() - start
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, receiver, gradient)
        np.add.at(forces, graph.sender, -gradient)
        return seconds, forces

    return evaluate, info["kernel"]


def calculator_evaluation(path: Path, precision: str) -> Any:  # noqa: ANN401
    """The same with mace-torch's calculator, its neighbour list included."""
    import mace
    from mace.calculators import MACECalculator

    calculator = MACECalculator(str(path), device="cpu", default_dtype=DTYPES[precision])
    atoms = structure()
    base = atoms.positions.copy()

    def evaluate(step: int) -> tuple[float, np.ndarray]:
        atoms.positions = jittered(base, step)
        start = time.perf_counter()
        calculator.calculate(atoms, ["energy", "forces"])
        return time.perf_counter() - start, calculator.results["forces"].copy()

    return evaluate, f"mace-torch {mace.__version__}"


def work(options: argparse.Namespace) -> None:
    """One variant in its own process: prints times in microseconds an atom, and forces."""
    path = Path(options.file)
    if options.worker in ("native", "torchscript"):
        evaluate, kernel = core_evaluation(path, options.precision, options.threads)
    elif options.worker == "mace-torch":
        evaluate, kernel = calculator_evaluation(path, options.precision)
    else:
        evaluate, kernel = symmetrix_evaluation(
            path, DTYPES[options.precision], WORK, structure(), jittered
        )
    _, forces = evaluate(0)
    count = len(forces)
    times = [1e6 * evaluate(s)[0] / count for s in range(1, EVALUATIONS[options.worker] + 1)]
    print(json.dumps({"kernel": kernel, "us": times, "forces": forces.tolist()}), flush=True)
    os._exit(0)  # Kokkos complains when its objects outlive it


def run(variant: str, path: Path, precision: str, threads: int) -> dict[str, Any]:
    """A variant's answer."""
    environment = {
        **os.environ,
        **MALLOC,
        "OMP_NUM_THREADS": str(threads),
        "KOKKOS_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_PROC_BIND": "false",
    }
    command = [sys.executable, "-W", "ignore", __file__, "--worker", variant, "--file", str(path)]
    command += ["--precision", precision, "--threads", str(threads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{variant} failed: {done.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def measure(models: list[str], threads: list[int], rounds: int) -> list[dict[str, Any]]:
    """All rows: every variant in turn, ``rounds`` times."""
    cases, rows = [], []
    for model in models:
        paths = files(model)
        variants = [*EVALUATIONS]
        if model == "bundled" or importlib.util.find_spec("symmetrix") is None:
            variants.remove("symmetrix-xl")  # it accepts max_ell = 3 only
        else:
            prepare_symmetrix(paths["symmetrix-xl"], list(DTYPES.values()), WORK)
        exact = np.array(run("mace-torch", paths["mace-torch"], "double", 1)["forces"])
        cases += [
            (model, p, t, v, paths[v], exact) for p in DTYPES for t in threads for v in variants
        ]
    found: dict[int, list[dict[str, Any]]] = {}
    for round_ in range(rounds):
        for i, (_, precision, count, variant, path, _) in enumerate(cases):
            found.setdefault(i, []).append(run(variant, path, precision, count))
            print(
                f"round {round_}",
                *cases[i][:4],
                f"{min(found[i][-1]['us']):.1f} us/atom",
                file=sys.stderr,
            )
    for i, (model, precision, count, variant, _, exact) in enumerate(cases):
        error = np.array(found[i][0]["forces"]) - exact
        rows.append(
            {
                "model": model,
                "precision": precision,
                "threads": count,
                "variant": variant,
                "kernel": found[i][0]["kernel"],
                "us_per_atom": [min(f["us"]) for f in found[i]],
                "force_error": float(np.linalg.norm(error) / np.linalg.norm(exact)),
                "largest_force_error": float(np.abs(error).max()),
            }
        )
    return rows


def spread(values: list[float]) -> str:
    """Median and range."""
    digits = 1 if min(values) < 100 else 0
    low, middle, high = (f"{f(values):.{digits}f}" for f in (min, statistics.median, max))
    return f"{middle} ({low}-{high})"


def table(result: dict[str, Any]) -> str:
    """The README's table."""
    lines = [
        "| model, precision, threads | evaluator | us/atom | native is faster by | force error |",
        "|---|---|---|---|---|",
    ]
    best = {
        (r["model"], r["precision"], r["threads"]): r["us_per_atom"]
        for r in result["rows"]
        if r["variant"] == "native"
    }
    for r in result["rows"]:
        mine = best[r["model"], r["precision"], r["threads"]]
        ratio = median_ratio(r["us_per_atom"], mine)
        faster = "" if r["variant"] == "native" else f"{ratio:.1f}x"
        lines.append(
            f"| {r['model']}, {r['precision']}, {r['threads']} | {r['kernel']} "
            f"| {spread(r['us_per_atom'])} | {faster} | {r['force_error']:.0e} |"
        )
    where = result["machine"]
    note = (
        "372 atoms of graphene-water, energy and forces; medium: 128x0e+128x1o, r_max 6 A, random "
        "weights, 89 edges an atom; bundled: 16x0e, r_max 4.5 A, 38 edges an atom. Median (range) "
        f"of {len(result['rows'][0]['us_per_atom'])} interleaved fresh processes on "
        f"{where['cores']} cores of {where['cpu']}. Force error: relative, against mace-torch in "
        "double; up to 5e-7 of it is this benchmark's own, whose prepared graphs keep the edges of "
        "the unmoved structure."
    )
    lines += ["", note]
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["medium", "bundled"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--worker")
    parser.add_argument("--file")
    parser.add_argument("--precision")
    options = parser.parse_args()
    if options.worker:
        options.threads = options.threads[0]
        work(options)
        return
    rows = measure(options.models, options.threads, options.rounds)
    result = {"machine": machine(), "rows": rows}
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    if options.output == RESULT:
        replace_block(MARK, table(result))
    print(table(result))


if __name__ == "__main__":
    main()
