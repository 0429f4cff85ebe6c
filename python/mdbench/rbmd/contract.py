"""Does a MACE model compute for RBMD what it computes in Python? RBMD's exact call, side by side.

For RBMD's MACE branch, which is in none of its releases.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from mdbench import plugin_folder
from mdbench.calculator import MACECalculator
from mdbench.errors import ModelError, StructureError
from mdbench.model import call_worker, convert, inspect, metadata
from mdbench.rbmd.masses import MASSES_U, TypeElement, matches
from mdbench.structure_file import read_structure
from mdbench.verify import Check, python_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ENERGY_LIMIT_EV = 1e-8
FORCE_LIMIT_EV_PER_ANG = 1e-7

_WORKER = "mdbench.rbmd.contract_worker"
_CONVERT = "mdbench convert NAME.model -o NAME-lammps.pt --dtype float64"
_STRAIGHT = 1e-10
"""Of the longest edge: smaller components of cell vectors are rounding, not tilt."""


@dataclass(frozen=True)
class ContractReport:
    """RBMD's call of a model on one structure, beside the Python calculator's answer."""

    model: str
    structure: str
    reference: str
    num_atoms: int
    num_edges: int
    cutoff_ang: float
    types: tuple[TypeElement, ...]
    energy_ev: float  # that RBMD gets, not yet multiplied by its 23.0605 kcal/mol
    energy_error_ev: float
    site_energy_error_ev: float  # of their sum against the energy
    force_error_ev_per_ang: float  # largest component

    @property
    def mass_margin_u(self) -> float:
        """Smallest change of a type's mass (u) after which RBMD finds another answer."""
        return min(t.margin_u for t in self.types)

    @property
    def checks(self) -> list[Check]:
        """What has a limit."""
        return [
            Check("energy", self.energy_error_ev, ENERGY_LIMIT_EV, "eV"),
            Check("sum of site energies", self.site_energy_error_ev, ENERGY_LIMIT_EV, "eV"),
            Check("forces", self.force_error_ev_per_ang, FORCE_LIMIT_EV_PER_ANG, "eV/A"),
        ]

    @property
    def passed(self) -> bool:
        """Whether every difference is within its limit."""
        return all(check.passed for check in self.checks)

    def lines(self) -> list[str]:
        """For a terminal."""
        types = ", ".join(f"{t.type} {t.element} {t.mass_u:.7g} u" for t in self.types)
        size = f"{self.num_atoms:,} atoms, {self.num_edges:,} edges within {self.cutoff_ang:g} A"
        lines = [
            f"{self.structure}: {size}",
            f"RBMD's call of {self.model} against {self.reference}",
            f"types by mass: {types}; smallest margin {self.mass_margin_u:.3g} u",
        ]
        for c in self.checks:
            mark = "ok" if c.passed else "FAILED"
            lines.append(f"{mark:6} {c.name}: {c.value:.1e} {c.unit} (limit {c.limit:.0e})")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            **asdict(self),
            "mass_margin_u": self.mass_margin_u,
            "checks": [check.as_dict() for check in self.checks],
            "passed": self.passed,
        }


def check_contract(  # noqa: PLR0913 - what is compared, and with what
    model: Path,
    atoms: Atoms,
    masses_u: Mapping[str, float] | None = None,
    *,
    reference: Path | None = None,
    head: str | None = None,
    name: str = "the structure",
) -> ContractReport:
    """Make RBMD's call of a model and compare it with the Python calculator, in double precision.

    RBMD searches for neighbours in cells about a cutoff wide; in a box with an edge below twice the
    cutoff an atom has several images of another within reach, and here all of them are edges, as in
    the calculators. Whether RBMD itself finds each of them in such a box is not tested. The call is
    made on the CPU.

    Args:
        model: TorchScript file, ``*-lammps.pt``, in double precision.
        atoms: Structure in an orthogonal periodic box.
        masses_u: Mass of each element's type; those of ``atoms`` if left out, and then atoms of one
            element with other masses are types of their own. Types count by first appearance.
        reference: The ``*.model`` that ``model`` was made from, for mace-torch's calculator, or a
            file for mdbench's: ``*.pt``, or ``*.mace``, whose radial tables cost some 1e-11 eV an
            atom, so that a thousand atoms reach the limit. ``model`` itself if left out.
        head: Of ``reference``, where it has several.
        name: Of the structure, for messages.

    Raises:
        MdbenchError: when something is wrong with the model, the structure or its masses.
    """
    _require_torchscript(model)
    boxed = _straight(atoms, name)
    answer = call_worker("evaluate", _request(model, boxed, masses_u or {}), _WORKER)
    state = metadata(model).get("state")
    energy, forces, by = _reference(reference or model, boxed, head, state)
    (found,) = answer["total_energy_local"]
    return ContractReport(
        str(model),
        name,
        by,
        len(boxed),
        answer["num_edges"],
        answer["cutoff_ang"],
        tuple(TypeElement(**t) for t in answer["types"]),
        found,
        abs(found - energy),
        abs(sum(answer["node_energy"]) - found),
        float(np.abs(np.array(answer["forces"]) - forces).max()),
    )


