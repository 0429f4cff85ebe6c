"""The classical force field behind the bundled model, run by LAMMPS.

Lindsay-Broido Tersoff carbon (Phys. Rev. B 81, 205441 (2010); BNC.tersoff of LAMMPS), flexible
SPC/Fw water (Wu, Tepper, Voth, J. Chem. Phys. 124, 024503 (2006)), carbon-oxygen Lennard-Jones of
Werder et al. (J. Phys. Chem. B 107, 1345 (2003)), particle-mesh Ewald electrostatics. Its truth is
known and costs nothing to sample, which makes it the yardstick of a demonstration model.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.geometry import find_mic
from ase.units import kcal, mol

from mdbench.engine import open_lammps
from mdbench.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

KCAL_MOL_IN_EV = kcal / mol
CARBON = 6
ATMOSPHERE_IN_EV_PER_ANG3 = 101325.0 / 1.602176634e11

# Type, charge and mass of each element.
_TYPES = {"C": (1, 0.0, 12.011), "O": (2, -0.82, 15.999), "H": (3, 0.41, 1.008)}
_CUTOFF_ANG = 9.0


def potential_lines(energy_unit_ev: float = 1.0, *, has_water: bool = True) -> str:
    """The commands of the force field, after the structure has been read (atom style full).

    Args:
        energy_unit_ev: 1 in units metal, ``KCAL_MOL_IN_EV`` in units real.
        has_water: Whether there are charges, without which PPPM cannot choose its splitting.
    """
    splitting = "" if has_water else "\nkspace_modify gewald 0.3"
    unit = KCAL_MOL_IN_EV / energy_unit_ev
    return f"""\
