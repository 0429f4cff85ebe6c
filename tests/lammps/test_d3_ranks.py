"""D3 on several ranks gives what it gives on one."""

import re

import numpy as np
import pytest
from ranks import compare, run, write_data
from support import carbon_crystal, rattled, run_lmp, slab

from mdbench.structure import graphene_water

WORDS = "bj pbe cutoff 7 switch 1 cn 6 skin 0.5 triples 5"
MOVING = ("velocity all create 3000 8 loop all\ntimestep 0.001\nfix 1 all nve\n"
          "compute s all centroid/stress/atom NULL pair\ncompute r all reduce sum c_s[4]")


def dftd3(more="", words=WORDS):
    return f"pair_style dftd3 {words} {more}\npair_coeff * * C O H"


@pytest.mark.parametrize("parallel", ["gather", "ghost"])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_change_nothing(tmp_path, ranks, parallel):
    """Atoms cross from rank to rank, and the boundaries."""
    atoms = carbon_crystal(2, seed=3)
    write_data(atoms, tmp_path / "start.data")
    for steps in (0, 40):
        one = run(tmp_path, dftd3(), ranks=1, dynamics=MOVING, steps=steps)
        many = run(tmp_path, dftd3(f"parallel {parallel}"), ranks=ranks, dynamics=MOVING, steps=steps)
        compare(one, many, len(atoms))
        assert many[1][0] == pytest.approx(one[1][0], rel=1e-10)
    if ranks == 4:
        assert (many[0][:, 4:7] != 0).any()


@pytest.mark.parametrize("parallel", ["gather", "ghost"])
def test_open_and_tilted_boxes(tmp_path, parallel):
    atoms = carbon_crystal(2)
    cell = atoms.cell.array.copy()
    cell[1, 0] += 1.1
    cell[2, 1] -= 0.9
    atoms.set_cell(cell, scale_atoms=True)
    atoms.pbc = [True, True, False]
    boundary = write_data(atoms, tmp_path / "start.data")
    one = run(tmp_path, dftd3(), ranks=1, boundary=boundary)
    many = run(tmp_path, dftd3(f"parallel {parallel}"), ranks=3, boundary=boundary, grid="1 1 3")
    compare(one, many, len(atoms))


@pytest.mark.parametrize("parallel", ["gather", "ghost"])
@pytest.mark.parametrize("setting", ["newton off", "comm_style tiled", "atom_modify sort 3 2.0"])
def test_settings_of_lammps(tmp_path, parallel, setting):
    atoms = carbon_crystal(3)  # tiled: no ghosts from farther than the box
    write_data(atoms, tmp_path / "start.data")
    one = run(tmp_path, dftd3(), ranks=1, dynamics=MOVING, steps=20)
    balance = "\nfix 2 all balance 5 1.0 rcb" if "tiled" in setting else ""
    many = run(tmp_path, dftd3(f"parallel {parallel}"), ranks=2, dynamics=MOVING + balance, steps=20,
               setup=setting)
    compare(one, many, len(atoms))


@pytest.mark.parametrize("parallel", ["gather", "ghost"])
def test_ranks_without_atoms(tmp_path, parallel):
    atoms = slab()
    atoms.cell[2, 2] = 60.0
    atoms.pbc = True
    write_data(atoms, tmp_path / "start.data")
    one = run(tmp_path, dftd3(), ranks=1)
    many = run(tmp_path, dftd3(f"parallel {parallel}"), ranks=3, grid="1 1 3")
    compare(one, many, len(atoms))


def test_keyword_of_the_model_on_two_ranks(models, tmp_path):
    atoms = rattled(graphene_water(2, 1, 4), 0.02)
    write_data(atoms, tmp_path / "start.data")
    pair = (f"pair_style mace precision double d3 {WORDS}\n"
            f"pair_coeff * * {models['bundled.mace']} C O H")
    moving = "velocity all create 300 8 loop all\ntimestep 0.0005\nfix 1 all nve"
    one = run(tmp_path, pair, ranks=1, dynamics=moving, steps=20)
    many = run(tmp_path, pair, ranks=2, dynamics=moving, steps=20)
    lengths = atoms.cell.lengths()
    unwrap = lambda rows: rows[:, 1:4] + lengths * rows[:, 4:7]  # noqa: E731
    np.testing.assert_allclose(unwrap(many[0]), unwrap(one[0]), atol=1e-9, rtol=0)
    assert many[1][0] == pytest.approx(one[1][0], rel=1e-9)