def check_model(
    model: Path,
    structures: Sequence[Path] = (),
    *,
    lammps_file: Path | None = None,
    head: str | None = None,
    state: Mapping[str, int] | None = None,
) -> list[ContractReport]:
    """Check a model on structures from files.

    Args:
        model: What to compare with, as ``reference`` of :func:`check_contract`.
        structures: Any files that ASE reads; without, the bundled cell of 128 atoms of water on
            graphene, or a small crystal of the model's first elements if it does not know these.
        lammps_file: TorchScript file to check; if left out a ``*.model`` is converted for it and a
            ``*.pt`` is checked itself.
        head: Of a model that has several.
        state: Charge and spin to convert for, as :func:`mdbench.model.convert` takes them.

    Raises:
        MdbenchError: when something is wrong with the model, a structure or its masses.
    """
    with tempfile.TemporaryDirectory(prefix="mdbench-") as folder:
        checked = lammps_file or model
        if lammps_file is None and inspect(model).description.startswith("a pickled mace-torch"):
            checked = Path(folder) / f"{model.stem}-lammps.pt"
            convert(model, checked, head=head, dtype="float64", state=state)
        elif state:
            raise ModelError(f"'{checked}' is converted: leave charge and spin out, it has them")
        _require_torchscript(checked)
        frames = {str(path): read_structure(path) for path in structures}
        reports = [
            check_contract(checked, atoms, reference=model, head=head, name=name)
            for name, atoms in (frames or _default_structure(checked)).items()
        ]
    made = checked not in {model, lammps_file}
    return [replace(r, model=f"{model}, converted") if made else r for r in reports]


def describe_model(model: Path) -> dict[str, Any]:
    """``elements`` (symbols) and ``cutoff_ang`` of a TorchScript file that RBMD could read.

    Raises:
        ModelError: when it could not.
    """
    return call_worker("describe", {"model": str(model)}, _WORKER)


def _require_torchscript(path: Path) -> None:
    description = inspect(path).description
    if "TorchScript" not in description:
        raise ModelError(
            f"'{path}' is {description} and RBMD reads TorchScript only: convert the *.model file "
            f"with '{_CONVERT}'"
        )


def _straight(atoms: Atoms, name: str) -> Atoms:
    """The structure in a cell without rounding.

    Raises:
        StructureError: unless it lies in an orthogonal periodic box.
    """
    cell = atoms.cell.array
    if not len(atoms) or not (np.isfinite(atoms.positions).all() and np.isfinite(cell).all()):
        raise StructureError(f"{name} has no atoms, or positions that are not finite numbers")
    lengths = np.diag(cell)
    if not (atoms.pbc.all() and cell.any(axis=1).all()):
        raise StructureError(
            f"{name} is open in some direction and RBMD's boxes are periodic: make the cell "
            "periodic, with vacuum beside the atoms"
        )
    if np.abs(cell - np.diag(lengths)).max() > _STRAIGHT * cell.max() or lengths.min() <= 0:
        raise StructureError(
            f"{name} has a tilted or turned cell and RBMD's boxes are orthogonal: give cell "
            "vectors along x, y and z"
        )
    return Atoms(atoms.numbers, atoms.positions, masses=atoms.get_masses(), cell=lengths, pbc=True)


def _request(model: Path, atoms: Atoms, masses_u: Mapping[str, float]) -> dict[str, Any]:
    """What the worker needs: atoms of types, each with the element that it stands for."""
    symbols = atoms.get_chemical_symbols()
    masses = (masses_u.get(s, m) for s, m in zip(symbols, atoms.get_masses(), strict=True))
    pairs = list(zip(symbols, map(float, masses), strict=True))
    kinds = list(dict.fromkeys(pairs))
    return {
        "model": str(model),
        "positions": atoms.positions.tolist(),
        "lengths": atoms.cell.lengths().tolist(),
        "types": [kinds.index(pair) for pair in pairs],
        "elements": [symbol for symbol, _ in kinds],
        "masses_u": [mass for _, mass in kinds],
    }


def _reference(
    path: Path, atoms: Atoms, head: str | None, state: Mapping[str, int] | None
) -> tuple[float, Floats, str]:
    """Energy (eV), forces (eV/A), and whose they are."""
    if not inspect(path).is_converted:
        point = python_points(path, [atoms], dtype="float64", head=head, state=state)[0]
        return point.energy, point.forces, f"mace-torch's calculator with {path}"
    calculator = MACECalculator(path, precision="double", device="cpu", head=head)
    forces = calculator.get_forces(atoms)
    return calculator.get_potential_energy(atoms), forces, f"mdbench's calculator with {path}"


def _default_structure(model: Path) -> dict[str, Atoms]:
    """What to test a model on, by name."""
    elements = describe_model(model)["elements"]
    bundled = Path(plugin_folder()) / "cells" / "graphene_water_128.data"
    if {"C", "O", "H"} <= set(elements):
        return {bundled.name: read_structure(bundled)}
    told_apart = [e for e in elements if len(matches(MASSES_U[e], elements)) == 1]
    if not told_apart:
        raise ModelError(f"'{model}' has no elements that RBMD can tell apart by mass")
    return {"a small crystal": _crystal(told_apart)}


def _crystal(elements: Sequence[str]) -> Atoms:
    """A rattled orthogonal crystal of the first elements, with RBMD's masses."""
    kinds = [elements[i % len(elements)] for i in range(12)]
    lengths = np.array([5.2, 5.0, 7.9])
    grid = np.stack(np.meshgrid([0, 0.5], [0, 0.5], [0, 1 / 3, 2 / 3]), axis=-1).reshape(-1, 3)
    shake = np.random.default_rng(7).normal(scale=0.1, size=(12, 3))
    masses = [MASSES_U[kind] for kind in kinds]
    return Atoms(kinds, grid * lengths + shake, masses=masses, cell=lengths, pbc=True)
