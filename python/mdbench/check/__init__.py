"""``mdbench check``: what is wrong with a run before it starts, and what it will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.check.cost import Cost, disk_bytes, measure
from mdbench.check.findings import CheckReport, Problem
from mdbench.check.geometry import Geometry, examine_geometry, problems_of_structure
from mdbench.check.potential import load, problems_of_model
from mdbench.check.settings import problems_of_run
from mdbench.errors import MdbenchError

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
    problems = [
        *problems_of_run(spec, set(atoms.get_chemical_symbols())),
        *problems_of_structure(spec, atoms, geometry),
        *problems_of_model(spec, model, atoms),
    ]
    cost = None
    hopeless = any(p.level == "error" and p.field.startswith(("model", "system")) for p in problems)
    if model is not None and not hopeless:
        try:
            evaluator = load(spec, model)
            if evaluator is not None:
                cost = measure(spec, atoms, evaluator, model)
        except MdbenchError as problem:
            problems.append(Problem("error", "model.file", str(problem)))
    problems.sort(key=lambda p: p.level)  # errors first
    return CheckReport(tuple(problems), geometry, cost, disk_bytes(spec, len(atoms)))
