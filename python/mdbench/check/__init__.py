"""``mdbench check``: what is wrong with a run before it starts, and what it will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.check.cost import Cost, disk_bytes, measure
from mdbench.check.findings import CheckReport, Problem
from mdbench.check.geometry import Geometry, examine_geometry, problems_of_structure
from mdbench.check.potential import load, problems_of_model
from mdbench.check.settings import problems_of_run
from mdbench.errors import MdbenchError, RunError
from mdbench.model import inspect

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from mdbench.spec import RunSpec

__all__ = [
    "CheckReport",
    "Cost",
    "Geometry",
    "Problem",
    "examine",
    "problems_of_model",
    "problems_of_run",
    "problems_of_structure",
    "refuse_errors",
]


def examine(spec: RunSpec, atoms: Atoms, model: Path | None) -> CheckReport:
    """All that can be found out about a run without running it.

    The model is timed on the structure only if nothing is wrong with it and its file is not
    unpinned code.

    Args:
        spec: What to run.
        atoms: The structure, as ``systems.build`` makes it.
        model: The model's file; ``None`` for the reference force field.
    """
    geometry = examine_geometry(atoms)
    problems = _problems(spec, atoms, geometry, model)
    cost = None
    hopeless = any(
        p.level == "error" and p.field.startswith(("model", "system", "dispersion"))
        for p in problems
    )
    if model is not None and not hopeless:
        try:
            evaluator = load(spec, model)
            if evaluator is not None:
                cost = measure(spec, atoms, evaluator, model)
        except MdbenchError as problem:
            problems.append(Problem("error", "model.file", str(problem)))
    problems.sort(key=lambda p: p.level)  # errors first
    return CheckReport(tuple(problems), geometry, cost, disk_bytes(spec, len(atoms)))


def _problems(spec: RunSpec, atoms: Atoms, geometry: Geometry, model: Path | None) -> list[Problem]:
    return [
        *problems_of_run(spec, set(atoms.get_chemical_symbols())),
        *problems_of_structure(spec, atoms, geometry),
        *problems_of_model(spec, model, atoms),
    ]


def refuse_errors(
    spec: RunSpec, atoms: Atoms, model: Path | None, *, trust_unpinned: bool = False
) -> list[Problem]:
    """The warnings about a run.

    Args:
        spec: What to run.
        atoms: The structure.
        model: The model's file; ``None`` for the reference force field.
        trust_unpinned: Let a file of code without ``sha256`` pass.

    Raises:
        RunError: with the first error.
        ModelError: when a trusted file cannot be read.
    """
    if trust_unpinned and spec.model.sha256 is None and model is not None:
        pinned = spec.model.model_copy(update={"sha256": inspect(model).sha256})
        spec = spec.model_copy(update={"model": pinned})
    problems = _problems(spec, atoms, examine_geometry(atoms), model)
    errors = [p for p in problems if p.level == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more: see 'mdbench check')" if len(errors) > 1 else ""
        raise RunError(f"{errors[0].field}: {errors[0].text}{more}")
    return problems
