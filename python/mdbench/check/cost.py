"""What a run will cost: time, memory, disk."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from mdbench.check.findings import readable_bytes, readable_time
from mdbench.core import GraphArrays, evaluate_arrays
from mdbench.d3 import D3Engine
from mdbench.errors import EvaluationError
from mdbench.model import metadata
from mdbench.run_once import timed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mdbench._core import Evaluator
    from mdbench.spec import RunSpec
    from mdbench.subject import Subject

LARGEST_TIMED = 20_000
_SAMPLE_ATOMS = 5000
_SHORTEST_TIMED_S, _LONGEST_TIMED_S, _TIMED_TIMES = 0.5, 2.0, 7

# Measured with LAMMPS 22 Jul 2025 on water over graphene: xtc at precision 10000, restart files;
# lines of text by their columns.
_FRAME_BYTES = {"xtc": 5.0, "custom": 40.0, "dcd": 12.0, "extxyz": 60.0}
_VELOCITY_BYTES, _RESTART_BYTES, _THERMO_BYTES = 42.0, 90.0, 240.0

# Measured likewise: resident memory of lmp with the plugin, and per thread, atom and edge, with
# models of 16 and 128 channels; good to a factor of two.
_PROGRAM_BYTES, _THREAD_BYTES, _ATOM_BYTES, _EDGE_BYTES, _FEATURE_BYTES = 1.2e8, 1e7, 1500, 200, 17
_GATED_BYTES = 4  # a gated layer keeps the sums before its gates

# Of classical force fields: lmp, and all memory over what it says of its arrays; rigid water of
# 648 and 81,000 atoms.
_LAMMPS_BYTES, _OVER_ARRAYS = 3e7, 1.2


@dataclass(frozen=True)
class Cost:
    """Estimates for this machine."""

    ms_per_step: float
    """Of the fastest steps: cores that other programs share are slower."""
    steps: int
    """Of all runs of the specification."""
    wall_s: float
    edges: int | None
    """Of a model's graph."""
    edges_per_atom: float | None
    memory_bytes: float | None
    """Of one run on the CPU; ``None`` for TorchScript, whose use is not known."""
    threads: int
    kernel: str
    d3_ms_per_step: float = 0.0
    """Of ``ms_per_step``."""

    def lines(self) -> list[str]:
        """The estimates as text."""
        memory = "not known"
        if self.memory_bytes is not None:
            memory = f"about {readable_bytes(self.memory_bytes)}"
        workers = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        speed = f"{self.ms_per_step:.3g} ms a step ({self.kernel}, {workers})"
        if self.d3_ms_per_step:
            speed += f", {self.d3_ms_per_step:.3g} ms of it D3"
        edges = []
        if self.edges is not None:
            edges = [f"edges         {self.edges:,}, {self.edges_per_atom:.1f} an atom"]
        return [
            *edges,
            f"speed         about {speed}",
            f"wall time     about {readable_time(self.wall_s)} for {self.steps:,} steps",
            f"memory        {memory}",
        ]


def measure(spec: RunSpec, atoms: Atoms, evaluator: Evaluator, model: Path) -> Cost:
    """Time a model on a structure, or on a part of a large one.

    Raises:
        MdbenchError: when the model cannot evaluate it.
    """
    info = evaluator.info
    whole = len(atoms) <= LARGEST_TIMED
    part, inner = (atoms, np.arange(len(atoms))) if whole else _sample(atoms, info["cutoff_ang"])
    graph = GraphArrays.from_atoms(part, info["atomic_numbers"], info["cutoff_ang"])
    per_atom = float(np.diff(graph.first_edge)[inner].mean())
    edges = round(per_atom * len(atoms))
    scale = 1.0 if whole else edges / max(1, len(graph.sender))
    d3_ms = _d3_ms(spec, part, inner, info["threads"]) * len(atoms) / len(part) / spec.run.ranks
    ms = _ms_per_evaluation(evaluator, graph) * scale / spec.run.ranks + d3_ms
    steps = spec.plan().total * len(spec.variants())
    return Cost(
        ms,
        steps,
        steps * ms / 1000,
        edges,
        per_atom,
        _memory(metadata(model), len(atoms), edges, info["threads"] * spec.run.ranks),
        info["threads"],
        info["kernel"],
        d3_ms,
    )


