"""Runs for RBMD from the specification that also makes the LAMMPS input."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench import __version__
from mdbench.errors import EngineError, MdbenchError, RunError, StructureError
from mdbench.molecules.eam_file import EamFile, read_funcfl
from mdbench.molecules.load import LoadedMolecules, load_molecules
from mdbench.molecules.write import write_molecules
from mdbench.programs import versions
from mdbench.rbmd import mace
from mdbench.rbmd.agreement import Agreement, agreement
from mdbench.rbmd.contract import ContractReport, describe_model
from mdbench.rbmd.control_text import to_json
from mdbench.rbmd.dialects import Dialect, dialect_of
from mdbench.rbmd.readme import readme_text
from mdbench.rbmd.refusals import of_case, of_settings, refuse
from mdbench.rbmd.settings import (
    CONTROL_FILE,
    DATA_FILE,
    MODEL_FILE,
    POTENTIAL_FILE,
    Case,
    control_of,
)
from mdbench.rbmd.velocities import draw_velocities
from mdbench.run_folder import sha256_of, write_atomically
from mdbench.run_once import start_of
from mdbench.spec_system import FileSystem
from mdbench.spec_types import shown
from mdbench.subject import ClassicalField, Subject, model_of
from mdbench.systems import build, species_order

if TYPE_CHECKING:
    from ase import Atoms

    from mdbench.spec import RunSpec, Variant

EXPORT_FILE = "export.json"


@dataclass(frozen=True)
class _Prepared:
    """What all runs of a specification share."""

    spec: RunSpec
    dialect: Dialect
    case: Case
    potential: tuple[Path, str] | None = None  # a file, and its name in each folder
    checked: ContractReport | Agreement | None = None
    relaxed: bool = False


def export(
    spec: RunSpec, engine: str, target: Path, *, trust_unpinned: bool = False
) -> tuple[Path, ...]:
    """Write the runs of a specification for RBMD.

    Args:
        spec: The specification; several temperatures or seeds get a folder each, below ``target``.
        engine: ``rbmd-2.2`` or ``rbmd-2.0``.
        target: Folder to make; it must not exist.
        trust_unpinned: Convert a model, which is code, that has no ``sha256``.

    Returns:
        The folders, ready to run.

    Raises:
        MdbenchError: when something cannot be done; nothing is left then. What the dialect cannot
            do comes together, a line each.
    """
    dialect = dialect_of(engine)
    above = place_of(target)
    problems = of_settings(spec, dialect)
    scratch: Path | None = None
    try:
        if spec.is_classical:
            prepared = _classical(spec, dialect, problems)
            scratch = _scratch(above)
        else:
            atoms = _structure(spec, problems, trust_unpinned=trust_unpinned)
            scratch = _scratch(above)
            prepared = _mace(spec, dialect, atoms, scratch)
        if spec.run.minimize:
            prepared = _relaxed(prepared)
        return _write(replace(prepared, checked=_check(prepared, scratch)), scratch, target)
    except OSError as problem:
        raise RunError(
            f"cannot write {shown(str(target))}: {problem.strerror or problem}"
        ) from None
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def place_of(target: Path) -> Path:
    """The nearest folder that exists above one that does not.

    Raises:
        RunError: when it exists, or cannot be made.
    """
    if not str(target).isprintable():
        raise RunError(f"cannot write {shown(str(target))}: it holds characters that do not print")
    try:
        if target.exists() or target.is_symlink():
            raise RunError(f"{shown(str(target))} exists already: name another folder")
        above = target.absolute().parent
        while not above.exists():
            above = above.parent
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise RunError(f"cannot write {shown(str(target))}: {reason}") from None
    if not above.is_dir():
        raise RunError(f"cannot write {shown(str(target))}: {shown(str(above))} is no folder")
    return above


def _classical(spec: RunSpec, dialect: Dialect, problems: list[str]) -> _Prepared:
    """The system of a classical force field, checked.

    Raises:
        SpecError: with all that the dialect cannot do.
    """
    field = spec.force_field
    eam: EamFile | None = None
    try:
        if field.potential_file is not None:
            eam = read_funcfl(field.potential_file)
            if eam.num_densities != eam.num_radii:
                problems.append(
                    f"force_field.potential_file: has tables of {eam.num_densities} densities and "
                    f"{eam.num_radii} distances, and RBMD reads them right when these are equal: "
                    "give a file where they are"
                )
    except StructureError as problem:
        problems.append(f"force_field.potential_file: {problem}")
    case: Case | None = None
    try:
        assert isinstance(spec.system, FileSystem)  # noqa: S101 - the specification says so
        loaded = load_molecules(spec.system, field)
        cutoff_ang = field.cutoff_ang if eam is None else eam.cutoff_ang
        if eam is not None or field.kind != "eam":
            case = Case(loaded.system.wrapped(), loaded.elements, cutoff_ang)
            problems += of_case(spec, dialect, case)
    except StructureError as problem:
        problems.append(f"system.file: {problem}")
    refuse(problems)
    assert case is not None  # noqa: S101 - else there was a problem
    potential = (field.potential_file, POTENTIAL_FILE) if field.potential_file else None
    return _Prepared(spec, dialect, case, potential)


def _structure(spec: RunSpec, problems: list[str], *, trust_unpinned: bool) -> Atoms:
    """The structure for a MACE model, checked, and the file of the model.

    Raises:
        SpecError: with all that is wrong.
    """
    atoms: Atoms | None = None
    try:
        atoms = build(spec.system)
    except MdbenchError as problem:
        problems.append(str(problem) if str(problem).startswith("system") else f"system: {problem}")
    if atoms is not None:
        problems += mace.problems_of_structure(atoms)
        if not spec.model.is_reference:
            pinned = mace.trusted(spec, trust_unpinned=trust_unpinned)
            problems += mace.problems_of_file(pinned, atoms)
    refuse(problems)
    assert atoms is not None  # noqa: S101 - else there was a problem
    return atoms


def _mace(spec: RunSpec, dialect: Dialect, atoms: Atoms, scratch: Path) -> _Prepared:
    """The structure for a model that has been converted, checked with what the model says."""
    model = scratch / MODEL_FILE
    mace.write_model(spec, model)
    about = describe_model(model)
    elements = tuple(species_order(atoms))
    case = Case(mace.as_system(atoms).wrapped(), elements, about["cutoff_ang"])
    refuse([*mace.problems_of_masses(atoms, about["elements"]), *of_case(spec, dialect, case)])
    return _Prepared(spec, dialect, case, (model, MODEL_FILE))


def _relaxed(prepared: _Prepared) -> _Prepared:
    """The same, its structure as the LAMMPS run begins with it: RBMD has no minimiser.

    Raises:
        EngineError: when LAMMPS fails.
    """
    spec, case = prepared.spec, prepared.case
    atoms = case.system.as_atoms(case.elements)
    potential = (
        ClassicalField(LoadedMolecules(case.system, case.elements))
        if spec.is_classical
        else model_of(spec)
    )
    start = start_of(spec, spec.variants()[0], Subject(atoms, potential))
    if start.positions.shape != atoms.positions.shape or not np.isfinite(start.positions).all():
        raise EngineError("relaxing the structure in LAMMPS lost atoms: relax it by hand")
    system = replace(case.system, positions=start.positions, images=start.images).wrapped()
    return replace(prepared, case=replace(case, system=system), relaxed=True)


def _check(prepared: _Prepared, scratch: Path) -> ContractReport | Agreement:
    """What the exported files give, compared with what the specification means.

    Raises:
        MdbenchError: when that is not the same.
    """
    spec, case = prepared.spec, prepared.case
    if not spec.is_classical:
        assert prepared.potential is not None  # noqa: S101 - the model
        atoms = case.system.as_atoms(case.elements)
        return mace.checked_call(spec, prepared.potential[0], atoms)
    system = case.system
    if not prepared.relaxed:
        assert isinstance(spec.system, FileSystem)  # noqa: S101 - the specification says so
        system = load_molecules(spec.system, spec.force_field).system
    write_molecules(scratch / DATA_FILE, case.system, case.elements, coefficients=True)
    return agreement(spec, system, case.elements, scratch / DATA_FILE)


def _scratch(above: Path) -> Path:
    """A folder to work in, on the file system of the target."""
    return Path(tempfile.mkdtemp(prefix=".mdbench-export-", dir=above))


def _write(prepared: _Prepared, scratch: Path, target: Path) -> tuple[Path, ...]:
    """All runs beside the place where they go, and then there."""
    variants, made = prepared.spec.variants(), scratch / "made"
    made.mkdir()
    names = [""] if len(variants) == 1 else [v.name for v in variants]
    for name, variant in zip(names, variants, strict=True):
        (made / name).mkdir(exist_ok=True)
        _write_run(prepared, variant, made / name)
    target.parent.mkdir(parents=True, exist_ok=True)
    made.rename(target)
    return tuple(target / name for name in names)


def _write_run(prepared: _Prepared, variant: Variant, folder: Path) -> None:
    """The files of one run; ``export.json`` comes last and makes it valid."""
    spec, dialect, case = prepared.spec, prepared.dialect, prepared.case
    system = case.system
    if spec.run.velocities == "new":
        drawn = draw_velocities(
            system, variant.temperature_k, variant.random_seed, rigid=spec.force_field.shake
        )
        system = replace(system, velocities=drawn)
    control = control_of(spec, dialect, case, variant.temperature_k)
    (folder / CONTROL_FILE).write_text(to_json(control, dialect))
    write_molecules(
        folder / DATA_FILE, system, case.elements, coefficients=bool(system.pair_coefficients)
    )
    if prepared.potential:
        source, name = prepared.potential
        shutil.copyfile(source, folder / name)
    text = readme_text(spec, dialect, variant, case, prepared.checked, relaxed=prepared.relaxed)
    (folder / "README.md").write_text(text)
    record = _record(prepared, variant)
    record["files"] = {p.name: sha256_of(p) for p in sorted(folder.iterdir()) if p.is_file()}
    write_atomically(folder / EXPORT_FILE, json.dumps(record, indent=1) + "\n")


def _record(prepared: _Prepared, variant: Variant) -> dict[str, Any]:
    """What was exported, for the analysis and for a repetition."""
    spec = prepared.spec
    return {
        "schema": 1,
        "kind": "mdbench export",
        "name": spec.name,
        "dialect": prepared.dialect.name,
        "variant": asdict(variant),
        "spec": spec.model_dump(mode="json"),
        "plan": asdict(spec.plan()),
        "elements": list(prepared.case.elements),
        "timestep_fs": spec.run.timestep_fs,
        "relaxed": prepared.relaxed,
        "checked": prepared.checked.as_dict() if prepared.checked else None,
        "versions": {"mdbench": __version__, **versions()},
    }
