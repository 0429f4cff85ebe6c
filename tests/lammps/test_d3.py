"""`pair_style dftd3` and the `d3` keyword of `pair_style mace`, on one rank."""

import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from support import (
    SPECIES,
    STRUCTURES,
    boxed,
    carbon_crystal,
    load_structure,
    open_lammps,
    rattled,
    run_lmp,
    triclinic,
)

from mdbench.engine import read_result
from mdbench.structure import graphene_water

VIRIAL = "compute virial all pressure NULL virial\nthermo_style custom step pe c_virial[1]\n"
INTERFACE = rattled(graphene_water(2, 1, 4), 0.02)


def dftd3(words="bj pbe", elements="C O H"):
    return f"pair_style dftd3 {words}\npair_coeff * * {elements}\n"


def opened(atoms, commands, setup=""):
    """A LAMMPS with the structure, after the commands; and what `read_result` needs."""
    system = boxed(atoms, SPECIES)
    lmp = open_lammps()
    load_structure(lmp, system, setup)
    lmp.commands_string(VIRIAL + commands)
    return lmp, system


def evaluated(atoms, commands, setup=""):
    """Energy, forces and virial of a structure."""
    lmp, system = opened(atoms, commands + "run 0 post no", setup)
    result = read_result(lmp, system)
    lmp.close()
    return result


def energies(lmp):
    """Energy as the run left it, and of a list made for these places."""
    left = lmp.get_thermo("pe")
    lmp.command("run 0 post no")
    return left, lmp.get_thermo("pe")


