"""What simulations write: logs and trajectories, of mdbench's runs and of plain LAMMPS."""
