"""LAMMPS on several ranks: start it on a data file, compare its answers."""

from __future__ import annotations

import re

import numpy as np
from support import SPECIES, boxed, load_structure, open_lammps, run_lmp


def write_data(atoms, path):
    """A LAMMPS data file; returns the boundary to use with it."""
    system = boxed(atoms, SPECIES)
    lmp = open_lammps()
    load_structure(lmp, system)
    lmp.command(f"write_data {path}")
    lmp.close()
    return system.boundary


SCRIPT = """units metal
atom_modify map yes
{setup}
boundary {boundary}
processors {grid}
box tilt large
read_data start.data
{pair}
neighbor 1.0 bin
compute virial all pressure NULL virial
compute site all pe/atom pair
thermo_style custom step pe c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]
thermo_modify format float %.16g
{dynamics}
dump last all custom {steps} out.dump id x y z ix iy iz fx fy fz c_site
dump_modify last sort id format float %.17g
run {steps}
"""


def mace(model, style=""):
    """The lines of `pair_style mace`."""
    return f"pair_style mace {style}\npair_coeff * * {model} C O H"


def run(  # noqa: PLR0913 - one keyword a line of the script
    folder, pair, *, ranks, boundary="p p p", grid="* * *", dynamics="", steps=0, setup=""
):
    """Rows of the last frame, thermo of the last step, all output."""
    script = SCRIPT.format(
        boundary=boundary, grid=grid, pair=pair, dynamics=dynamics, steps=steps,
        setup=setup
    )
    if steps == 0:
        script = script.replace("dump last all custom 0", "dump last all custom 1")
    code, output = run_lmp(script, folder, ranks=ranks)
    assert code == 0, output
    frame = (folder / "out.dump").read_text().split("ITEM: TIMESTEP")[-1]
    rows = np.array([[float(v) for v in line.split()]
                     for line in frame.split("ITEM: ATOMS")[1].splitlines()[1:]])
    thermo = re.findall(rf"^ *{steps} .*$", output, re.MULTILINE)[-1]
    return rows, np.array([float(v) for v in thermo.split()[1:]]), output


def compare(one, many, count):
    np.testing.assert_allclose(many[0][:, 7:10], one[0][:, 7:10], atol=1e-9, rtol=0)
    np.testing.assert_allclose(many[0][:, 10], one[0][:, 10], atol=1e-10, rtol=0)
    assert abs(many[1][0] - one[1][0]) / count < 1e-10
    np.testing.assert_allclose(many[1][1:], one[1][1:], rtol=1e-9, atol=1e-4)  # bar
