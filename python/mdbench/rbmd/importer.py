"""Inputs of RBMD as specifications, which LAMMPS runs."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mdbench.errors import RunError, SettingError, SpecError
from mdbench.molecules.load import used_part
from mdbench.molecules.write import write_molecules
from mdbench.rbmd.control_file import read_control
from mdbench.rbmd.dialects import dialect_of
from mdbench.rbmd.export import place_of
from mdbench.rbmd.import_checks import refusals
from mdbench.rbmd.import_files import Case, take_model, take_potential, take_rdf
from mdbench.rbmd.import_settings import KEYS, settings
from mdbench.rbmd.import_system import elements_of, for_model, read_system, start
from mdbench.rbmd.lj_scale import real_control
from mdbench.spec import RunSpec
from mdbench.spec_file import load_spec
from mdbench.spec_messages import describe
from mdbench.spec_types import shown
from mdbench.spec_write import spec_text
from mdbench.systems import MAX_ATOMS

if TYPE_CHECKING:
    from mdbench.molecules.system import MolecularSystem
    from mdbench.rbmd.control import Control
    from mdbench.rbmd.control_file import ControlFile
    from mdbench.rbmd.import_checks import Problem
    from mdbench.rbmd.lj_scale import LjScale

SPEC_FILE = "run.toml"
STRUCTURE_FILE = "structure.data"

_FORCE_FIELD = "hyper_parameters.force_field"
_DATA = "init_configuration.read_data"
_REPLICATE = f"{_DATA}.replicate"


@dataclass(frozen=True)
class Imported:
    """A folder made from inputs of RBMD."""

    folder: Path
    spec: RunSpec
    num_atoms: int
    notes: tuple[str, ...]
    """What the user should know: ``file:line: key: remark``."""


def import_case(
    path: Path, folder: Path, *, engine: str | None = None, scale: LjScale | None = None
) -> Imported:
    """Write a folder with ``run.toml`` and what it needs from RBMD's inputs.

    Args:
        path: The control file; files that it names count from its folder.
        folder: What to make; it must not exist.
        engine: Dialect, where the control file does not give it away.
        scale: What unit LJ means; not for other units.

    Raises:
        MdbenchError: for what is wrong, or what a specification cannot say; nothing is left then.
    """
    above = place_of(folder)
    given = dialect_of(engine).name if engine is not None else None
    file = read_control(path)
    file.refuse(refusals(file.control))
    case = Case(file, _in_real_units(file, scale), given or file.engine())
    data_file = case.path(f"{_DATA}.file", file.control.init_configuration.read_data.file)
    system = read_system(data_file, file.control, scale, case.engine, case.notes)
    file.refuse(_too_large(case, system))
    scratch = Path(tempfile.mkdtemp(prefix=".mdbench-import-", dir=above))
    try:
        made = scratch / "made"
        made.mkdir()
        _write(case, data_file, system, made)
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)
    except OSError as problem:
        raise RunError(
            f"cannot write {shown(str(folder))}: {problem.strerror or problem}"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for key in file.unknown():
        case.notes.append((key, "is not known to mdbench and has no effect"))
    notes = tuple(file.note(key, text) for key, text in case.notes)
    copies = case.control.init_configuration.read_data.replicate or (1, 1, 1)
    spec = load_spec(folder / SPEC_FILE).spec
    return Imported(folder, spec, len(system) * math.prod(copies), notes)


def _in_real_units(file: ControlFile, scale: LjScale | None) -> Control:
    """The settings, with reduced units turned into real ones."""
    if file.control.init_configuration.read_data.unit == "LJ":
        if scale is None:
            text = "LJ: say what the units are with --lj-scale, for example --lj-scale Ar"
            file.refuse([(f"{_DATA}.unit", text)])
            raise AssertionError
        return real_control(file.control, scale)
    if scale is not None:
        raise SettingError(f"--lj-scale goes with unit LJ: leave it out for {file.name}")
    return file.control


def _too_large(case: Case, system: MolecularSystem) -> list[Problem]:
    copies = case.control.init_configuration.read_data.replicate or (1, 1, 1)
    if min(copies) < 1:
        return [(_REPLICATE, f"{list(copies)}: numbers of copies are 1 or more")]
    count = len(system) * math.prod(copies)
    if count <= MAX_ATOMS:
        return []
    text = f"makes more than {MAX_ATOMS:,} atoms, the most that mdbench builds: take fewer copies"
    return [(_REPLICATE, text)]


def _write(case: Case, data_file: Path, system: MolecularSystem, made: Path) -> None:
    """All files of the folder; the specification comes last and is read back."""
    control, notes = case.control, case.notes
    kind = control.hyper_parameters.force_field.type
    sections = settings(control, notes)
    copies = control.init_configuration.read_data.replicate
    sections["system"] = {"file": STRUCTURE_FILE, **({"supercell": list(copies)} if copies else {})}
    system, velocities, problems = start(system, control, notes)
    case.file.refuse(problems)
    sections["run"] |= velocities
    if kind == "MACE":
        elements = take_model(case, data_file, system, sections, made)
        system = for_model(system)
    else:
        elements = elements_of(data_file, system, notes)
    if kind == "EAM":
        take_potential(case, system, sections, made)
    take_rdf(case, elements, sections)
    spec = _validated(case, sections, made)
    if spec.is_classical:
        used_part(data_file, system, spec.force_field)  # for what it lacks
        case.file.refuse(_missing_styles(control, system))
    write_molecules(made / STRUCTURE_FILE, system, elements, coefficients=spec.is_classical)
    head = f"# From {shown(case.file.path.name)}, an input of RBMD, by mdbench import.\n\n"
    (made / SPEC_FILE).write_text(head + spec_text(spec, made), "utf-8")
    if load_spec(made / SPEC_FILE).spec != spec:
        raise SpecError(f"{case.file.name}: its settings cannot be written as a specification")


def _missing_styles(control: Control, system: MolecularSystem) -> list[Problem]:
    """Terms of the data file whose style the control file does not give."""
    block = control.hyper_parameters.force_field
    if block.type != "CVFF":
        return []
    given = {
        "bond": block.bond_type,
        "angle": block.angle_type,
        "dihedral": block.dihedral_type,
        "improper": block.improper_type,
    }
    return [
        (f"{_FORCE_FIELD}.{name}_type", f"is missing, and the data file has {name}s: give it")
        for name, style in given.items()
        if style is None and len(system.of(name).kinds)
    ]


def _validated(case: Case, sections: dict[str, Any], made: Path) -> RunSpec:
    """The specification.

    Raises:
        SpecError: in terms of the control file.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", case.file.path.stem).lstrip("_.-")[:64]
    data = {"name": name or "run", **sections}
    try:
        return RunSpec.model_validate(data, context={"folder": made.absolute()})
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        found = [describe(error, data) for error in errors]
    problems = []
    for keys, text in found:
        dotted = ".".join(key for key in keys if isinstance(key, str))
        problems.append((KEYS.get(dotted, "execution"), f"gives {text}"))
    case.file.refuse(problems)
    raise AssertionError