def test_respa_on_two_ranks(tmp_path):
    """D3 at the outer level, LAMMPS's lists made often: exchanges are noticed all the same."""
    atoms = carbon_crystal(2, seed=3)
    write_data(atoms, tmp_path / "start.data")
    moving = MOVING.replace("timestep 0.001", "timestep 0.002\nrun_style respa 2 4 hybrid 1 2")
    answers = []
    for parallel, ranks in (("gather", 1), ("gather", 2), ("ghost", 2)):
        pair = (f"pair_style hybrid/overlay lj/cut 5.0 dftd3 {WORDS} parallel {parallel}\n"
                "pair_coeff * * lj/cut 0.002 2.2\npair_coeff * * dftd3 C O H")
        answers.append(run(tmp_path, pair, ranks=ranks, dynamics=moving, steps=30))
    for many in answers[1:]:
        assert many[1][0] == pytest.approx(answers[0][1][0], rel=1e-9)
        np.testing.assert_allclose(many[0][:, 7:10], answers[0][0][:, 7:10], atol=1e-8, rtol=0)


@pytest.mark.parametrize("parallel", ["gather", "ghost"])
def test_rerun(tmp_path, parallel):
    """Frames far apart follow each other, evaluated out of turn."""
    atoms = carbon_crystal(2, seed=3)
    write_data(atoms, tmp_path / "start.data")
    script = ("units metal\natom_modify map yes\nread_data start.data\n"
              + dftd3(f"parallel {parallel}")
              + "\nthermo 10\nthermo_style custom step pe\nthermo_modify format float %.15g\n")
    run_it = (MOVING.split("\ncompute")[0]
              + "\ndump 1 all custom 10 frames.dump id type x y z ix iy iz\n"
              "dump_modify 1 format float %.17g\nrun 60")
    answers = []
    for commands, ranks in ((run_it, 1), ("rerun frames.dump dump x y z ix iy iz", 2)):
        code, output = run_lmp(script + commands, tmp_path, ranks=ranks)
        assert code == 0, output
        rows = re.findall(r"^ +(\d+) +(-[\d.]+) *$", output, re.MULTILINE)
        answers.append({int(step): float(energy) for step, energy in rows})
    assert sorted(answers[0]) == list(range(0, 61, 10))
    assert answers[1] == pytest.approx(answers[0], rel=1e-10)


def test_ghosts_where_the_box_is_large(tmp_path):
    """The choice of `parallel auto`, by the log."""
    script = ("units metal\nlattice sc 4.0\nregion b block 0 {n} 0 {n} 0 {n}\ncreate_box 3 b\n"
              "create_atoms 2 box\nmass 1 12.011\nmass 2 15.999\nmass 3 1.008\n"
              + dftd3(words="bj pbe cutoff 4 cn 3") + "\nrun 0")
    for edge, ranks, ghosts in ((4, 4, False), (20, 2, False), (20, 4, True)):
        code, output = run_lmp(script.format(n=edge), tmp_path, ranks=ranks)
        assert code == 0, output
        assert ("its ghosts" in output) == ghosts
        assert ("all atoms on every rank" in output) != ghosts


def test_replicas_by_partition(tmp_path):
    """Two worlds of two ranks: collectives stay within a world."""
    write_data(carbon_crystal(1), tmp_path / "start.data")
    script = ("variable world world 1 2\nunits metal\natom_modify map yes\nread_data start.data\n"
              + dftd3() + "\nfix 1 all nve\nthermo_modify format float %.12g\nrun 2\n"
              "print \"$(pe)\" file energy.${world}")
    code, output = run_lmp(script, tmp_path, ranks=4, arguments=["-partition", "2x2"])
    assert code == 0, output
    first, second = ((tmp_path / f"energy.{world}").read_text() for world in (1, 2))
    assert float(first) == pytest.approx(float(second), rel=1e-12)
