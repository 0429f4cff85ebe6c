"""Make the data files of this folder: built, then equilibrated in the reference force field.

And that of ``mdbench init spce``: rigid SPC/E water, equilibrated in itself.

Usage: python inputs/make_data.py
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.io.lammpsdata import write_lammps_data

from mdbench.campaign import Options, run_campaign
from mdbench.molecules.system import MolecularSystem, Terms
from mdbench.molecules.write import write_molecules
from mdbench.output.run_data import list_runs, open_run
from mdbench.reference_field import equilibrated
from mdbench.spec_file import load_spec
from mdbench.structure import cubic_edge_ang, graphene_water, water_box

HERE = Path(__file__).parent
RIGID_WATER = HERE.parent / "python/mdbench/template_files/spce/water.data"
NUM_RIGID, DENSITY_GCM3 = 216, 0.997
OXYGEN_U, HYDROGEN_U = 15.9994, 1.008
# H. J. C. Berendsen, J. R. Grigera and T. P. Straatsma, J. Phys. Chem. 91, 6269 (1987):
# 0.650 kJ/mol and 3.166 A; the stiffness of bonds and angles only acts in minimisations
PAIRS = ((0.1553, 3.166), (0.0, 1.0))
BOND, ANGLE = (450.0, 1.0), (55.0, 109.47)
SYSTEMS = {
    # name: arguments of graphene_water; 372 and 128 atoms, sizes of the paper's table
    "graphene_water": {"nx": 6, "ny": 3, "num_water": 100},
    "graphene_water_128": {"nx": 4, "ny": 2, "num_water": 32},
}


def rigid_water() -> MolecularSystem:
    """SPC/E molecules on a grid."""
    edge = round(cubic_edge_ang(NUM_RIGID * (OXYGEN_U + 2 * HYDROGEN_U), DENSITY_GCM3), 4)
    atoms = water_box(NUM_RIGID, edge)
    oxygen = 3 * np.arange(NUM_RIGID)
    bonds = np.concatenate([np.stack([oxygen, oxygen + k], 1) for k in (1, 2)])
    angles = np.stack([oxygen + 1, oxygen, oxygen + 2], 1)
    return MolecularSystem(
        "full",
        "real",
        np.zeros(3),
        np.full(3, edge),
        np.tile([1, 2, 2], NUM_RIGID),
        atoms.positions,
        (OXYGEN_U, HYDROGEN_U),
        ("O", "H"),
        np.tile([-0.8476, 0.4238, 0.4238], NUM_RIGID),
        np.repeat(np.arange(NUM_RIGID) + 1, 3),
        np.zeros((3 * NUM_RIGID, 3), np.int64),
        None,
        PAIRS,
        {
            "bond": Terms(np.ones(len(bonds), np.int64), bonds, (BOND,)),
            "angle": Terms(np.ones(NUM_RIGID, np.int64), angles, (ANGLE,)),
        },
    ).wrapped()


def equilibrated_rigid_water(folder: Path) -> MolecularSystem:
    """After 100 ps of Langevin dynamics at 298 K."""
    write_molecules(folder / "water.data", rigid_water(), ("O", "H"), coefficients=True)
    (folder / "run.toml").write_text(
        '[system]\nfile = "water.data"\n[force_field]\nkind = "cvff"\ncutoff = "9 A"\n'
        'shake = true\n[ensemble]\nthermostat = "langevin"\n[run]\ntimestep = "2 fs"\n'
        'equilibration = "0 fs"\nproduction = "100 ps"\n[output]\nformat = "custom"\n'
    )
    loaded = load_spec(folder / "run.toml")
    run_campaign(loaded, Options())
    trajectory = open_run(list_runs(folder)[0]).trajectory
    assert trajectory is not None  # noqa: S101 - the run has just written it
    positions = np.asarray(next(trajectory.frames(first=-1)).positions, float)
    none = np.zeros(positions.shape, np.int64)
    wrapped = replace(rigid_water(), positions=positions, images=none).wrapped()
    return replace(wrapped, positions=np.round(wrapped.positions, 6))


def main() -> None:
    """Write one data file a system."""
    for name, arguments in SYSTEMS.items():
        atoms = equilibrated(graphene_water(**arguments), 298.0, seed=11, picoseconds=30.0)
        path = HERE / f"{name}.data"
        write_lammps_data(
            str(path), atoms, specorder=["C", "O", "H"], masses=True, atom_style="atomic"
        )
        print(path, len(atoms), "atoms")
    with tempfile.TemporaryDirectory() as folder:
        water = equilibrated_rigid_water(Path(folder))
    write_molecules(RIGID_WATER, water, ("O", "H"), coefficients=True)
    print(RIGID_WATER, len(water), "atoms")


if __name__ == "__main__":
    main()
