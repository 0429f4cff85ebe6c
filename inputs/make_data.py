"""Make the data files of this folder: built, then equilibrated in the reference force field.

Usage: python inputs/make_data.py
"""

from pathlib import Path

from ase.io.lammpsdata import write_lammps_data

from mdbench.reference_field import equilibrated
from mdbench.structure import graphene_water

HERE = Path(__file__).parent
SYSTEMS = {
    # name: arguments of graphene_water; 372 and 128 atoms, sizes of the paper's table
    "graphene_water": {"nx": 6, "ny": 3, "num_water": 100},
    "graphene_water_128": {"nx": 4, "ny": 2, "num_water": 32},
}


def main() -> None:
    """Write one data file a system."""
    for name, arguments in SYSTEMS.items():
        atoms = equilibrated(graphene_water(**arguments), 298.0, seed=11, picoseconds=30.0)
        path = HERE / f"{name}.data"
        write_lammps_data(
            str(path), atoms, specorder=["C", "O", "H"], masses=True, atom_style="atomic"
        )
        print(path, len(atoms), "atoms")


if __name__ == "__main__":
    main()
