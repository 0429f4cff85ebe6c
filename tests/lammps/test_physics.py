"""What any potential must obey, through LAMMPS. Numbers: reliability table of the design."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from support import SPECIES, STRUCTURES, Lammps, carbon_crystal, run_lmp, triclinic

from mdbench.engine import boxed, load_structure, open_lammps, single_point
from mdbench.structure import graphene, water_box

FOUR_POINT = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
STEP_ANG = 1e-3


DOUBLE = "precision double"


@pytest.mark.parametrize("name", ["analytic.pt", "bundled.pt", "two_heads.pt", "bundled.mace",
                                  "two_heads.mace", "medium.mace"])
def test_forces_are_minus_the_gradient(models, name):
    atoms = triclinic()
    with Lammps(atoms, models[name], DOUBLE, species=SPECIES) as run:
        forces = run.point().forces
        for i in range(len(atoms)):
            slope = np.zeros(3)
            for axis in range(3):
                for k, weight in FOUR_POINT:
                    moved = atoms.positions.copy()
                    moved[i, axis] += k * STEP_ANG
                    run.move_to(moved)
                    slope[axis] += weight * run.point().energy / STEP_ANG
            np.testing.assert_allclose(-slope, forces[i], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "structure"),
    [("analytic.pt", "triclinic"), ("analytic.pt", "bulk"), ("bundled.pt", "triclinic"),
     ("bundled.mace", "triclinic"), ("medium.mace", "bulk")],
)
def test_virial_is_minus_the_strain_derivative(models, name, structure):
    atoms = STRUCTURES[structure]()
    with Lammps(atoms, models[name], DOUBLE, species=SPECIES,
                more="change_box all triclinic") as run:
        virial = run.point().virial
        for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
            slope = 0.0
            for k, weight in FOUR_POINT:
                strain = np.eye(3)
                strain[a, b] += 0.5 * k * STEP_ANG
                strain[b, a] += 0.5 * k * STEP_ANG
                run.set_cell(atoms.cell.array @ strain)
                slope += weight * run.point().energy / STEP_ANG
            assert abs(slope + virial[a, b]) / atoms.get_volume() < 1e-7


def rotation(seed=2):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


@pytest.mark.parametrize(
    ("name", "style", "energy_limit", "force_limit"),
    [(name, *limits) for name in ("analytic.pt", "bundled.pt", "bundled.mace", "medium.mace")
     for limits in ((DOUBLE, 1e-10, 1e-9), ("precision single", 1e-5, 1e-5),
                    ("precision mixed", 1e-5, 1e-5))
     if "mixed" not in limits[0] or "mace" in name],
)
def test_invariances(models, name, style, energy_limit, force_limit):
    atoms = triclinic()
    count = len(atoms)
    model = models[name]
    base = single_point(atoms, model, style, SPECIES)
    scale = max(1.0, np.abs(base.forces).max()) if style != DOUBLE else 1.0

    q = rotation()
    turned = Atoms(atoms.symbols, atoms.positions @ q, cell=atoms.cell.array @ q, pbc=True)
    far = atoms.copy()
    far.positions += [200.0, -150.0, 90.0]
    order = np.random.default_rng(1).permutation(count)
    wrapped = atoms.copy()
    wrapped.positions[0] += atoms.cell.array[0] - 2 * atoms.cell.array[2]
    cases = {
        "rotated": (turned, base.forces @ q),
        "translated": (far, base.forces),
        "permuted": (atoms[order], base.forces[order]),
        "wrapped": (wrapped, base.forces),
    }
    for label, (changed, forces) in cases.items():
        found = single_point(changed, model, style, SPECIES)
        assert abs(found.energy - base.energy) / count < energy_limit, label
        np.testing.assert_allclose(found.forces, forces, atol=force_limit * scale, rtol=0, err_msg=label)


@pytest.mark.parametrize("name", ["analytic.pt", "bundled.pt", "bundled.mace", "medium.mace"])
def test_small_cell_equals_its_replicas(models, name):
    atoms = triclinic()
    assert min(atoms.cell.lengths()) / 2 < 4.4
    small = single_point(atoms, models[name], DOUBLE, SPECIES)
    large = single_point(atoms.repeat(2), models[name], DOUBLE, SPECIES)
    assert abs(large.energy / 8 - small.energy) / len(atoms) < 1e-10
    np.testing.assert_allclose(large.forces[: len(atoms)], small.forces, atol=1e-9, rtol=0)


def test_net_force_is_zero(models):
    for name in ("analytic.pt", "bundled.pt", "bundled.mace"):
        forces = single_point(STRUCTURES["bulk"](), models[name], DOUBLE, SPECIES).forces
        assert np.abs(forces.sum(axis=0)).max() < 1e-9


def forces_on_approach(model, distance):
    """Forces where a carbon atom stands at a distance from a molecule's oxygen."""
    atoms = Atoms("OHHC", [[0, 0, 0], [0.6, 0.8, 0], [0.6, -0.8, 0], [-distance, 0, 0]])
    return single_point(atoms, model, DOUBLE, SPECIES).forces


