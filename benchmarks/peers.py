"""Symmetrix-XL as a peer: extraction, compilation for this machine, timing of its kernels."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = {"streamed_edges": "direct", "execution_profile": "capacity", "neighbor_skin": 0.5}


def _extracted(model: Path, folder: Path) -> Path:
    """The model as Symmetrix's JSON, made once a content of the model file."""
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:16]
    out = folder / f"{model.stem}-{digest}.json"
    if not out.exists():
        part = out.with_suffix(".part")
        command = [sys.executable, "-m", "symmetrix.cli.extract_mace"]
        command += ["--model", str(model), "--output", str(part)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        part.rename(out)
    return out


def _environment(folder: Path) -> dict[str, str]:
    """What must stand in the environment before symmetrix is imported."""
    cache = folder / "symmetrix-jit"
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "SYMMETRIX_BACKEND": "cpu",
        "SYMMETRIX_JIT_CACHE": str(cache),
        "KOKKOS_DISABLE_WARNINGS": "1",
    }


def prepare_symmetrix(model: Path, dtypes: list[str], folder: Path) -> None:
    """Compile its kernels (minutes) where they are not in the cache yet."""
    path = _extracted(model, folder)
    for dtype in dtypes:
        arguments = {"dtype": dtype, **SETTINGS}
        code = f"import symmetrix; symmetrix.Symmetrix({str(path)!r}, **{arguments})"
        environment = {**os.environ, **_environment(folder)}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def symmetrix_evaluation(
    model: Path,
    dtype: str,
    folder: Path,
    atoms: Any,  # noqa: ANN401
    jittered: Callable[[np.ndarray, int], np.ndarray],
) -> Any:  # noqa: ANN401
    """A function of the step that returns (seconds of the kernels alone, forces), and a name."""
    os.environ.update(_environment(folder))
    from symmetrix import Symmetrix

    calculator = Symmetrix(str(_extracted(model, folder)), dtype=dtype, **SETTINGS)
    calculator.calculate(atoms.copy(), ["energy", "forces"])
    evaluator, cache = calculator.evaluator, calculator._neighbor_cache  # noqa: SLF001
    if evaluator.factorized_fallback_evaluation_count:
        sys.exit("symmetrix-xl fell back to its uncompiled kernels: nothing to compare with")

    def evaluate(step: int) -> tuple[float, np.ndarray]:
        graph = evaluator.factorized_graph_generation
        positions = jittered(atoms.positions, step).reshape(-1)
        start = time.perf_counter()
        evaluator._compute_prepared_factorized_positions(graph, positions)  # noqa: SLF001
        np.sum(evaluator.node_energies)
        forces = evaluator._reduce_atom_forces(  # noqa: SLF001
            len(atoms), cache.receivers, cache.sources, graph
        )
        return time.perf_counter() - start, np.array(forces).reshape(-1, 3)

    from importlib.metadata import version

    return evaluate, f"symmetrix-xl {version('symmetrix-xl')}, compiled here"