def measure_lammps(spec: RunSpec, subject: Subject) -> Cost:
    """Time a classical force field on a structure; of its styles each rank uses one core.

    Raises:
        MdbenchError: when LAMMPS cannot run it.
    """
    found, ranks = timed(spec, subject), spec.run.ranks
    ms = found.ms_per_step / ranks
    steps = spec.plan().total * len(spec.variants())
    memory = ranks * _LAMMPS_BYTES + _OVER_ARRAYS * found.memory_bytes
    return Cost(ms, steps, steps * ms / 1000, None, None, memory, 1, "LAMMPS")


def _sample(atoms: Atoms, cutoff_ang: float) -> tuple[Atoms, np.ndarray]:
    """A ball of atoms about the middle one, and which of them have all their neighbours in it."""
    middle = np.argmin(np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1))
    distance = np.linalg.norm(atoms.positions - atoms.positions[middle], axis=1)
    ball = np.argpartition(distance, _SAMPLE_ATOMS)[:_SAMPLE_ATOMS]
    part = Atoms(atoms.numbers[ball], atoms.positions[ball])
    inner = np.flatnonzero(distance[ball] < distance[ball].max() - cutoff_ang)
    return part, inner if len(inner) else np.arange(_SAMPLE_ATOMS)


def _ms_per_evaluation(evaluator: Evaluator, graph: GraphArrays) -> float:
    def evaluate() -> None:
        energy, _ = evaluate_arrays(evaluator, graph)
        if not np.isfinite(energy).all():
            raise EvaluationError("the model gives no finite energy for this structure")

    return _fastest_ms(evaluate)


def _d3_ms(spec: RunSpec, part: Atoms, inner: np.ndarray, threads: int) -> float:
    """Milliseconds of D3 without new lists, which are few, for atoms with all their neighbours."""
    if spec.dispersion.method == "none":
        return 0.0
    engine = D3Engine(spec.dispersion.words(), threads)
    ms = _fastest_ms(
        lambda: engine.evaluate(part.numbers, part.positions, part.cell.array, part.pbc)
    )
    if len(inner) == len(part):
        return ms
    # an atom at the surface of a ball has half the neighbours of one inside
    tree, reach = cKDTree(part.positions), spec.dispersion.cutoff_ang
    counts = tree.query_ball_point(part.positions, reach, return_length=True)
    return ms * float(counts.max() / counts.mean())


def _fastest_ms(evaluate: Callable[[], object]) -> float:
    """Of several, for long enough to outlast others' turns on the cores, which only add."""
    times: list[float] = []
    begin = time.perf_counter()
    while True:
        start = time.perf_counter()
        evaluate()
        end = time.perf_counter()
        times.append(1000 * (end - start))
        enough = len(times) >= _TIMED_TIMES and end - begin >= _SHORTEST_TIMED_S
        if enough or end - begin >= _LONGEST_TIMED_S:
            return min(times)


def _memory(about: dict[str, Any], num_atoms: int, edges: int, threads: int) -> float | None:
    if "channels" not in about:
        return None
    features: int = sum(
        about["channels"] * (layer["output_l"] + 1) ** 2 for layer in about["layers"]
    )
    rows: int = (about["max_ell"] + 1) ** 2 + about["max_ell"]
    gated = sum(bool(layer.get("gated")) for layer in about["layers"][:-1])
    kept: int = gated * rows * about["channels"]
    per_atom = _ATOM_BYTES + _FEATURE_BYTES * features + _GATED_BYTES * kept
    of_atoms = num_atoms * per_atom + edges * _EDGE_BYTES
    return _PROGRAM_BYTES + threads * _THREAD_BYTES + of_atoms


def disk_bytes(spec: RunSpec, num_atoms: int) -> int:
    """What all runs of a specification will write."""
    plan = spec.plan()
    size = num_atoms * _FRAME_BYTES[spec.output.format] * (plan.total // plan.frames)
    if plan.velocities:
        size += num_atoms * _VELOCITY_BYTES * (plan.total // plan.velocities)
    size += _THERMO_BYTES * (plan.total // plan.thermo)
    size += num_atoms * _RESTART_BYTES * len(plan.boundaries())
    return round(size * len(spec.variants()))