@pytest.mark.parametrize("kind", ["pt", "mace"])
def test_force_is_continuous_across_the_cutoff(models, kind):
    """An atom passes r_max (4.5 A) of a molecule."""
    model = models[f"bundled.{kind}"]
    inside, below, above = (forces_on_approach(model, d) for d in (4.3, 4.5 - 1e-7, 4.5 + 1e-7))
    assert np.abs(inside - above).max() > 1e-8
    assert np.abs(below - above).max() < 1e-8


def test_force_is_continuous_where_the_exact_path_takes_over(models):
    """Radial tables end at 0.4 A; below, the functions are evaluated as written."""
    below, above = (forces_on_approach(models["bundled.mace"], 0.4 + d) for d in (-1e-10, 1e-10))
    assert np.abs(below).max() > 10.0
    np.testing.assert_allclose(below, above, rtol=1e-8, atol=1e-6)
    expected = forces_on_approach(models["bundled.pt"], 0.3)
    found = forces_on_approach(models["bundled.mace"], 0.3)
    # TorchScript takes 14.3996 Z Z in single precision, which shows in the repulsion
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-6)


def test_candidates_of_the_skin_change_nothing(models):
    """The same dynamics with skins from 0.3 to 3 A, rebuilds at different steps."""
    results = []
    for skin in (0.3, 1.0, 3.0):
        with Lammps(carbon_crystal(), models["analytic.pt"], species=SPECIES,
                    more=f"neighbor {skin} bin\nneigh_modify delay 0 every 1 check yes") as run:
            run.commands(
                "velocity all create 900 11 mom yes dist gaussian\ntimestep 0.001\n"
                "fix 1 all nve\nrun 60"
            )
            box = run.system.atoms.cell.lengths()
            results.append(np.c_[run.positions() % box, run.velocities()])
    np.testing.assert_allclose(results[0], results[1], atol=1e-10, rtol=0)
    np.testing.assert_allclose(results[0], results[2], atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", ["bundled-single.pt", "bundled.mace"])
def test_same_run_twice_is_bit_identical(models, name):
    def end():
        with Lammps(STRUCTURES["bulk"](), models[name], species=SPECIES) as run:
            run.commands(
                "velocity all create 300 5 mom yes dist gaussian\ntimestep 0.0005\n"
                "fix 1 all nve\nrun 20"
            )
            return run.positions().tobytes() + run.velocities().tobytes()

    assert end() == end()


def energies(run, steps, stride):
    """Total energy every ``stride`` steps."""
    out = []
    for _ in range(steps // stride):
        run.commands(f"run {stride} pre no post no")
        out.append(run.lmp.get_thermo("etotal"))
    return np.array(out)


def start_nve(run, temperature_k, timestep_ps):
    run.commands(
        f"velocity all create {temperature_k} 3 mom yes dist gaussian\ntimestep {timestep_ps}\n"
        "fix 1 all nve\nneighbor 1.0 bin\nrun 0 post no"
    )


@pytest.mark.parametrize("kind", ["pt", "mace"])
def test_energy_fluctuation_falls_with_the_square_of_the_timestep(models, kind):
    def fluctuation(timestep_ps):
        with Lammps(water_start(), models[f"bundled.{kind}"], DOUBLE, species=SPECIES) as run:
            start_nve(run, 100, timestep_ps)
            return energies(run, round(0.06 / timestep_ps), 1).std()

    ratio = fluctuation(0.0004) / fluctuation(0.0002)
    assert ratio == pytest.approx(4.0, abs=0.5)


def water_start():
    """Two molecules in a box, near rest."""
    return water_box(2, 7.0, seed=2)


@pytest.mark.parametrize(("style", "limit"), [("precision double", 1e-4), ("precision single", 5e-3)])
def test_energy_is_conserved_over_50_ps(models, style, limit):
    """Slope of the total energy, eV/atom/ns, of a 32-atom crystal at about 300 K.

    Masses are 20 u for all, so that 2 fs is a fair timestep.
    """
    atoms = carbon_crystal(2)
    picoseconds, timestep_ps = 50.0, 0.002
    with Lammps(atoms, models["analytic.pt"], style, species=SPECIES) as run:
        run.commands("mass * 20.0")
        start_nve(run, 600, timestep_ps)
        run.commands("run 500 post no")
        stride = 50
        total = energies(run, round(picoseconds / timestep_ps), stride) / len(atoms)
    time_ns = np.arange(len(total)) * stride * timestep_ps / 1000
    assert abs(np.polyfit(time_ns, total, 1)[0]) < limit


def test_momentum_is_conserved_over_10000_steps(models):
    with Lammps(carbon_crystal(1), models["analytic.pt"], species=SPECIES) as run:
        start_nve(run, 300, 0.001)
        run.commands("run 10000 post no")
        mass = np.array([run.lmp.extract_atom("mass")[t] for t in range(1, 4)])
        kind = np.array(run.lmp.gather_atoms("type", 0, 1)) - 1
        momentum = mass[kind][:, None] * run.velocities()
        assert np.abs(momentum.sum(axis=0)).max() / np.abs(momentum).sum() < 1e-10


def test_coincident_atoms_stop_the_run(models, form, tmp_path):
    model = models["bundled-single.pt" if form == "pt" else "bundled.mace"]
    script = f"""units metal
atom_modify map yes
region box block 0 9 0 9 0 9
create_box 3 box
create_atoms 2 single 4 4 4
create_atoms 2 single 4 4 4
mass 1 12.011
mass 2 15.999
mass 3 1.008
pair_style mace
pair_coeff * * {model} C O H
fix 1 all nve
run 5
"""
    code, output = run_lmp(script, tmp_path)
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    assert code != 0
    assert len(errors) == 1
    assert "not finite at step 0" in errors[0]
    assert "IDs 1 and 2, 0.0" in errors[0] or "IDs 2 and 1, 0.0" in errors[0]


def test_explosion_stops_within_a_step(models, tmp_path):
    """A velocity that throws atoms into one another ends in an error, not in NaN and exit code 0."""
    system = boxed(carbon_crystal(1), SPECIES)
    lmp = open_lammps()
    load_structure(lmp, system)
    lmp.command(f"write_data {tmp_path}/start.data")
    lmp.close()
    script = f"""units metal
atom_modify map yes
read_data start.data
pair_style mace
pair_coeff * * {models["analytic.pt"]} C O H
velocity all create 1e9 4
variable sane equal "abs(etotal) < 1e300 && temp < 1e12"
fix halt all halt 1 v_sane == 0 error hard
fix 1 all nve
run 2000
"""
    code, output = run_lmp(script, tmp_path)
    assert code != 0
    assert "ERROR" in output
    assert "nan" not in output.split("Step")[-1].split("ERROR")[0].lower()


def test_graphene_and_isolated_atoms(models):
    """Isolated atoms have their own energy and no force; a sheet has none along z."""
    lone = single_point(Atoms("C", [[0, 0, 0]]), models["bundled.pt"], species=SPECIES)
    pair = single_point(Atoms("CC", [[0, 0, 0], [9, 0, 0]]), models["bundled.pt"], species=SPECIES)
    assert pair.energy == pytest.approx(2 * lone.energy, abs=1e-10)
    assert np.abs(pair.forces).max() == 0
    sheet = single_point(graphene(3, 2), models["bundled.pt"], species=SPECIES)
    assert np.abs(sheet.forces[:, 2]).max() < 1e-10


def test_crystal_and_its_primitive_cell(models):
    primitive = bulk("C", "fcc", a=3.6)
    cubic = bulk("C", "fcc", a=3.6, cubic=True)
    small = single_point(primitive, models["medium.pt"], species=["C"])
    large = single_point(cubic, models["medium.pt"], species=["C"])
    assert large.energy / 4 == pytest.approx(small.energy, abs=1e-9)
