"""In which directions diffusion is taken and relative to what: Brownian liquids between walls."""

from dataclasses import replace

import numpy as np
import pytest
from ase.data import atomic_masses, atomic_numbers
from test_analyze import FRAMES, InMemory, run_of

from mdbench.analysis.confinement import find_confinement
from mdbench.analyze import analyze_run
from mdbench.errors import AnalysisError
from mdbench.frames import ArrayFrames
from mdbench.spec import Analysis
from mdbench.structure import graphene

D = 2.0  # 1e-9 m2/s
INTERVAL_PS = 0.5
SHEET = graphene(7, 4)
WIDTH = SHEET.cell.lengths()[:2]
FREE_ANG = 2.5
"""Of a sheet without atoms of the liquid, on either side."""


def folded(z, half):
    """Paths between mirrors at -half and half."""
    z = np.mod(z + half, 4 * half)
    return np.where(z > 2 * half, 4 * half - z, z) - half


def liquid(rng, atoms, half, frames=FRAMES):
    """Walkers between walls at z = -half and half; their mean stays in x and y."""
    steps = np.sqrt(0.2 * D * INTERVAL_PS) * rng.standard_normal((frames, atoms, 3))
    x = np.cumsum(steps, axis=0)
    x -= x.mean(axis=1, keepdims=True) * [1, 1, 0]
    x /= np.sqrt(1 - 1 / atoms * np.array([1, 1, 0]))  # as many as there were before
    x += rng.uniform(0, 1, (atoms, 3)) * [*WIDTH, 0]
    x[:, :, 2] = folded(x[:, :, 2] + rng.uniform(-half, half, atoms), half)
    return x


