"""Wrong use of D3 gets one line that says what, where and what to do."""

import pytest
from support import BUNDLED, message, run_lmp

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


def test_atoms_at_the_same_place(tmp_path):
    code, output = run_lmp(START.format(place="4 4 4"), tmp_path)
    assert code != 0
    assert output.count("ERROR") == 1
    assert "D3 dispersion: " in output


def test_a_blow_up_stops_the_run(tmp_path):
    """LAMMPS goes on with atoms that are nowhere."""
    script = START.format(place="5 5 5").replace("fix 1", "velocity all set 1e300 0 0\nfix 1")
    code, output = run_lmp(script, tmp_path)
    assert code != 0
    assert output.count("ERROR") == 1
