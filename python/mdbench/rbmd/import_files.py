"""Files that RBMD's control file names, taken over into the folder of a specification."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ase.data import chemical_symbols

from mdbench.errors import ModelError
from mdbench.model import metadata
from mdbench.molecules.eam_file import read_funcfl
from mdbench.rbmd.dialects import DIALECTS, DialectName
from mdbench.rbmd.import_settings import Notes, rdf_pairs
from mdbench.rbmd.import_system import elements_for_model
from mdbench.run_folder import sha256_of
from mdbench.spec_types import shown

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.molecules.system import MolecularSystem
    from mdbench.rbmd.control import Control
    from mdbench.rbmd.control_file import ControlFile

POTENTIAL_FILE = "potential.eam"
MODEL_FILE = "model.pt"

_FORCE_FIELD = "hyper_parameters.force_field"


@dataclass
class Case:
    """What is found on the way."""

    file: ControlFile
    control: Control
    """In unit REAL or METAL."""
    engine: DialectName | None
    notes: Notes = field(default_factory=list)

    def path(self, key: str, name: str) -> Path:
        """A file that the control file names; relative paths count from its folder.

        Raises:
            SpecError: when there is none.
        """
        if not name.isprintable():
            self.file.refuse([(key, f"{shown(name)} holds characters that do not print")])
        folder = self.file.path.absolute().parent
        path = folder / name
        try:
            found = path.is_file()
        except (OSError, ValueError):
            found = False
        if not found:
            text = f"{shown(name)} is no file in {shown(str(folder))}, from which paths count"
            self.file.refuse([(key, f"{text}: give its path")])
        return path


def take_model(
    case: Case, data_file: Path, system: MolecularSystem, sections: dict[str, Any], made: Path
) -> tuple[str, ...]:
    """Copy the model; returns the element of each type."""
    key = f"{_FORCE_FIELD}.model_file"
    source = case.path(key, str(case.control.hyper_parameters.force_field.model_file))
    shutil.copyfile(source, made / MODEL_FILE)
    try:
        about = metadata(made / MODEL_FILE)
        known = [chemical_symbols[int(z)] for z in about.get("elements", [])]
    except (ModelError, ValueError, IndexError):
        about, known = {}, []
    is_single = about.get("dtype") == "float32"
    if is_single:
        case.notes.append((key, "has float32 weights, and RBMD's MACE branch passes float64"))
    sections["model"] = {
        "file": MODEL_FILE,
        "sha256": sha256_of(made / MODEL_FILE),
        "precision": "single" if is_single else "double",
    }
    case.notes.append((key, "a model file is code: run it only if you trust where it is from"))
    return elements_for_model(data_file, system, known)


def take_potential(
    case: Case, system: MolecularSystem, sections: dict[str, Any], made: Path
) -> None:
    """Copy the tables of an embedded-atom potential."""
    key = f"{_FORCE_FIELD}.potential_file"
    source = case.path(key, str(case.control.hyper_parameters.force_field.potential_file))
    tables = read_funcfl(source)
    cutoff_ang = case.control.hyper_parameters.neighbor.cut_off
    if len(system.masses) > 1:
        text = f"has one element, and the data file {len(system.masses)} atom types: give one type"
        case.file.refuse([(key, text)])
    if cutoff_ang < tables.cutoff_ang:
        text = f"is less than the {tables.cutoff_ang:g} A of the potential, which LAMMPS takes"
        case.file.refuse([("hyper_parameters.neighbor.cut_off", f"{text}: write that")])
    if tables.num_densities != tables.num_radii:
        text = "RBMD reads tables of different lengths wrongly, LAMMPS does not: they will differ"
        case.notes.append((key, text))
    shutil.copyfile(source, made / POTENTIAL_FILE)
    sections["force_field"]["potential_file"] = POTENTIAL_FILE


def take_rdf(case: Case, elements: tuple[str, ...], sections: dict[str, Any]) -> None:
    """Pairs of types as pairs of elements."""
    block, key = case.control.outputs.rdf_out, "outputs.rdf_out.atoms_pair"
    if block is None or not block.atoms_pair:
        return
    named = [kind for pair in block.atoms_pair for kind in pair]
    engine: DialectName = case.engine or (
        "rbmd-2.0" if max(named) == len(elements) and min(named) > 0 else "rbmd-2.2"
    )
    first = DIALECTS[engine].first_type
    if case.engine is None and 0 < min(named) <= max(named) < len(elements):
        text = f"types are taken to count from {first}, as in {engine}: else say so with --engine"
        case.notes.append((key, text))
    try:
        sections["analysis"]["rdf"] = rdf_pairs(block, elements, first)
    except IndexError as problem:
        case.file.refuse([(key, f"{problem}, as in {engine}: mend it, or say --engine")])
    if len(set(elements)) < len(elements):
        case.notes.append((key, "mdbench tells elements apart, not types of one element"))
