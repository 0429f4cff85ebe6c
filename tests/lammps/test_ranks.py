"""The same answer on one rank and on several."""

import re

import numpy as np
import pytest
from ranks import SCRIPT, compare, mace, run, write_data
from support import boxed, carbon_crystal, rattled, run_lmp

from mdbench.structure import graphene_water


@pytest.fixture(params=["two layers of halo", "exchange in two layers", "exchange in three",
                        "gated layers"])
def distributed(request, models, native_models):
    """A model and its style: TorchScript with a deep halo, native ones that exchange features."""
    return {
        "two layers of halo": (models["analytic.pt"], ""),
        "exchange in two layers": (models["two_heads.mace"], "head r2scan"),
        "exchange in three": (native_models / "density_residual.mace", "head a"),
        "gated layers": (native_models / "gated_deep.mace", "precision double"),
    }[request.param]


@pytest.mark.parametrize("ranks", [2, 4])
def test_one_step(distributed, tmp_path, ranks):
    model, style = distributed
    atoms = carbon_crystal(3)
    write_data(atoms, tmp_path / "start.data")
    one = run(tmp_path, mace(model, style), ranks=1)
    many = run(tmp_path, mace(model, style), ranks=ranks)
    compare(one, many, len(atoms))
    assert "no halo on one rank" in one[2]
    # 2 layers x (4.4 + 1.0), or r_max + skin = 4.0 + 1.0 whatever the number of layers
    assert f"halo {'5.0' if model.suffix == '.mace' else '10.8'}" in many[2]


@pytest.mark.parametrize("grid", ["1 1 2", "2 2 1", "4 1 1"])
def test_small_cells_with_many_images(distributed, tmp_path, grid):
    """Domains much narrower than the halo: an atom has images on its own rank and on others."""
    model, style = distributed
    atoms = carbon_crystal(1)
    write_data(atoms, tmp_path / "start.data")
    ranks = int(np.prod([int(n) for n in grid.split()]))
    one = run(tmp_path, mace(model, style), ranks=1)
    many = run(tmp_path, mace(model, style), ranks=ranks, grid=grid)
    compare(one, many, len(atoms))
    halo = int(re.search(r"(\d+) halo atoms", many[2])[1])
    assert halo <= (ranks - 1) * len(atoms)  # images of an atom are one node


def test_triclinic_and_open_boundaries(distributed, tmp_path):
    model, style = distributed
    atoms = carbon_crystal(2)
    cell = atoms.cell.array.copy()
    cell[1, 0] += 1.1
    cell[2, 1] -= 0.9
    atoms.set_cell(cell, scale_atoms=True)
    atoms.pbc = [True, True, False]
    boundary = write_data(atoms, tmp_path / "start.data")
    one = run(tmp_path, mace(model, style), ranks=1, boundary=boundary)
    many = run(tmp_path, mace(model, style), ranks=4, boundary=boundary)
    compare(one, many, len(atoms))


def test_empty_domain(distributed, tmp_path):
    """All atoms in one end of a long box: ranks without atoms take part in every collective."""
    model, style = distributed
    atoms = carbon_crystal(2)
    atoms.cell[2, 2] = 60.0
    write_data(atoms, tmp_path / "start.data")
    one = run(tmp_path, mace(model, style), ranks=1)
    many = run(tmp_path, mace(model, style), ranks=4, grid="1 1 4")
    compare(one, many, len(atoms))
    assert re.search(r"Nlocal: .* 0 min", many[2])


HOT = "velocity all create 3000 8 mom yes dist gaussian\ntimestep 0.001\nfix 1 all nve"


@pytest.mark.parametrize("ranks", [2, 4])
def test_trajectory_with_atoms_crossing(distributed, tmp_path, ranks):
    """100 steps, hot enough that atoms change their rank."""
    model, style = distributed
    atoms = carbon_crystal(2, seed=3)
    write_data(atoms, tmp_path / "start.data")
    # NVE with a fixed loop over atom IDs gives the same velocities on any number of ranks
    dynamics = HOT.replace("dist gaussian", "dist gaussian loop all")
    one = run(tmp_path, mace(model, style), ranks=1, dynamics=dynamics, steps=100)
    many = run(tmp_path, mace(model, style), ranks=ranks, dynamics=dynamics, steps=100)
    moved = np.abs(one[0][:, 1:4] - boxed(atoms).atoms.positions)
    assert moved.max() > 0.5
    unwrap = lambda rows: rows[:, 1:4] + 7.0 * rows[:, 4:7]  # noqa: E731
    np.testing.assert_allclose(unwrap(many[0]), unwrap(one[0]), atol=1e-9, rtol=0)
    np.testing.assert_allclose(many[0][:, 7:10], one[0][:, 7:10], atol=1e-8, rtol=0)