pair_style  hybrid/overlay tersoff lj/cut/coul/long {_CUTOFF_ANG} {_CUTOFF_ANG}
pair_coeff  * * tersoff BNC.tersoff C NULL NULL
pair_coeff  1 1 lj/cut/coul/long 0.0 3.4
pair_coeff  2 2 lj/cut/coul/long {0.1554253 * unit:.12g} 3.165492
pair_coeff  1 2 lj/cut/coul/long {0.0936 * unit:.12g} 3.19
pair_coeff  * 3 lj/cut/coul/long 0.0 1.0
bond_style  harmonic
bond_coeff  * {529.581 * unit:.12g} 1.012
angle_style harmonic
angle_coeff * {37.95 * unit:.12g} 113.24
special_bonds lj/coul 0 0 0
kspace_style pppm 1e-5{splitting}"""


_SETUP = """units real
atom_style full
boundary p p p
atom_modify map array
newton on
read_data "{data}"
{potential}
neighbor 2.0 bin
neigh_modify every 1 delay 0 check yes
timestep 0.5
"""


def carbon_first(atoms: Atoms) -> Atoms:
    """The atoms in the order of the force field; each kind keeps its own."""
    return atoms[np.argsort(atoms.numbers != CARBON, kind="stable")]


def with_whole_molecules(atoms: Atoms, copies: Sequence[int]) -> Atoms:
    """Copies of a cell, carbon first, whose molecules were torn where the cell had an edge.

    Each hydrogen goes to the image next to its oxygen, which is the place of that of another copy.

    Args:
        atoms: Copies, one after another, as ``Atoms.repeat`` makes them.
        copies: Along the cell vectors.

    Returns:
        The same places; a structure of other molecules than O H H only has its carbon first.
    """
    atoms = carbon_first(atoms)
    water = np.flatnonzero(atoms.numbers != CARBON)
    if np.array_equal(atoms.numbers[water], [8, 1, 1] * (len(water) // 3)):
        molecules = atoms.positions[water].reshape(-1, 3, 3)
        bonds = (molecules - molecules[:, :1]).reshape(-1, 3)
        cell = atoms.cell.array / np.reshape(copies, (3, 1))
        atoms.positions[water] = np.repeat(molecules[:, 0], 3, axis=0)
        atoms.positions[water] += find_mic(bonds, cell, atoms.pbc)[0]
    return atoms


def data_text(atoms: Atoms) -> str:
    """LAMMPS data file, atom style full: carbon first, then the molecules in their order.

    Raises:
        StructureError: when the atoms are not carbon and O H H molecules in a rectangular cell.
    """
    atoms = carbon_first(atoms)
    symbols = atoms.get_chemical_symbols()
    count, carbon = len(symbols), symbols.count("C")
    waters = (count - carbon) // 3
    if symbols != ["C"] * carbon + ["O", "H", "H"] * waters or not atoms.cell.orthorhombic:
        raise StructureError(
            "the reference force field takes carbon and molecules in the order O H H, "
            "in a rectangular cell"
        )
    lines = ["graphene-water, reference force field", ""]
    lines += [f"{count} atoms", "3 atom types", f"{2 * waters} bonds", "1 bond types"]
    lines += [f"{waters} angles", "1 angle types", ""]
    for length, axis in zip(atoms.cell.lengths(), "xyz", strict=True):
        lines.append(f"0.0 {length:.15g} {axis}lo {axis}hi")
    lines += ["", "Masses", ""] + [f"{t} {m} # {symbol}" for symbol, (t, _, m) in _TYPES.items()]
    lines += ["", "Atoms # full", ""]
    for i, (symbol, (x, y, z)) in enumerate(zip(symbols, atoms.positions, strict=True)):
        molecule = 1 if i < carbon else 2 + (i - carbon) // 3
        kind, charge, _ = _TYPES[symbol]
        lines.append(f"{i + 1} {molecule} {kind} {charge} {x:.15g} {y:.15g} {z:.15g}")
    if waters:
        first = [carbon + 3 * m + 1 for m in range(waters)]
        lines += ["", "Bonds", ""]
        lines += [f"{2 * m + b} 1 {o} {o + b}" for m, o in enumerate(first) for b in (1, 2)]
        lines += ["", "Angles", ""]
        lines += [f"{m + 1} 1 {o + 1} {o} {o + 2}" for m, o in enumerate(first)]
    return "\n".join(lines) + "\n"


def open_reference(atoms: Atoms) -> Any:  # noqa: ANN401 - lammps has no types
    """LAMMPS with a structure of carbon and water in the reference force field (units real)."""
    lmp = open_lammps()
    with tempfile.TemporaryDirectory(prefix="mdbench-") as folder:
        data = Path(folder) / "reference.data"
        data.write_text(data_text(atoms))
        has_water = "O" in atoms.get_chemical_symbols()
        potential = potential_lines(KCAL_MOL_IN_EV, has_water=has_water)
        lmp.commands_string(_SETUP.format(data=data, potential=potential))
    return lmp


def relax_and_heat(lmp: Any, temperature_k: float, seed: int, steps: int) -> None:  # noqa: ANN401
    """Minimise, then thermalise by Langevin dynamics; leaves fixes ``integrate``, ``bath``."""
    half = steps // 2
    lmp.commands_string(
        "minimize 0 1e-2 300 1000\n"
        f"velocity all create {temperature_k} {seed} mom yes rot no dist gaussian\n"
        "fix integrate all nve/limit 0.05\n"
        f"fix bath all langevin {temperature_k} {temperature_k} 100 {seed + 1}\n"
        f"run {half}\nunfix integrate\nfix integrate all nve\nrun {half}"
    )


def positions(lmp: Any) -> np.ndarray:  # noqa: ANN401
    """Current positions [atoms, 3], Angstrom, in the order of the atoms."""
    return np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)


def equilibrated(atoms: Atoms, temperature_k: float, seed: int, picoseconds: float) -> Atoms:
    """A copy of a structure after dynamics in the reference force field."""
    lmp = open_reference(atoms)
    relax_and_heat(lmp, temperature_k, seed, steps=int(2000 * picoseconds))
    copy = atoms.copy()
    copy.positions = positions(lmp)
    copy.wrap()
    lmp.close()
    return copy