def assert_same(found, expected, rtol=1e-10):
    assert found.energy == pytest.approx(expected.energy, rel=rtol)
    scale = np.abs(expected.forces).max()
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=rtol * scale)
    scale = np.abs(expected.virial).max()
    np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("method", ["bj", "zero"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_agrees_with_the_style_of_lammps(name, method):
    """`dispersion/d3` has hard cutoffs, and no triples."""
    atoms = STRUCTURES[name]()
    ours = evaluated(atoms, dftd3(f"{method} pbe cutoff 12 cn 10 switch 0"))
    name = "original" if method == "zero" else method
    theirs = evaluated(atoms, f"pair_style dispersion/d3 {name} pbe 12 10\n"
                              "pair_coeff * * C O H\nneigh_modify one 20000 page 400000\n")
    # its conversion of units has six digits
    assert ours.energy == pytest.approx(theirs.energy, rel=1e-5)
    scale = max(np.abs(theirs.forces).max(), 1e-3)
    np.testing.assert_allclose(ours.forces, theirs.forces, rtol=0, atol=1e-5 * scale)
    scale = np.abs(theirs.virial).max()
    np.testing.assert_allclose(ours.virial, theirs.virial, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("atoms", [INTERFACE, triclinic()], ids=["interface", "triclinic"])
def test_skin_changes_nothing(atoms):
    expected = evaluated(atoms, dftd3("bj pbe atm 6 skin 0"))
    for skin in (0.5, 2, 4):
        assert_same(evaluated(atoms, dftd3(f"bj pbe atm 6 skin {skin}")), expected)


def test_images_of_an_atom_are_the_same():
    """Atoms anywhere outside the box, as after a long run."""
    atoms = triclinic()
    expected = evaluated(atoms, dftd3())
    moved = atoms.copy()
    moved.positions += np.random.default_rng(2).integers(-3, 4, (len(atoms), 3)) @ atoms.cell.array
    assert_same(evaluated(moved, dftd3()), expected)


HOT = "velocity all create 3000 8 loop all\ntimestep 0.001\nfix 1 all nve\n"


@pytest.mark.parametrize("skin", [0.3, 2.0])
def test_list_stays_right_over_a_run(skin):
    """Atoms cross the boundaries; LAMMPS and D3 each make their lists when they need to."""
    lmp, _ = opened(INTERFACE, dftd3(f"bj pbe cutoff 8 cn 7 skin {skin}") + HOT +
                    "compute p all pair dftd3\nrun 100 post no")
    images = np.array(lmp.gather_atoms("image", 0, 3))
    builds = lmp.numpy.extract_compute("p", 0, 1)[1]
    left, fresh = energies(lmp)
    lmp.close()
    assert len(np.unique(images)) > 1
    assert (20 if skin < 1 else 2) <= builds < 101
    assert left == pytest.approx(fresh, rel=1e-10)


STRAINS = {
    "between runs": "run 0 post no\nchange_box all x scale 1.02 xy final 0.4 remap units box\n"
                    "run 1 pre no post no",
    "by a fix": "fix 2 all deform 1 x erate 1.0 xy erate 0.5 remap x\nfix 1 all nve\nrun 30 post no\nunfix 2",
    "by a barostat": "fix 1 all npt temp 300 300 0.1 tri 50000 50000 0.1\nrun 40 post no",
}


@pytest.mark.parametrize("case", STRAINS)
def test_list_stays_right_under_strain(case):
    """Against a list made anew at every step."""
    atoms = carbon_crystal(2)
    answers = []
    for words in ("skin 0.5", "skin 0.5 check no"):
        lmp, _ = opened(
            atoms,
            f"change_box all triclinic\npair_style hybrid/overlay lj/cut 5.0 dftd3 bj pbe cutoff 8 cn 7 {words}\n"
            "pair_coeff * * lj/cut 0.05 2.3\npair_coeff * * dftd3 C O H\nvelocity all create 300 8\n"
            "compute p all pair dftd3\n" + STRAINS[case])
        builds = lmp.numpy.extract_compute("p", 0, 1)[1]
        answers.append((lmp.get_thermo("vol"), lmp.get_thermo("pe"), builds))
        lmp.close()
    (volume, energy, builds), (_, expected, most) = answers
    assert abs(volume / atoms.get_volume() - 1.0) > 0.002
    assert energy == pytest.approx(expected, rel=1e-10)
    if case != "between runs":
        assert 2 <= builds < most


def test_names_that_hybrid_would_take_for_styles():
    expected = evaluated(INTERFACE, dftd3("zero pbe atm 6"))
    found = evaluated(INTERFACE, "pair_style hybrid/overlay dftd3 original pbe triples 6 zero 5.0\n"
                                 "pair_coeff * * dftd3 C O H\npair_coeff * * zero\n")
    assert_same(found, expected)


@pytest.fixture(scope="module")
def parts(models):
    """The model alone and D3 alone, on a crystal."""
    atoms = carbon_crystal(2)
    model = evaluated(atoms, f"pair_style mace\npair_coeff * * {models['two_heads.mace']} C O H\n")
    return atoms, model, evaluated(atoms, dftd3())


COMBINATIONS = {
    "overlay": "pair_style hybrid/overlay mace dftd3 bj pbe\npair_coeff * * mace {model} C O H\n"
               "pair_coeff * * dftd3 C O H\n",
    "keyword": "pair_style mace d3 bj pbe\npair_coeff * * {model} C O H\n",
    "keyword among others": "pair_style mace precision double d3 bj PBE skin 1 head pbe every 2\n"
                            "pair_coeff * * {model} C O H\n",
}


@pytest.mark.parametrize("case", COMBINATIONS)
def test_with_a_model_energies_add_up(parts, models, case):
    atoms, model, dispersion = parts
    both = evaluated(atoms, COMBINATIONS[case].format(model=models["two_heads.mace"]))
    assert both.energy == pytest.approx(model.energy + dispersion.energy, rel=1e-10)
    np.testing.assert_allclose(both.forces, model.forces + dispersion.forces, atol=1e-9)
    np.testing.assert_allclose(both.virial, model.virial + dispersion.virial, atol=1e-8)


def test_lists_and_ghosts_of_a_partner_stay_as_they_are(tmp_path):
    """Alone, and beside a style that asks LAMMPS for lists."""
    load = INTERFACE.copy()
    lmp, _ = opened(load, f"write_data {tmp_path}/start.data")
    lmp.close()
    head = "units metal\natom_modify map yes\nread_data start.data\n"
    answers = []
    for style, coeff in (("lj/cut 4.0", "* * 0.001 2.0"), ("hybrid/overlay lj/cut 4.0 dftd3 bj pbe",
                         "* * lj/cut 0.001 2.0\npair_coeff * * dftd3 C O H")):
        code, output = run_lmp(f"{head}pair_style {style}\npair_coeff {coeff}\nrun 0", tmp_path)
        assert code == 0, output
        answers.append(re.findall(r"ghost atom cutoff = .*|Nghost:.*|Total # of neighbors.*", output))
    assert answers[0] == answers[1]
    assert "ghost atom cutoff = 6" in answers[0]


ATOMIC = ("compute s all stress/atom NULL pair\ncompute c all centroid/stress/atom NULL pair\n"
          "compute e all pe/atom pair\ncompute r all reduce sum c_s[1] c_c[1] c_e\n"
          "thermo_style custom step pe c_r[*] c_virial[1]\n")


@pytest.mark.parametrize("style", ["dftd3 bj pbe atm 6", "mace d3 zero pbe"])
def test_values_of_atoms_sum_to_the_whole(models, style):
    coeff = f"{models['two_heads.mace']} " if style.startswith("mace") else ""
    lmp, _ = opened(triclinic(), f"pair_style {style}\npair_coeff * * {coeff}C O H\n{ATOMIC}run 0")
    count, units = lmp.extract_setting("nlocal"), lmp.extract_global("nktv2p")
    six, nine = (-np.array(lmp.numpy.extract_compute(c, 1, 2))[:count].sum(axis=0) / units for c in "sc")
    whole = np.array(lmp.numpy.extract_compute("virial", 0, 1)) * lmp.get_thermo("vol") / units
    np.testing.assert_allclose(six, whole[:6], atol=1e-9)
    np.testing.assert_allclose(nine[:6], whole[:6], atol=1e-9)
    np.testing.assert_allclose(nine[6:], whole[3:6], atol=1e-9)
    total = np.array(lmp.numpy.extract_compute("e", 1, 1))[:count].sum()
    assert total == pytest.approx(lmp.get_thermo("pe"), rel=1e-12)
    lmp.close()


def test_real_units():
    metal = evaluated(INTERFACE, dftd3())
    real = evaluated(INTERFACE, dftd3(), "units real")
    kcal_per_mol = 23.060549
    assert real.energy == pytest.approx(kcal_per_mol * metal.energy, rel=1e-7)
    np.testing.assert_allclose(real.forces, kcal_per_mol * metal.forces, atol=1e-7)


@pytest.mark.parametrize("style", ["dftd3 bj pbe", "hybrid/overlay dftd3 bj pbe zero 5.0"])
def test_null_types_are_not_seen(style):
    name = "dftd3 " if "hybrid" in style else ""
    more = "pair_coeff * * zero\n" if name else ""
    partly = evaluated(INTERFACE, f"pair_style {style}\npair_coeff * * {name}C NULL NULL\n{more}")
    sheet = INTERFACE[INTERFACE.numbers == 6]
    alone = evaluated(sheet, dftd3())
    assert partly.energy == pytest.approx(alone.energy, rel=1e-12)
    np.testing.assert_allclose(partly.forces[INTERFACE.numbers == 6], alone.forces, atol=1e-12)
    assert not partly.forces[INTERFACE.numbers != 6].any()


def test_types_may_change_between_runs_and_within():
    """As by `fix atom/swap`: no exchange of atoms tells of it."""
    lmp, _ = opened(INTERFACE, dftd3() + "fix 1 all external pf/callback 1 1")

    def swap(_caller, step, nlocal, _tag, _x, _f):
        if step == 8:
            types = lmp.numpy.extract_atom("type")
            types[:nlocal] = types[:nlocal][::-1].copy()

    lmp.set_fix_external_callback("1", swap, None)
    lmp.command("run 10 post no")
    left, fresh = energies(lmp)
    assert left == pytest.approx(fresh, rel=1e-12)
    lmp.commands_string("set type 1 type 2\nrun 0 post no")
    first = lmp.get_thermo("pe")
    lmp.close()
    assert abs(first - fresh) > 1e-4


def test_atoms_may_come_and_go():
    atoms = INTERFACE.copy()
    lmp, _ = opened(atoms, dftd3() + "run 0 post no\ngroup gone id 5 9\ndelete_atoms group gone\n"
                                     "run 0 post no")
    expected = evaluated(atoms[[i for i in range(len(atoms)) if i + 1 not in (5, 9)]], dftd3())
    assert lmp.get_thermo("pe") == pytest.approx(expected.energy, rel=1e-12)
    lmp.close()


def test_minimize():
    lmp, _ = opened(carbon_crystal(1), "pair_style hybrid/overlay lj/cut 8.0 dftd3 bj pbe\n"
                    "pair_coeff * * lj/cut 0.05 2.3\npair_coeff * * dftd3 C O H\n"
                    "run 0 post no\nvariable before equal $(pe)\nminimize 0 1e-8 500 5000")
    assert lmp.get_thermo("pe") < float(lmp.extract_variable("before"))
    assert np.abs(np.array(lmp.gather_atoms("f", 1, 3))).max() < 1e-7
    left, fresh = energies(lmp)
    assert left == pytest.approx(fresh, rel=1e-10)
    lmp.close()


OPEN = {"slab": "p p f", "film of a free height": "p p s", "cluster": "f f f", "droplet": "s s s"}


@pytest.mark.parametrize("case", OPEN)
def test_open_boundaries(case):
    """Against the same atoms in a periodic box with empty space beyond the cutoff."""
    atoms = INTERFACE.copy()
    atoms.center(vacuum=10.0, axis=2)
    axes = [k for k, word in enumerate(OPEN[case].split()) if word != "p"]
    for axis in axes:
        atoms.center(vacuum=10.0, axis=axis)
    expected = evaluated(atoms, dftd3("bj pbe cutoff 8 cn 7"))
    commands = f"change_box all boundary {OPEN[case]}\n" + dftd3("bj pbe cutoff 8 cn 7")
    found = evaluated(atoms, commands)
    assert found.energy == pytest.approx(expected.energy, rel=1e-12)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-12)
    lmp, _ = opened(atoms, commands + HOT + "run 30 post no")
    left, fresh = energies(lmp)
    lmp.close()
    assert left == pytest.approx(fresh, rel=1e-10)


def test_two_dimensions(tmp_path):
    """LAMMPS has no images along z there, although it calls z periodic."""
    script = ("units metal\ndimension {0}\nboundary p p {1}\nlattice hex 2.5\n"
              "region b block 0 3 0 2 -0.1 0.1\ncreate_box 1 b\ncreate_atoms 1 box\nmass 1 12.011\n"
              + dftd3(elements="C") + "thermo_modify format float %.15g\nrun 0")
    found = []
    for words in ((2, "p"), (3, "f")):
        text = script.format(*words)
        if words[0] == 3:  # hex is a lattice of two dimensions
            text = text.replace("lattice hex 2.5", "lattice custom 2.5 a1 1 0 0 a2 0 1.7320508075688772 0 "
                                "a3 0 0 1 basis 0 0 0 basis 0.5 0.5 0")
        code, output = run_lmp(text, tmp_path)
        assert code == 0, output
        found.append(float(re.findall(r"^ +0 .*$", output, re.MULTILINE)[0].split()[2]))
    assert found[0] < -0.1
    assert found[0] == pytest.approx(found[1], rel=1e-10)


def test_dangerous_builds_are_made_and_reported(tmp_path):
    lmp, _ = opened(INTERFACE, f"write_data {tmp_path}/start.data")
    lmp.close()
    words = "bj pbe cutoff 8 cn 7 skin 0.5 {}"
    script = ("units metal\natom_modify map yes\nread_data start.data\n" + dftd3(words) + HOT +
              "thermo 60\nthermo_modify format float %.15g\nrun 60")
    answers = []
    for lateness in ("", "every 10 delay 1000"):
        code, output = run_lmp(script.format(lateness), tmp_path)
        assert code == 0, output
        dangerous = int(re.search(r"(\d+) dangerous builds", output)[1])
        assert (dangerous > 0) == bool(lateness)
        assert output.count("WARNING: D3 dispersion made") == (dangerous > 0)
        answers.append(float(re.findall(r"^ +60 .*$", output, re.MULTILINE)[0].split()[4]))
    assert answers[1] == pytest.approx(answers[0], rel=1e-10)


def test_log_tells_what_ran(models, tmp_path):
    lmp, _ = opened(INTERFACE, f"write_data {tmp_path}/start.data")
    lmp.close()
    code, output = run_lmp(
        "units metal\natom_modify map yes\nread_data start.data\n"
        f"pair_style mace d3 bj PBE skin 1\npair_coeff * * {models['bundled.mace']} C O H\nrun 3",
        tmp_path)
    assert code == 0, output
    for text in ("D3 dispersion bj pbe cutoff 15 switch 2 cn 12 skin 1", "D3 dispersion  |",
                 "D3 dispersion: 4 evaluations, 1 list builds, 0 dangerous builds", "ms/evaluation"):
        assert text in output


def test_model_whose_labels_hold_dispersion_is_warned_of(models, tmp_path):
    from mdbench.model import convert  # noqa: PLC0415

    lmp, _ = opened(INTERFACE, f"write_data {tmp_path}/start.data")
    lmp.close()
    warned = []
    for labels in ("none", "d3"):
        convert(models["bundled"], tmp_path / "model.mace", labels_include_dispersion=labels)
        code, output = run_lmp(
            "units metal\natom_modify map yes\nread_data start.data\npair_style mace d3 bj pbe\n"
            "pair_coeff * * model.mace C O H\nrun 0\n"
            "pair_style hybrid/overlay mace dftd3 bj pbe\npair_coeff * * mace model.mace C O H\n"
            "pair_coeff * * dftd3 C O H\nrun 0", tmp_path)
        assert code == 0, output
        warned.append([f"{how}: the model's labels hold dispersion already (d3)" in output
                       for how in ("mace d3", "mace beside D3")])
    assert warned == [[False, False], [True, True]]


def test_pvector(models):
    """What `compute pair` gives: pairs and builds; of a model's style, D3's energy."""
    lmp, _ = opened(INTERFACE, dftd3() + "compute p all pair dftd3\nrun 0 post no")
    pairs, builds = lmp.numpy.extract_compute("p", 0, 1)
    energy = lmp.get_thermo("pe")
    lmp.close()
    assert pairs > 1000 * len(INTERFACE)
    assert builds == 1
    lmp, _ = opened(INTERFACE, f"pair_style mace d3 bj pbe\npair_coeff * * {models['bundled.mace']} "
                               "C O H\ncompute p all pair mace\nrun 0 post no")
    assert lmp.numpy.extract_compute("p", 0, 1)[2] == pytest.approx(energy, rel=1e-12)
    lmp.close()


STYLES = {
    "dftd3": "pair_style dftd3 bj custom s8 0.7875 a1 0.4289 a2 4.4407 cutoff 9 cn 8 skin 1.25\n"
             "pair_coeff * * C O H\n",
    "mace": "pair_style mace head r2scan d3 zerom b3lyp cutoff 9 cn 8\npair_coeff * * {model} C O H\n",
    "hybrid": "pair_style hybrid/overlay mace dftd3 bj pbe parallel gather\n"
              "pair_coeff * * mace {model} C O H\npair_coeff * * dftd3 C O H\n",
}


@pytest.mark.parametrize("case", STYLES)
def test_restart_brings_the_settings_back(models, tmp_path, case):
    commands = STYLES[case].format(model=models["two_heads.mace"])
    lmp, _ = opened(triclinic(), commands + f"run 0 post no\nwrite_restart {tmp_path}/restart")
    energy = lmp.get_thermo("pe")
    lmp.close()
    lmp = open_lammps()
    lmp.commands_string(f"atom_modify map yes\nread_restart {tmp_path}/restart")
    if case == "hybrid":  # LAMMPS wants these again
        lmp.commands_string(commands.split("\n", 1)[1])
    lmp.command("run 0 post no")
    assert lmp.get_thermo("pe") == pytest.approx(energy, rel=1e-12)
    lmp.close()


def test_style_given_again_replaces_the_first():
    expected = evaluated(INTERFACE, dftd3("zero blyp"))
    assert_same(evaluated(INTERFACE, dftd3() + "run 0\n" + dftd3("zero blyp")), expected)


def drift(words, timestep_ps, integrator=""):
    """Of argon's total energy: slope, microelectronvolt an atom and ps, and scatter about it."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat(3)
    lmp = open_lammps()
    load_structure(lmp, boxed(atoms))
    lmp.commands_string(
        f"pair_style hybrid/overlay lj/smooth/linear 5.0 dftd3 {words}\n"
        "pair_coeff * * lj/smooth/linear 0.0104 3.0\npair_coeff * * dftd3 Ar\nneighbor 0.5 bin\n"
        f"velocity all create 80 8 loop all\ntimestep {timestep_ps}\nfix 1 all nve\n{integrator}\n"
        "thermo_style custom step time temp pe etotal\nrun 500 post no\n"
        "variable time equal time\nvariable energy equal etotal\n"
        "fix rows all vector 20 v_time v_energy\nthermo 20\nrun 8000 post no")
    rows = np.array([[lmp.extract_fix("rows", 0, 2, k, c) for c in (0, 1)] for k in range(400)])
    lmp.close()
    time_ps, energy_uev = rows.T * np.array([[1.0], [1e6 / len(atoms)]])
    line = np.polyfit(time_ps, energy_uev, 1)
    return line[0], np.std(energy_uev - np.polyval(line, time_ps))


def test_energy_is_conserved():
    """Over 16 ps and many builds, with a repulsion as smooth as D3 is; hard cutoffs show."""
    slope, scatter = drift("bj pbe cutoff 8 cn 7 skin 0.5", 0.002)
    assert abs(slope) < 0.1
    assert scatter < 1.0
    assert drift("bj pbe cutoff 8 cn 7 skin 0.5 switch 0", 0.002)[1] > 10.0


def test_energy_is_conserved_in_two_time_steps():
    slope, scatter = drift("bj pbe cutoff 8 cn 7 skin 0.5 triples 5", 0.008,
                           "run_style respa 2 4 hybrid 1 2")
    assert abs(slope) < 0.1
    assert scatter < 5.0


def test_respa(models, tmp_path):
    """The model every 0.5 fs, D3 every 2 fs: its evaluations may skip the steps on which LAMMPS
    exchanges atoms. The total energy changes as with both every 0.5 fs, by the integrator alone."""
    def change(integrator):
        commands = (
            "pair_style hybrid/overlay mace precision double dftd3 bj pbe skin 0.5\n"
            f"pair_coeff * * mace {models['bundled.mace']} C O H\npair_coeff * * dftd3 C O H\n"
            "neighbor 0.3 bin\nminimize 0 0 200 2000\nvelocity all create 300 8 loop all\n"
            "fix 1 all nve\nthermo_style custom step temp pe etotal\nrun 0\n"
            f"variable before equal $(etotal)\n{integrator} post no")
        lmp, _ = opened(INTERFACE, commands)
        gained = lmp.get_thermo("etotal") - float(lmp.extract_variable("before"))
        left, fresh = energies(lmp)
        lmp.close()
        assert left == pytest.approx(fresh, rel=1e-9)
        return gained / len(INTERFACE)

    respa = change("timestep 0.002\nrun_style respa 2 4 hybrid 1 2\nrun 100")
    assert respa == pytest.approx(change("timestep 0.0005\nrun 400"), abs=1e-5)


def test_far_apart_and_alone():
    """Atoms with no partner: no energy, no force, no fault."""
    atoms = Atoms("CO", [[5, 5, 5], [5, 5, 45]], cell=[10, 10, 80], pbc=False)
    found = evaluated(atoms, dftd3("bj pbe cutoff 12"))
    assert found.energy == 0.0
    assert not found.forces.any()
