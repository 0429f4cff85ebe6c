"""A MACE model and its structure, as RBMD's branch for them takes both."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols
from ase.units import fs

from mdbench.check.potential import problems_of_model
from mdbench.errors import ModelError
from mdbench.model import convert, inspect
from mdbench.molecules.system import MolecularSystem
from mdbench.rbmd.contract import ContractReport, check_contract
from mdbench.rbmd.masses import problems_of_types
from mdbench.subject import BUNDLED_MODEL
from mdbench.systems import species_order

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from mdbench.spec import RunSpec

_STRAIGHT = 1e-10
"""Of the longest edge: smaller components of cell vectors are rounding."""
_SAME_MASS_U = 1e-6
_MOST_CHECKED_ATOMS = 1000
"""RBMD's call is tried on a structure of that size; larger ones need their own memory."""


def source_of(spec: RunSpec) -> Path:
    """The file that RBMD's is made from; the bundled ``*.model`` for ``bundled``."""
    if str(spec.model.file) == "bundled":
        return BUNDLED_MODEL.with_suffix(".model")
    return spec.model.file


def trusted(spec: RunSpec, *, trust_unpinned: bool) -> RunSpec:
    """The specification with its model's hash filled in where the file is trusted anyway."""
    path = source_of(spec)
    if spec.model.sha256 is None and (trust_unpinned or str(spec.model.file) == "bundled"):
        try:
            pinned = spec.model.model_copy(update={"sha256": inspect(path).sha256})
        except ModelError:  # problems_of_file says what is wrong with it
            return spec
        return spec.model_copy(update={"model": pinned})
    return spec


def problems_of_file(spec: RunSpec, atoms: Atoms) -> list[str]:
    """What is wrong with the model's file, without running what is in it."""
    path = source_of(spec)
    try:
        file = inspect(path) if path.is_file() else None
        about = file.metadata() if file else {}
    except (ModelError, ValueError) as problem:
        return [f"model.file: {problem}"]
    if file and file.is_native:
        text = "is a native file, and RBMD reads TorchScript: give the *.model file, or *-lammps.pt"
        return [f"model.file: '{path}' {text}"]
    bare = spec.model_copy(update={"dispersion": type(spec.dispersion)()})  # refused by itself
    found = problems_of_model(bare, path, atoms)
    lines = [f"{p.field}: {p.text}" for p in found if p.level == "error"]
    if about.get("dtype", "float64") != "float64":
        lines.append(
            f"model.file: '{path}' holds {about['dtype']} weights, and RBMD passes float64: give "
            "the *.model file, or convert it with --dtype float64"
        )
    head = spec.model.head
    if head and about.get("head") not in (None, head):
        lines.append(
            f"model.head: '{path}' was converted for head '{about['head']}', not '{head}': give "
            "the *.model file"
        )
    if "elements" in about and not lines:
        known = [chemical_symbols[int(z)] for z in about["elements"]]
        lines += problems_of_masses(atoms, known)
    return lines


def problems_of_masses(atoms: Atoms, model_elements: list[str]) -> list[str]:
    """Types whose mass RBMD does not take for their element."""
    elements = species_order(atoms)
    masses = _masses(atoms, elements)
    return [f"system: {text}" for text in problems_of_types(masses, elements, model_elements)]


def problems_of_structure(atoms: Atoms) -> list[str]:
    """What RBMD's boxes and types cannot hold."""
    cell, lines = atoms.cell.array, []
    if not (atoms.pbc.all() and cell.any(axis=1).all()):
        lines.append(
            "system: the structure is open in some direction, and RBMD's boxes are periodic: give "
            "a periodic cell with vacuum beside the atoms"
        )
    elif np.abs(cell - np.diag(np.diag(cell))).max() > _STRAIGHT * np.abs(cell).max() or (
        np.diag(cell).min() <= 0
    ):
        lines.append(
            "system: the cell is tilted or turned, and RBMD's boxes are rectangular: give cell "
            "vectors along x, y and z"
        )
    if not np.isfinite(atoms.positions).all():
        lines.append("system: a position is not a finite number: mend the structure")
    symbols, masses = np.array(atoms.get_chemical_symbols()), atoms.get_masses()
    for element, mass in zip(
        species_order(atoms), _masses(atoms, species_order(atoms)), strict=True
    ):
        others = masses[(symbols == element) & (np.abs(masses - mass) > _SAME_MASS_U)]
        if len(others):
            lines.append(
                f"system: atoms of {element} weigh {mass:.7g} and {others[0]:.7g} u, and a type "
                "has one mass: give all of them the same"
            )
    return lines


def as_system(atoms: Atoms) -> MolecularSystem:
    """A structure in a rectangular box, in units real: Angstrom, A/fs."""
    elements, count = species_order(atoms), len(atoms)
    kinds = {element: kind for kind, element in enumerate(elements, start=1)}
    return MolecularSystem(
        atom_style="atomic",
        units="real",
        low=np.zeros(3),
        high=np.diag(atoms.cell.array).copy(),
        types=np.array([kinds[s] for s in atoms.get_chemical_symbols()], np.int64),
        positions=atoms.positions.copy(),
        masses=tuple(_masses(atoms, elements)),
        labels=tuple(elements),
        charges=np.zeros(count),
        molecules=np.zeros(count, np.int64),
        images=np.zeros((count, 3), np.int64),
        velocities=atoms.get_velocities() * fs if atoms.has("momenta") else None,
    )


def _masses(atoms: Atoms, elements: list[str]) -> list[float]:
    """Of the first atom of each element, u."""
    symbols, masses = atoms.get_chemical_symbols(), atoms.get_masses()
    return [float(masses[symbols.index(element)]) for element in elements]


def write_model(spec: RunSpec, target: Path) -> None:
    """TorchScript in double precision: converted, or the file as it is.

    Raises:
        ModelError: when it cannot be converted.
    """
    source = source_of(spec)
    if inspect(source).is_converted:
        shutil.copyfile(source, target)
    else:
        convert(source, target, head=spec.model.head, dtype="float64", state=spec.model.state)


def checked_call(spec: RunSpec, model: Path, atoms: Atoms) -> ContractReport:
    """RBMD's call on the structure, or on a piece of it that does not take all memory.

    Raises:
        ModelError: when it gives something else than the Python calculator.
    """
    if len(atoms) > _MOST_CHECKED_ATOMS:
        atoms = atoms[:_MOST_CHECKED_ATOMS]
    report = check_contract(
        model, atoms, reference=source_of(spec), head=spec.model.head, name="the structure"
    )
    failed = [c for c in report.checks if not c.passed]
    if failed:
        raise ModelError(
            f"RBMD's call of the model differs from {report.reference} by {failed[0].value:.1e} "
            f"{failed[0].unit} in {failed[0].name} (limit {failed[0].limit:.0e}): it is not written"
        )
    return replace(report, model=model.name)
