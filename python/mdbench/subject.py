"""What a specification simulates: atoms, and a model or a force field that acts on them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mdbench import plugin_folder
from mdbench.classical_input import POTENTIAL_FILE, force_field_commands, rigid_command
from mdbench.engine import boxed, potentials_folder
from mdbench.errors import RunError
from mdbench.fixed_atoms import as_group, fixed_atoms
from mdbench.input_facts import InputFacts
from mdbench.lammps_input import STRUCTURE_FILE
from mdbench.model import convert, inspect
from mdbench.molecules.load import LoadedMolecules, load_molecules
from mdbench.molecules.write import write_molecules
from mdbench.reference_field import data_text, potential_lines, with_whole_molecules
from mdbench.run_folder import sha256_of
from mdbench.spec_system import FileSystem
from mdbench.systems import build, species_order, write_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from mdbench.spec import RunSpec

BUNDLED_MODEL = Path(plugin_folder()) / "models" / "graphene-water.mace"
_REFERENCE_FILE = "BNC.tersoff"


@dataclass(frozen=True)
class MaceModel:
    """A model's file."""

    path: Path
    atom_style: ClassVar[str] = "atomic"

    @property
    def file(self) -> str:
        """Its name in a run folder."""
        return "model.pt" if self.path.suffix == ".pt" else "model.mace"

    def commands(self, spec: RunSpec, elements: Sequence[str]) -> str:
        """What defines it in LAMMPS."""
        model = spec.model
        single = self.file == "model.pt" and model.precision == "mixed"
        words = ["precision", "single" if single else model.precision]
        if model.device != "auto":
            words += ["device", model.device]
        if not model.deterministic:
            words += ["deterministic", "no"]
        if model.head:
            words += ["head", model.head]
        if spec.dispersion.method == "d3":
            words += ["d3", *spec.dispersion.words()]
        return (
            f"pair_style  mace {' '.join(words)}\n"
            f"pair_coeff  * * {self.file} {' '.join(elements)}\n"
        )

    def facts(self, spec: RunSpec, atoms: Atoms) -> InputFacts:
        """For the script."""
        elements = tuple(species_order(atoms))
        return InputFacts(
            elements, boxed(atoms).boundary, len(atoms), self.commands(spec, elements)
        )

    def write(self, spec: RunSpec, atoms: Atoms, folder: Path) -> dict[str, Any]:
        """Write the structure, copy or convert the model; the copy is what is hashed and used.

        Returns:
            What the manifest says of it.

        Raises:
            RunError: when its hash is not the pinned one.
            ModelError: when it cannot be used.
        """
        elements = species_order(atoms)
        copy = folder / f"source{self.path.suffix}"
        shutil.copyfile(self.path, copy)
        found = inspect(copy)
        pinned = spec.model.sha256
        if pinned and found.sha256 != pinned:
            raise RunError(
                f"model.sha256: '{self.path}' has {found.sha256}, not the pinned {pinned}"
            )
        target = folder / self.file
        if found.is_converted:
            about = found.metadata()
            copy.replace(target)
        else:
            head, state = spec.model.head, spec.model.state
            about = convert(copy, target, head=head, elements=tuple(elements), state=state)
            copy.unlink()
        write_data(folder / STRUCTURE_FILE, atoms, elements)
        return {
            "file": self.file,
            "source": self.path.name,
            "source_sha256": found.sha256,
            "sha256": sha256_of(target),
            "description": found.description,
            "state": about.get("state", {}),
        }


