"""D3 by s-dftd3, and structures to compare it on."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # its loops are too short for threads here

import dftd3.interface as dftd3
import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.geometry import complete_cell
from ase.units import GPa
from support import ROOT

from mdbench.structure_file import read_structure

BOHR_ANG = 0.529177210903
HARTREE_EV = 27.211386245988
LAST_OF_2010 = 86
"""Atomic number of the last element for which s-dftd3 has the data of 2010."""
METHODS = {
    "bj": dftd3.RationalDampingParam,
    "zero": dftd3.ZeroDampingParam,
    "bjm": dftd3.ModifiedRationalDampingParam,
    "zerom": dftd3.ModifiedZeroDampingParam,
}


def oracle(atoms, method="bj", functional="pbe", *, cutoff, cn, atm=0.0, forces=True):
    """Energy eV, forces eV/A, virial eV (3 x 3) with hard cutoffs in Angstrom.

    Version 1.7 is wrong for sheared cells with open directions: these get vectors so long that no
    image is seen along them. For Z > 86 it has data of 2024 instead of those of 2010.
    """
    lattice = periodic = None
    if atoms.pbc.any():
        box = complete_cell(np.where(atoms.pbc[:, None], atoms.cell.array, 0))
        extent = np.ptp(atoms.positions @ np.linalg.inv(box), axis=0)
        lattice = box * np.where(atoms.pbc, 1, extent + 1.1 * cutoff)[:, None] / BOHR_ANG
        periodic = np.ones(3, dtype=bool)
    model = dftd3.DispersionModel(atoms.numbers, atoms.positions / BOHR_ANG, lattice, periodic)
    model.set_realspace_cutoff(cutoff / BOHR_ANG, (atm or 2.0) / BOHR_ANG, cn / BOHR_ANG)
    found = model.get_dispersion(METHODS[method](method=functional, atm=atm > 0), grad=forces)
    energy = float(found["energy"]) * HARTREE_EV
    if not forces:
        return energy, None, None
    return (energy, -found["gradient"] * HARTREE_EV / BOHR_ANG, -found["virial"] * HARTREE_EV)


def deviations(atoms, calculator, expected):
    """meV/atom, meV/A, GPa (without a volume: of one A^3 an atom)."""
    energy, forces, virial = expected
    atoms = atoms.copy()
    atoms.calc = calculator
    e = 1000 * abs(atoms.get_potential_energy() - energy) / len(atoms)
    f = 1000 * np.abs(atoms.get_forces() - forces).max()
    volume = len(atoms)
    own = calculator.get_property("virials", atoms).sum(axis=0)
    if "stress" in calculator.results:
        volume = atoms.get_volume()
        np.testing.assert_allclose(atoms.get_stress(voigt=False), -own / volume, atol=1e-12)
    return e, f, np.abs(own - virial).max() / volume / GPa


def _slab(name, *, open_z=False):
    def make():
        atoms = read_structure(ROOT / f"inputs/{name}.data")
        atoms.pbc = [True, True, not open_z]
        return atoms

    return make


def rattled(atoms, scale=0.1, seed=5):
    atoms.positions += np.random.default_rng(seed).normal(scale=scale, size=atoms.positions.shape)
    return atoms


def licl():
    return rattled(bulk("LiCl", "rocksalt", a=5.13, cubic=True).repeat(2))


def alloy():
    """Niobium, tantalum, titanium, hafnium and zirconium on a body-centred lattice."""
    atoms = bulk("Nb", "bcc", a=3.4, cubic=True).repeat(3)
    atoms.symbols = np.random.default_rng(1).permutation((["Nb", "Ta", "Ti", "Hf", "Zr"] * 11)[:54])
    return rattled(atoms)


def one_atom():
    return Atoms("Xe", cell=[[4.1, 0, 0], [1.9, 3.8, 0], [-1.3, 1.1, 4.4]], pbc=True)


def two_atoms():
    """Left-handed, strongly sheared, open in one direction that is not the last."""
    atoms = Atoms("CuO", [[0.1, 0.3, 7], [1.5, 1.2, -8]], pbc=[True, False, True],
                  cell=[[0, 3.1, 0.4], [3.0, 0.2, 9], [-1.0, 5.9, 3.3]])
    atoms.cell[1] = 0
    return atoms


def molecules():
    """Several beside one another, not periodic."""
    atoms = Atoms()
    for i, name in enumerate(["C6H6", "CH3CONH2", "H2O", "PH3", "SiF4"]):
        part = molecule(name)
        part.positions += [4.0 * i, 0.7 * i, -0.9 * i]
        atoms += part
    return atoms


STRUCTURES = {
    "slab128": _slab("graphene_water_128"),
    "slab128open": _slab("graphene_water_128", open_z=True),
    "slab372": _slab("graphene_water"),
    "licl": licl,
    "alloy": alloy,
    "one_atom": one_atom,
    "two_atoms": two_atoms,
    "molecules": molecules,
}
