"""``mdbench check``: what is wrong with a run before it starts, and what it will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.check.cost import Cost, disk_bytes, measure, measure_lammps
from mdbench.check.findings import CheckReport, Problem
from mdbench.check.force_field import problems_of_force_field
from mdbench.check.geometry import Geometry, examine_geometry, problems_of_structure
from mdbench.check.notes import num_fixed, problems_of_file
from mdbench.check.potential import load, problems_of_model, problems_of_reference
from mdbench.check.settings import problems_of_run
from mdbench.errors import MdbenchError, RunError
from mdbench.model import inspect
from mdbench.subject import ClassicalField, MaceModel, ReferenceField

if TYPE_CHECKING:
    from mdbench.spec import RunSpec
    from mdbench.subject import Subject

__all__ = [
    "CheckReport",
    "Cost",
    "Geometry",
    "Problem",
    "examine",
    "problems_of_force_field",
    "problems_of_model",
    "problems_of_reference",
    "problems_of_run",
    "problems_of_structure",
    "refuse_errors",
]


def examine(spec: RunSpec, subject: Subject) -> CheckReport:
    """All that can be found out about a run without running it.

    A model or force field is timed on the structure only if nothing is wrong with it and its file
    is not unpinned code.

    Args:
        spec: What to run.
        subject: Its atoms, and what acts on them.
    """
    geometry = _geometry(subject)
    problems = _problems(spec, subject, geometry)
    cost = None
    parts = ("model", "system", "dispersion", "force_field")
    if not any(p.level == "error" and p.field.startswith(parts) for p in problems):
        cost, failed = _cost(spec, subject)
        problems += failed
    problems.sort(key=lambda p: p.level)  # errors first
    disk = disk_bytes(spec, len(subject.atoms))
    return CheckReport(tuple(problems), geometry, cost, disk, num_fixed(spec, subject.atoms))


def _cost(spec: RunSpec, subject: Subject) -> tuple[Cost | None, list[Problem]]:
    """What it costs, or why that is not known; neither for a model that is to be converted."""
    potential = subject.potential
    if not isinstance(potential, MaceModel):
        try:
            return measure_lammps(spec, subject), []
        except MdbenchError as problem:  # a structure that is to be relaxed first may do this
            field = "force_field" if spec.is_classical else "model.file"
            return None, [Problem("warning", field, f"it could not be timed: {problem}")]
    try:
        evaluator = load(spec, potential.path)
        if evaluator is None:
            return None, []
        return measure(spec, subject.atoms, evaluator, potential.path), []
    except MdbenchError as problem:
        return None, [Problem("error", "model.file", str(problem))]


def _geometry(subject: Subject) -> Geometry:
    potential = subject.potential
    types = potential.loaded.system.types if isinstance(potential, ClassicalField) else None
    return examine_geometry(subject.atoms, types)


def _problems(spec: RunSpec, subject: Subject, geometry: Geometry) -> list[Problem]:
    atoms = subject.atoms
    return [
        *problems_of_run(spec, set(atoms.get_chemical_symbols())),
        *problems_of_structure(spec, atoms, geometry),
        *problems_of_file(spec, atoms),
        *_problems_of_potential(spec, subject),
    ]


def _problems_of_potential(spec: RunSpec, subject: Subject) -> list[Problem]:
    match subject.potential:
        case MaceModel(path):
            return problems_of_model(spec, path, subject.atoms)
        case ReferenceField():
            return problems_of_reference(spec, subject.atoms)
        case ClassicalField(loaded):
            return problems_of_force_field(spec, loaded)


def refuse_errors(
    spec: RunSpec, subject: Subject, *, trust_unpinned: bool = False
) -> list[Problem]:
    """The warnings about a run.

    Args:
        spec: What to run.
        subject: Its atoms, and what acts on them.
        trust_unpinned: Let a file of code without ``sha256`` pass.

    Raises:
        RunError: with the first error.
        ModelError: when a trusted file cannot be read.
    """
    potential = subject.potential
    if trust_unpinned and spec.model.sha256 is None and isinstance(potential, MaceModel):
        pinned = spec.model.model_copy(update={"sha256": inspect(potential.path).sha256})
        spec = spec.model_copy(update={"model": pinned})
    problems = _problems(spec, subject, _geometry(subject))
    errors = [p for p in problems if p.level == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more: see 'mdbench check')" if len(errors) > 1 else ""
        raise RunError(f"{errors[0].field}: {errors[0].text}{more}")
    return problems
