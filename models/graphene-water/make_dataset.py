"""Sample and label graphene-water configurations with the reference force field.

Usage: python make_dataset.py OUT.xyz SEED SCALE
Training set: train.xyz 1 1.3; test set: test.xyz 2 0.15

Extended XYZ with REF_energy (eV), REF_forces (eV/A) and REF_stress (eV/A^3, ASE sign and order).
Kinds: interfaces at several heights and temperatures, films with vacuum, bulk water, graphene,
clusters; and three that dynamics at 298 K never visits but that a model must know to be repulsive:
single molecules held 1.7-4 A over the sheet ("scan"), pairs of molecules at 2.2-4 A ("dimer"), and
interfaces with molecules pushed towards the sheet and one another ("contact"). Without them the
model has a hole at the sheet: water falls in within a picosecond. Three more keep molecules whole:
pairs with a hydrogen between them, its own bond at 0.85-1.35 A ("bridge"), pairs with such bonds
and angles of 50-180 degrees ("bend"), and liquids with some of both ("stretch"). Without them a
hydrogen crosses over, or falls onto its twin, in some 100 ps of dynamics.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.io import write

from mdbench.reference_field import (
    ATMOSPHERE_IN_EV_PER_ANG3,
    KCAL_MOL_IN_EV,
    open_reference,
    positions,
    relax_and_heat,
)
from mdbench.structure import fill_with_water, graphene, water_box, water_molecule

if TYPE_CHECKING:
    from collections.abc import Callable

EQUILIBRATION_STEPS = 2000
MAX_FORCE_EV_PER_ANG = 15.0
"""Drawn configurations beyond this are drawn again: walls a few eV high are high enough, and
stronger forces would take the fit over."""

BOND_ANG = (0.85, 1.35)
"""Of the hydrogens that are moved: 2.6 eV at the longest."""

ANGLE_DEG = (50.0, 180.0)
"""Of the molecules that are bent: 2 eV at the sharpest."""

SHORTEST_CONTACT_ANG = 1.15
"""Of a hydrogen with other molecules' oxygens and hydrogens; its twin may be nearer."""

SHORTEST_TWIN_ANG = 0.7

VIRIAL = "compute virial all pressure NULL virial\nthermo_style custom step pe c_virial[1]"


def labelled(atoms: Atoms, kind: str) -> Atoms:
    """A copy with energy, forces and stress of the reference force field."""
    lmp = open_reference(atoms)
    lmp.commands_string(VIRIAL + "\nrun 0")
    copy = Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=True)
    copy.info["REF_energy"] = lmp.get_thermo("pe") * KCAL_MOL_IN_EV
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    copy.arrays["REF_forces"] = forces * KCAL_MOL_IN_EV
    pressure = np.array(lmp.numpy.extract_compute("virial", 0, 1)) * ATMOSPHERE_IN_EV_PER_ANG3
    copy.info["REF_stress"] = -pressure[[0, 1, 2, 5, 4, 3]]
    copy.info["config_type"] = kind
    lmp.close()
    return copy


def trajectory(
    atoms: Atoms, temperature_k: float, frames: int, seed: int, stride: int = 400
) -> list[Atoms]:
    """Unlabelled frames of Langevin dynamics, every ``stride`` steps of 0.5 fs."""
    lmp = open_reference(atoms)
    relax_and_heat(lmp, temperature_k, seed, EQUILIBRATION_STEPS)
    out = []
    for _ in range(frames):
        lmp.command(f"run {stride} post no")
        copy = atoms.copy()
        copy.positions = positions(lmp)
        out.append(copy)
    lmp.close()
    return out