@dataclass(frozen=True)
class ReferenceField:
    """The classical force field that labelled the data of the bundled model."""

    atom_style: ClassVar[str] = "full"

    def commands(self, spec: RunSpec, elements: Sequence[str]) -> str:
        """What defines it in LAMMPS.

        Args:
            spec: The specification.
            elements: That the structure has.
        """
        del spec
        return potential_lines(has_water="O" in elements) + "\n"

    def facts(self, spec: RunSpec, atoms: Atoms) -> InputFacts:
        """For the script."""
        elements = ("C", "O", "H")
        commands = self.commands(spec, species_order(atoms))
        boundary = boxed(atoms).boundary
        return InputFacts(elements, boundary, len(atoms), commands, atom_style=self.atom_style)

    def write(self, spec: RunSpec, atoms: Atoms, folder: Path) -> dict[str, Any]:
        """Write the structure and the file of the carbon; returns what the manifest says of it."""
        del spec
        shutil.copyfile(potentials_folder() / _REFERENCE_FILE, folder / _REFERENCE_FILE)
        (folder / STRUCTURE_FILE).write_text(data_text(atoms))
        return {"file": "reference", "description": "classical reference force field"}


@dataclass(frozen=True)
class ClassicalField:
    """A force field of the specification, with the atoms whose file has its numbers."""

    loaded: LoadedMolecules

    def facts(self, spec: RunSpec, atoms: Atoms) -> InputFacts:
        """For the script.

        Raises:
            StructureError: when bonds are to be held that cannot be.
        """
        field, system = spec.force_field, self.loaded.system
        held = fixed_atoms(atoms, spec.ensemble.fixed or ())
        return InputFacts(
            self.loaded.elements,
            "p p p",
            len(atoms),
            force_field_commands(field, system),
            field.units,
            field.atom_style,
            rigid_command(system, held) if field.shake else "",
        )

    def write(self, spec: RunSpec, atoms: Atoms, folder: Path) -> dict[str, Any]:
        """Write the structure, copy the file of eam; returns what the manifest says of it."""
        del atoms
        field = spec.force_field
        path = folder / STRUCTURE_FILE
        write_molecules(path, self.loaded.system, self.loaded.elements, coefficients=False)
        about = {"file": "force field", "description": f"classical, {field.kind}"}
        if field.potential_file is None:
            return about
        shutil.copyfile(field.potential_file, folder / POTENTIAL_FILE)
        return about | {
            "file": POTENTIAL_FILE,
            "source": field.potential_file.name,
            "sha256": sha256_of(folder / POTENTIAL_FILE),
        }


Potential = MaceModel | ReferenceField | ClassicalField


@dataclass(frozen=True)
class Subject:
    """The atoms of a specification, as built or read, and what acts on them."""

    atoms: Atoms
    potential: Potential

    def facts(self, spec: RunSpec) -> InputFacts:
        """What the script of a run needs to know.

        Raises:
            StructureError: when atoms that are to be fixed are not there, or bonds cannot be held.
        """
        words = spec.ensemble.fixed or ()
        facts, held = self.potential.facts(spec, self.atoms), fixed_atoms(self.atoms, words)
        return replace(facts, fixed=as_group(held, words, facts.elements) if words else "")

    def write(self, spec: RunSpec, folder: Path) -> dict[str, Any]:
        """Write structure and potential into a run folder; returns what the manifest says."""
        return self.potential.write(spec, self.atoms, folder)


def model_of(spec: RunSpec) -> MaceModel | ReferenceField:
    """What acts on the atoms of a specification without a classical force field."""
    if spec.model.is_reference:
        return ReferenceField()
    return MaceModel(BUNDLED_MODEL if str(spec.model.file) == "bundled" else spec.model.file)


def load_subject(spec: RunSpec) -> Subject:
    """Build or read the atoms of a specification.

    Raises:
        StructureError: when that is not possible, or a force field lacks numbers.
    """
    if spec.is_classical and isinstance(spec.system, FileSystem):
        loaded = load_molecules(spec.system, spec.force_field)
        return Subject(loaded.system.as_atoms(loaded.elements), ClassicalField(loaded))
    atoms, potential = build(spec.system), model_of(spec)
    copies = getattr(spec.system, "supercell", (1, 1, 1))
    if isinstance(potential, ReferenceField) and max(copies) > 1:
        atoms = with_whole_molecules(atoms, copies)
    return Subject(atoms, potential)
