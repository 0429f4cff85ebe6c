"""Wrong use of D3 gets one line that says what, where and what to do."""

import re

import numpy as np
import pytest
from support import BUNDLED, SPECIES, carbon_crystal, message, run_lmp

from mdbench.engine import boxed, load_structure, open_lammps

MODEL = BUNDLED.with_suffix(".mace")


def usual(style="bj pbe", coeff="* * C O H", more=""):
    return f"pair_style dftd3 {style}\npair_coeff {coeff}\n{more}\nrun 0"


def with_model(style, elements="C O H"):
    return f"pair_style mace {style}\npair_coeff * * {MODEL} {elements}\nrun 0"


ARGUMENTS = {
    "nothing": (usual(""), "pair_style dftd3 needs a method and a functional"),
    "unknown method": (usual("dj pbe"), "pair_style dftd3: "),
    "unknown functional": (usual("bj pbee"), "did you mean 'PBE'?"),
    "misspelt keyword": (usual("bj pbe cutof 12"), "did you mean 'cutoff'"),
    "misspelt keyword of the style": (usual("bj pbe paralel gather"), "did you mean 'parallel'"),
    "missing value": (usual("bj pbe cutoff"), "pair_style dftd3: 'cutoff' needs a value"),
    "missing value of the style": (usual("bj pbe parallel"), "'parallel' needs a value"),
    "wrong value": (usual("bj pbe parallel ghosts"), "did you mean 'ghost'"),
    "no number": (usual("bj pbe cutoff far"), "'far' is not a number"),
    "cn beyond the cutoff": (usual("bj pbe cutoff 10"), "cn 12 is more than cutoff 10"),
    "unknown element": (usual(coeff="* * C O Hx"), "'Hx' is not a chemical element"),
    "element that D3 lacks": (usual(coeff="* * C O Am"), "D3 has no data for Am of atom type 3"),
    "too few elements": (usual(coeff="* * C O"), "names 2 element(s)"),
    "types not * *": (usual(coeff="1 1 C O H"), "* *"),
    "repeated pair_coeff": (usual(more="pair_coeff * * C O H"), "give pair_style dftd3 again first"),
    "wrong order of elements": (usual(coeff="* * C H O"), "mass is that of O"),
    "no pair_coeff": ("pair_style dftd3 bj pbe\nrun 0", "pair coeffs are not set"),
    "no pair_coeff after another style": (
        usual() + "\npair_style dftd3 zero pbe\nrun 0", "pair coeffs are not set"),
    "a method that is a pair style": (
        "pair_style hybrid/overlay dftd3 zero pbe\nrun 0", "'original' for the method 'zero'"),
    "elements of nearly one mass": (
        usual(coeff="* * Fe Mn O", more="mass 1 54.938\nmass 2 55.845\nmass 3 15.999"),
        "maps atom type 1 to Fe but its mass is that of Mn"),
    "strained ghosts": (usual(more="fix n all numdiff/virial 1 1e-5"), "beside 'fix numdiff/virial'"),
    "strained ghosts of the keyword": (
        with_model("d3 bj pbe").replace("run", "compute v all pressure NULL virial\ncompute b all born/matrix numdiff 1e-5 v\nrun"),
        "beside 'compute born/matrix'"),
    "exclusions": (usual(more="neigh_modify exclude type 1 2"), "remove 'neigh_modify exclude'"),
    "ghosts in several cutoffs": (
        usual("bj pbe parallel ghost", more="neighbor 1.0 multi\ncomm_modify mode multi"),
        "comm_modify mode single"),
    "keyword without words": (with_model("d3"), "pair_style mace d3 needs a method"),
    "keyword with a misspelt word": (with_model("d3 bj pbe skim 2"), "did you mean 'skin'"),
    "keyword with a model's misspelt": (
        with_model("d3 bj pbe presicion double"), "did you mean 'precision'"),
    "keyword twice": (with_model("d3 bj pbe d3 bj pbe"), "pair_style mace"),
    "keyword's bounds": (with_model("d3 bj pbe every 0"), "pair_style mace d3: every 0"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(case):
    commands, expected = ARGUMENTS[case]
    assert expected in message(commands)


def test_units(tmp_path):
    code, output = run_lmp(
        "units lj\nregion box block 0 9 0 9 0 9\ncreate_box 1 box\ncreate_atoms 1 single 4 4 4\n"
        "mass 1 12.011\npair_style dftd3 bj pbe\npair_coeff * * C\nrun 0", tmp_path)
    assert code != 0
    assert output.count("ERROR") == 1
    assert "pair_style dftd3 works in units metal or real, not 'lj'" in output


START = """units metal
region box block 0 9 0 9 0 9
create_box 1 box
mass 1 12.011
create_atoms 1 single 4 4 4
create_atoms 1 single {place}
pair_style dftd3 bj pbe
pair_coeff * * C
fix 1 all nve
run 20
"""


GHOSTS = {"all atoms": "", "ghosts": " parallel ghost"}


@pytest.mark.parametrize("mode", GHOSTS)
def test_atoms_at_the_same_place(mode, tmp_path):
    """They are named by their IDs."""
    place = "1 1 1\ngroup gone id 1\ndelete_atoms group gone compress no\ncreate_atoms 1 single 1 1 1"
    script = START.format(place=place).replace("bj pbe", f"bj pbe{GHOSTS[mode]}")
    code, output = run_lmp(script, tmp_path)
    assert code != 0
    assert output.count("ERROR") == 1
    assert re.search("D3 dispersion: d3: atoms (2 and 3|3 and 2) are at the same place", output)


@pytest.mark.parametrize("mode", GHOSTS)
def test_a_blow_up_stops_the_run(mode, tmp_path):
    """LAMMPS goes on with atoms that are nowhere, here also because it does not look."""
    script = START.format(place="5 5 5").replace("bj pbe", f"bj pbe{GHOSTS[mode]}").replace(
        "fix 1", "group one id 1\nvelocity one set 1e308 0 0\ntimestep 10\n"
        "neigh_modify delay 100 check no\nfix 1")
    code, output = run_lmp(script, tmp_path)
    assert code != 0
    assert output.count("ERROR") == 1
    assert "D3 dispersion: d3: the coordinates of atom 1 are not finite numbers" in output


def test_virial_by_differences_with_ghosts():
    """What strains atoms and ghosts alone, all atoms gathered on every rank would not follow."""
    lmp = open_lammps()
    load_structure(lmp, boxed(carbon_crystal(1), SPECIES))
    lmp.commands_string(
        "pair_style dftd3 bj pbe cutoff 8 cn 6 parallel ghost\npair_coeff * * C O H\n"
        "fix n all numdiff/virial 1 1e-5\ncompute v all pressure NULL virial\n"
        "thermo_style custom step c_v[*] f_n[*]\nrun 0")
    exact = np.array(lmp.numpy.extract_compute("v", 0, 1))
    by_differences = [lmp.extract_fix("n", 0, 1, k) for k in (0, 1, 2, 5, 4, 3)]  # it writes yz xz xy
    np.testing.assert_allclose(by_differences, exact, atol=1e-5 * np.abs(exact).max())
    lmp.close()