def strained(atoms: Atoms, amount: float, rng: np.random.Generator) -> Atoms:
    """A copy with each cell length changed by up to ``amount``, atoms with it."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array * rng.uniform(1 - amount, 1 + amount, 3), scale_atoms=True)
    return copy


def sheet_with_water(nx: int, ny: int, waters: int, height: float, vacuum: float = 0.0) -> Atoms:
    """Graphene with water above it, on a grid."""
    sheet = graphene(nx, ny)
    sheet.cell[2, 2] = height
    return fill_with_water(sheet, waters, 2.8, height - 2.8 - vacuum, np.random.default_rng(waters))


def scan(rng: np.random.Generator) -> Atoms:
    """One molecule, its oxygen 1.7-4 A over a rippled sheet."""
    atoms = graphene(4, 2)
    atoms.cell[2, 2] = 16.0
    atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
    place = [*rng.uniform(0, 1, 2) * atoms.cell.lengths()[:2], 1.7 + 2.3 * rng.uniform() ** 1.5]
    return atoms + Atoms("OHH", water_molecule(rng) * rng.uniform(0.94, 1.06) + place)


def pair(first: np.ndarray, second: np.ndarray, apart: np.ndarray) -> Atoms:
    """Two molecules, positions [3, 3] each, the second moved by a vector."""
    return Atoms("OHHOHH", np.r_[first, second + apart] + 6, cell=[12.0] * 3, pbc=True)


def any_way(rng: np.random.Generator, shortest: float, longest: float) -> np.ndarray:
    """A vector of any direction and a length of the range."""
    way = rng.normal(size=3)
    return way / np.linalg.norm(way) * rng.uniform(shortest, longest)


def dimer(rng: np.random.Generator) -> Atoms:
    """Two molecules with oxygens 2.2-4 A apart, in any orientation."""
    apart = any_way(rng, 2.2, 4.0)
    first, second = (water_molecule(rng) * rng.uniform(0.94, 1.06) for _ in range(2))
    return pair(first, second, apart)


def contact(frame: Atoms, rng: np.random.Generator) -> Atoms:
    """An interface frame with its molecules moved at random, some of them towards the sheet."""
    lz = frame.cell[2, 2]
    carbon = int((frame.numbers == 6).sum())
    level = frame.positions[:carbon, 2].mean()
    copy = frame.copy()
    for first in range(carbon, len(frame), 3):
        height = (frame.positions[first, 2] - level + lz / 2) % lz - lz / 2
        shift = rng.normal(scale=0.1, size=3)
        if abs(height) < 4.2 and rng.uniform() < 0.25:
            shift[2] -= np.sign(height) * rng.uniform(0.1, max(0.2, abs(height) - 2.0))
        copy.positions[first : first + 3] += shift
    return copy


def bent_molecule(rng: np.random.Generator) -> np.ndarray:
    """Positions [3, 3] of a molecule with bonds and angle at random, oxygen at the origin."""
    first, second = water_molecule(rng)[1:]
    along = first / np.linalg.norm(first)
    aside = second - (second @ along) * along
    angle = np.deg2rad(rng.uniform(*ANGLE_DEG))
    other = np.cos(angle) * along + np.sin(angle) * aside / np.linalg.norm(aside)
    return np.array([[0.0] * 3, rng.uniform(*BOND_ANG) * along, rng.uniform(*BOND_ANG) * other])


def bend(rng: np.random.Generator) -> Atoms:
    """Two such molecules with oxygens 2.6-4 A apart."""
    apart = any_way(rng, 2.6, 4.0)
    return pair(bent_molecule(rng), bent_molecule(rng), apart)


def bridge(rng: np.random.Generator) -> Atoms:
    """Two molecules with oxygens 2.2-3 A apart, a hydrogen of the first near the line between."""
    first, second = (water_molecule(rng) * rng.uniform(0.94, 1.06) for _ in range(2))
    way = first[1] / np.linalg.norm(first[1])
    beside = way + rng.normal(scale=0.15, size=3)
    first[1] = beside / np.linalg.norm(beside) * rng.uniform(*BOND_ANG)
    return pair(first, second, way * rng.uniform(2.2, 3.0))


def stretch(frame: Atoms, rng: np.random.Generator) -> Atoms:
    """A frame with some molecules bent, and some bonds long, most towards the nearest oxygen."""
    copy = frame.copy()
    oxygen = np.flatnonzero(copy.numbers == 8)
    for own in oxygen[rng.uniform(size=len(oxygen)) < 0.15]:
        kind = rng.uniform()
        if kind < 0.4:
            copy.positions[own : own + 3] = copy.positions[own] + bent_molecule(rng)
            continue
        moved = own + rng.integers(1, 3)
        others = oxygen[oxygen != own]
        bond = copy.positions[moved] - copy.positions[own]
        if kind < 0.8:
            acceptor = others[np.argmin(copy.get_distances(moved, others, mic=True))]
            bond = copy.get_distance(own, acceptor, mic=True, vector=True)
            nearer = max(0.0, np.linalg.norm(bond) - rng.uniform(2.3, 3.0))
            group = range(acceptor, acceptor + 3)
            copy.positions[group] -= nearer * bond / np.linalg.norm(bond)
        bond = bond / np.linalg.norm(bond) + rng.normal(scale=0.1, size=3)
        length = rng.uniform(*BOND_ANG)
        copy.positions[moved] = copy.positions[own] + length * bond / np.linalg.norm(bond)
    return copy


def keeps_its_hydrogens(atoms: Atoms) -> bool:
    """Whether each hydrogen is nearest to its own oxygen and no two molecules overlap.

    In the force field hydrogens have no core: what it says of overlaps contradicts what it says of
    bonds.
    """
    distance = atoms.get_all_distances(mic=True)
    oxygen, hydrogen = (np.flatnonzero(atoms.numbers == z) for z in (8, 1))
    molecule = np.arange(len(hydrogen)) // 2
    to_oxygen = distance[np.ix_(hydrogen, oxygen)]
    own = to_oxygen[np.arange(len(hydrogen)), molecule].copy()
    to_oxygen[np.arange(len(hydrogen)), molecule] = np.inf
    is_free = to_oxygen.min(axis=1, initial=np.inf) > np.maximum(own, SHORTEST_CONTACT_ANG)
    shortest = np.where(molecule[:, None] == molecule, SHORTEST_TWIN_ANG, SHORTEST_CONTACT_ANG)
    np.fill_diagonal(shortest, 0.0)
    return bool(is_free.all() and (distance[np.ix_(hydrogen, hydrogen)] >= shortest).all())


def drawn(make: Callable[[], Atoms], kind: str) -> Atoms:
    """A labelled random configuration of whole molecules whose forces are within the limit."""
    while True:
        atoms = make()
        if keeps_its_hydrogens(atoms):
            atoms = labelled(atoms, kind)
            if np.abs(atoms.arrays["REF_forces"]).max() < MAX_FORCE_EV_PER_ANG:
                return atoms


@dataclass(frozen=True)
class Sampling:
    """Dynamics at one temperature: frames, the largest strain, steps between frames."""

    kind: str
    atoms: Atoms
    temperature_k: float
    frames: int
    strain: float = 0.0
    stride: int = 400


def samplings() -> list[Sampling]:
    """All dynamics of the data set."""
    interface = sheet_with_water(4, 2, 32, 18.2)
    dense = sheet_with_water(4, 2, 32, 14.92)
    runs = [Sampling("interface", interface, t, 20, 0.03) for t in (298, 350, 450)]
    runs += [Sampling("interface-dense", dense, t, 30, 0.03) for t in (298, 350, 450, 600)]
    runs += [
        Sampling("interface-thin", sheet_with_water(4, 2, 28, 18.2), 298, 20, 0.03),
        Sampling("interface-vacuum", sheet_with_water(4, 2, 32, 33.0, vacuum=12.0), 320, 25),
        Sampling("interface-film", sheet_with_water(5, 3, 24, 20.0, vacuum=8.0), 400, 20),
    ]
    for temperature, edge in ((280, 11.28), (320, 11.28), (400, 11.4), (600, 11.6), (330, 10.9)):
        runs.append(Sampling("water", water_box(48, edge), temperature, 24, 0.03))
    sheet = graphene(4, 3)
    sheet.cell[2, 2] = 12.0
    runs += [Sampling("graphene", sheet, t, 20, 0.02) for t in (300, 600)]
    for waters, edge in ((1, 12.0), (2, 12.0), (4, 12.0), (8, 13.0)):
        box = fill_with_water(
            Atoms(cell=[edge] * 3, pbc=True), waters, 2.0, edge - 2.0, np.random.default_rng(waters)
        )
        runs.append(Sampling("cluster", box, 350, 20, stride=300))
    return runs


def main(path: str, seed: int, scale: float) -> None:
    """Write a data set."""
    rng = np.random.default_rng(seed)
    out: list[Atoms] = []
    for number, run in enumerate(samplings()):
        frames = max(2, round(run.frames * scale))
        first_seed = 1000 * seed + 17 * number
        visited = trajectory(run.atoms, run.temperature_k, frames, first_seed, run.stride)
        for k, frame in enumerate(visited):
            change = run.strain if k % 3 == 2 else 0.0
            out.append(labelled(strained(frame, change, rng), run.kind))
            if run.kind == "interface-dense" and k % 2 == 0:
                out.append(drawn(lambda frame=frame: contact(frame, rng), "contact"))
            if run.kind in {"interface-dense", "water"} and k % 2 == 0:
                out.append(drawn(lambda frame=frame: stretch(frame, rng), "stretch"))
        print(run.kind, run.temperature_k, frames, flush=True)
    out += [drawn(lambda: scan(rng), "scan") for _ in range(round(200 * scale))]
    out += [drawn(lambda: dimer(rng), "dimer") for _ in range(round(80 * scale))]
    out += [drawn(lambda: bridge(rng), "bridge") for _ in range(round(150 * scale))]
    out += [drawn(lambda: bend(rng), "bend") for _ in range(round(120 * scale))]
    write(path, out)
    print(len(out), "frames ->", path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