@pytest.mark.parametrize("style", ["hybrid", "hybrid/overlay"])
def test_features_are_exchanged_in_hybrid_styles_too(models, tmp_path, style):
    """LAMMPS sizes its buffers by what the hybrid style asks for."""
    atoms = carbon_crystal(3)
    write_data(atoms, tmp_path / "start.data")
    overlay = style == "hybrid/overlay"
    pair = (f"pair_style {style} mace lj/cut 4.0\n"
            f"pair_coeff * * mace {models['two_heads.mace']} C O {'H' if overlay else 'NULL'}\n"
            f"pair_coeff {'* *' if overlay else '* 3'} lj/cut 0.001 1.5")
    one = run(tmp_path, pair, ranks=1)
    many = run(tmp_path, pair, ranks=2)
    compare(one, many, len(atoms))


@pytest.mark.parametrize("kind", ["pt", "mace"])
def test_mace_trajectory_on_two_ranks(models, tmp_path, kind):
    """100 steps of the bundled model on an interface."""
    model = models[f"bundled.{kind}"]
    atoms = rattled(graphene_water(2, 1, 4), 0.02)
    write_data(atoms, tmp_path / "start.data")
    dynamics = ("velocity all create 300 8 mom yes dist gaussian loop all\n"
                "timestep 0.0005\nfix 1 all nvt temp 300 300 0.05")
    one = run(tmp_path, mace(model, "precision double"), ranks=1, dynamics=dynamics, steps=100)
    many = run(tmp_path, mace(model, "precision double"), ranks=2, dynamics=dynamics, steps=100)
    lengths = atoms.cell.lengths()
    unwrap = lambda rows: rows[:, 1:4] + lengths * rows[:, 4:7]  # noqa: E731
    np.testing.assert_allclose(unwrap(many[0]), unwrap(one[0]), atol=1e-9, rtol=0)


def test_no_domain_decomposition_refuses_several_ranks(models, tmp_path):
    write_data(carbon_crystal(1), tmp_path / "start.data")
    script = SCRIPT.format(boundary="p p p", grid="* * *", setup="", dynamics="", steps=1,
                           pair=mace(models["analytic.pt"], "no_domain_decomposition"))
    code, output = run_lmp(script, tmp_path, ranks=2)
    assert code != 0
    assert output.count("ERROR") == 1
    assert "runs on one MPI rank" in output


def test_replicas_by_partition(models, tmp_path):
    """Two worlds of one rank each: collectives stay within a world."""
    write_data(carbon_crystal(1), tmp_path / "start.data")
    script = SCRIPT.format(boundary="p p p", grid="* * *", pair=mace(models["analytic.pt"]),
                           setup="", dynamics="", steps=1).replace("out.dump", "out.${world}.dump")
    script = "variable world world 1 2\n" + script
    code, output = run_lmp(script, tmp_path, ranks=2, arguments=["-partition", "2x1"])
    assert code == 0, output
    first, second = ((tmp_path / f"out.{w}.dump").read_text() for w in (1, 2))
    assert first == second


def test_partitions_may_have_different_numbers_of_jobs(models, tmp_path):
    """LAMMPS's job farm: device auto must not wait for pair_coeff commands of other partitions."""
    write_data(carbon_crystal(1), tmp_path / "start.data")
    script = f"""variable job universe 1 2 3
units metal
label again
atom_modify map yes
read_data start.data
{mace(models["bundled-single.pt"])}
run 0
print "job ${{job}} done" append done
clear
units metal
next job
jump in.test again
"""
    code, output = run_lmp(script, tmp_path, ranks=2, arguments=["-partition", "2x1"], timeout_s=60)
    assert code == 0, output
    assert sorted((tmp_path / "done").read_text().split("\n")[:3]) == [f"job {n} done" for n in (1, 2, 3)]