def sheets(heights, symbols=("C", "C"), frames=FRAMES, rng=None):
    """Sheets like graphene: positions and symbols; with slight ripples."""
    rng = rng or np.random.default_rng(1)
    x = np.concatenate([SHEET.positions * [1, 1, 0] + [0, 0, z] for z in heights])
    names = np.tile(symbols, len(x) // 2)
    return x + 0.05 * rng.standard_normal((frames, *x.shape)), list(names)


def run_with(x, names, height, *, pbc=(1, 1, 1), axes=(0, 1, 2)):
    """A run; ``axes`` says where x, y and z go to."""
    numbers = np.array([atomic_numbers[name] for name in names])
    cell = np.diag([*WIDTH, height])[np.ix_(axes, axes)]
    pbc = np.array(pbc, bool)[list(axes)]
    times = INTERVAL_PS * np.arange(len(x))
    return run_of(InMemory(numbers, atomic_masses[numbers], pbc, times, x[:, :, list(axes)], cell))


def slit(rng, symbols=("C", "C")):
    """Oxygen between two sheets 12 A apart, and vacuum behind these."""
    walls, names = sheets((-6.0, 6.0), symbols)
    return np.concatenate([walls, liquid(rng, 150, 6.0 - FREE_ANG)], axis=1), names + ["O"] * 150


def over_a_sheet(rng, symbols=("C", "C")):
    """Oxygen over one sheet in a cell of 20 A."""
    walls, names = sheets((10.0,), symbols)
    return np.concatenate([walls, liquid(rng, 150, 10.0 - FREE_ANG)], axis=1), names + ["O"] * 150


def is_right(section, dimensions="xy"):
    rate = section["diffusion"]
    assert section["dimensions"] == dimensions
    assert rate["error"] < 0.05 * D and abs(rate["value"] - D) < 3 * rate["error"]


CASES = {
    "slit": (slit, ("C", "C"), 20.0, {}),
    "boron nitride": (over_a_sheet, ("B", "N"), 20.0, {}),
    "boron nitride slit": (slit, ("B", "N"), 30.0, {}),
    "graphene": (over_a_sheet, ("C", "C"), 20.0, {}),
    "open": (slit, ("C", "C"), 30.0, {"pbc": (1, 1, 0)}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_liquid_between_walls_diffuses_along_them(name):
    make, symbols, height, how = CASES[name]
    x, names = make(np.random.default_rng(3), symbols)
    found = analyze_run(run_with(x, names, height, **how), Analysis())
    is_right(found["msd"]["O"])
    said = any("diffusion: not taken along cell vector c" in note for note in found["notes"])
    assert said != ("density_profile" in found)


def test_walls_across_x():
    x, names = slit(np.random.default_rng(4))
    found = analyze_run(run_with(x, names, 20.0, axes=(2, 0, 1)), Analysis())
    is_right(found["msd"]["O"], "yz")


def test_a_frame_with_a_ripple_changes_no_directions():
    """There is no density profile over it; the liquid is between walls all the same."""
    x, names = over_a_sheet(np.random.default_rng(5))
    x[500, :SHEET.positions.shape[0]] += 2.0 * np.sin(SHEET.positions[:, :1]) * [0, 0, 1]
    found = analyze_run(run_with(x, names, 20.0), Analysis())
    assert "density_profile" not in found
    is_right(found["msd"]["O"])


def test_bulk_keeps_its_directions():
    rng = np.random.default_rng(6)
    x = np.cumsum(np.sqrt(0.2 * D * INTERVAL_PS) * rng.standard_normal((FRAMES, 151, 3)), axis=0)
    x += rng.uniform(0, 20, (151, 3))
    found = analyze_run(run_with(x, ["O"] * 150 + ["C"], 20.0), Analysis())
    is_right(found["msd"]["O"], "xyz")
    assert "density_profile" not in found  # of a single atom there is no sheet
    reasons = [r["reason"] for r in found["refused"] if r["quantity"] == "density profile of O"]
    assert reasons == ["step 0: the 1 atoms of the sheet leave much of the plane of a and b empty: no sheet"]


def test_a_cluster_has_no_diffusion_coefficient():
    rng = np.random.default_rng(7)
    x = rng.normal(0, 3.0, (FRAMES, 60, 3))
    found = analyze_run(run_with(x, ["O"] * 60, 60.0, pbc=(0, 0, 0)), Analysis())
    assert found["msd"]["O"]["diffusion"] is None
    assert any("cluster" in r["reason"] for r in found["refused"])


def test_a_wire_and_walls_askew():
    """Matter that goes on along z alone, and a film whose normal is between y and z."""
    rng = np.random.default_rng(8)
    x, turn = rng.normal(0, 2.0, (FRAMES, 60, 3)), np.deg2rad(30)
    x[:, :, 2] = rng.uniform(0, 20, (FRAMES, 60))
    ones, times = np.ones(60), np.arange(FRAMES)
    wire = ArrayFrames(8 * np.ones(60, int), ones, np.array([False, False, True]), times, x, 20 * np.eye(3))
    assert find_confinement(wire, 0.0).dimensions == "z"
    cell = 20 * np.array([[1, 0, 0], [0, np.cos(turn), np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]])
    film = replace(wire, pbc=np.array([True, True, False]), cells=cell, positions=x[:, :, [1, 2, 0]] @ cell / 20)
    with pytest.raises(AnalysisError, match="askew to x, y and z: turn the cell"):
        find_confinement(film, 0.0)


def test_what_cannot_be_looked_at_is_refused():
    x = np.random.default_rng(8).uniform(0, 20, (FRAMES, 60, 3))
    x[4, 5, 1] = np.nan
    source = ArrayFrames(8 * np.ones(60, int), np.ones(60), np.ones(3, bool), np.arange(FRAMES), x, 20 * np.eye(3))
    with pytest.raises(AnalysisError, match="step 4: a position is not finite"):
        find_confinement(source, 0.0)
    with pytest.raises(AnalysisError, match="3 frames in production"):
        find_confinement(source, FRAMES - 3)


def sliding(rng, frames, relaxation_ps, mass_u, against_u):
    """[frames, 2] paths of two bodies whose velocities toward each other are thermal at 300 K.

    Their momenta cancel; friction lets the relative velocity forget itself.
    """
    reduced = mass_u * against_u / (mass_u + against_u)
    thermal = np.sqrt(300 * 0.8314463 / reduced)  # Angstrom/ps
    keep = np.exp(-INTERVAL_PS / relaxation_ps)
    v = np.zeros((frames, 1, 2))
    v[0] = thermal * rng.standard_normal(2)
    for i in range(1, frames):
        v[i] = keep * v[i - 1] + thermal * np.sqrt(1 - keep**2) * rng.standard_normal(2)
    path = np.concatenate([np.cumsum(v * INTERVAL_PS, axis=0), np.zeros((frames, 1, 1))], axis=2)
    return against_u / (mass_u + against_u) * path, -mass_u / (mass_u + against_u) * path


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("symbols", [("C", "C"), ("B", "N")])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_liquid_that_slides_over_its_wall(seed, symbols, held):
    """Its own motion adds nothing to the diffusion, whether the wall moves, is held or is another."""
    rng = np.random.default_rng(seed)
    walls, names = sheets((10.0,), symbols, 4 * FRAMES)
    molecules = liquid(rng, 150, 10.0 - FREE_ANG, 4 * FRAMES)
    wall_u = 1e9 if held else 12.0 * walls.shape[1]
    of_liquid, of_wall = sliding(rng, 4 * FRAMES, 30.0, 150 * 16.0, wall_u)
    if held:
        walls[:], of_wall = walls[0], 0.0
    x = np.concatenate([walls + of_wall, molecules + of_liquid], axis=1)
    run = run_with(x, names + ["O"] * 150, 20.0)
    found = analyze_run(run, Analysis())
    is_right(found["msd"]["O"])
    assert found["msd"]["O"]["collectivity"] < 3
    assert "relative to the centre of mass of 150 atoms" in found["msd"]["O"]["diffusion"]["method"]
    assert not any("move as one" in note for note in found["notes"])
    assert ("112 atoms are held in place" in found["notes"]) == held


def crystal(rng, cell, ions=30):
    """Oxygen at sites in one third of the cell along a, and Li that goes through all of it."""
    sites = np.array([(0.12 * a + 0.05, (b + 0.5) / 3, (c + 0.5) / 3)
                      for a in range(3) for b in range(3) for c in range(3)]) @ cell
    still = sites + 0.1 * rng.standard_normal((FRAMES, len(sites), 3))
    paths = np.cumsum(0.25 * rng.standard_normal((FRAMES, ions, 3)), axis=0)
    paths += rng.uniform(0, 1, (ions, 3)) @ cell
    return np.concatenate([still, paths], axis=1), ["O"] * len(sites) + ["Li"] * ions


@pytest.mark.parametrize("tilt", [0.0, -3.0])
def test_ions_cross_a_crystal_of_layers(tilt):
    """Its density varies along one cell vector alone; in a tilted cell, which is no reason to refuse it."""
    cell = np.array([[12.0, 0, 0], [0, 9, 0], [tilt, 0, 9]])
    x, names = crystal(np.random.default_rng(12), cell)
    numbers = np.array([atomic_numbers[name] for name in names])
    source = ArrayFrames(numbers, atomic_masses[numbers], np.ones(3, bool), INTERVAL_PS * np.arange(len(x)), x, cell)
    found = find_confinement(source, 0.0)
    assert (found.dimensions, found.wall.any()) == ("xyz", False)
    assert found.note == "taken also along cell vector a, though the density varies there"


def test_parts_that_slide_and_are_no_walls_are_noted():
    """Two liquids that do not mix: what they do as a whole is part of the coefficients."""
    rng = np.random.default_rng(9)
    below, above = (liquid(rng, 150, 6.0) for _ in range(2))
    first, second = sliding(rng, FRAMES, 5.0, 2400.0, 150 * 32.0)
    x = np.concatenate([below + first, above + second + [0, 0, 13.0]], axis=1)
    found = analyze_run(run_with(x, ["O"] * 150 + ["S"] * 150, 26.0), Analysis())
    assert found["msd"]["O"]["dimensions"] == "xy"
    assert found["msd"]["O"]["collectivity"] > 10
    assert found["msd"]["O"]["loglog_slope"] == pytest.approx(1.0, abs=0.3)
    assert any("diffusion of O" in note and "atoms move as one" in note for note in found["notes"])
