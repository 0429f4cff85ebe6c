"""What is said of a run's trajectory beside its numbers: molecules that reacted."""

import numpy as np
import pytest
from test_analyze import InMemory, run_of

from mdbench.run_notes import notes_of
from mdbench.structure import water_box

BOX = water_box(20, 9.0)
OXYGEN, HYDROGEN = np.flatnonzero(BOX.numbers == 8), np.flatnonzero(BOX.numbers == 1)


def run_with(x, box=BOX):
    frames = len(x)
    return run_of(InMemory(box.numbers, box.get_masses(), np.ones(3, bool), np.arange(float(frames)), x, box.cell.array))


def vibrating(frames=40):
    rng = np.random.default_rng(1)
    return BOX.positions + 0.03 * rng.standard_normal((frames, len(BOX), 3))


def said(x, start_ps=0.0, box=BOX):
    return [note for note in notes_of(run_with(x, box), start_ps) if "reacted" in note]


def beside(x, oxygen, hydrogen, way=(0.0, 0.0, 1.0)):
    """A hydrogen at an oxygen, a bond's length away."""
    x[:, hydrogen] = x[:, oxygen] + np.array(way)


def test_molecules_that_stay_as_they_are():
    assert said(vibrating()) == []


def test_hydrogen_that_goes_to_another_molecule_and_stays():
    x = vibrating()
    beside(x[20:], OXYGEN[3], HYDROGEN[0])
    assert said(x) == ["molecules reacted, O by its hydrogens at 0 ps: 20 with 2; at 39 ps: 1 with 1, 18 with 2, 1 with 3"]
    assert said(x, start_ps=25.0) == []  # before production, which is as it begins


@pytest.mark.parametrize("stretch", [slice(10, 30), slice(36, 37), slice(39, 40)])
def test_hydrogen_that_returns(stretch):
    x = vibrating()
    beside(x[stretch], OXYGEN[3], HYDROGEN[0])
    assert said(x) == []


def test_hydrogen_that_is_handed_on():
    """One comes and another goes: as many molecules of each kind."""
    x = vibrating()
    beside(x[20:], OXYGEN[3], HYDROGEN[0])
    beside(x[20:], OXYGEN[0], HYDROGEN[6], (0.0, 0.0, -1.0))
    assert said(x) == []


def test_hydrogen_that_is_free():
    x = vibrating()
    x[20:, OXYGEN[5]] += 4.0 * np.array([0.0, 0.0, 100.0])  # far away from its own, in an open cell
    box = BOX.copy()
    box.cell[2, 2] = 5000.0
    (note,) = said(x, box=box)
    assert "at 39 ps: 1 with 0, 19 with 2" in note


def test_nothing_to_say():
    x = vibrating()
    x[39, 4] = np.nan
    assert said(x) == []
    assert said(vibrating()[:1]) == []
    assert said(vibrating(), start_ps=1e3) == []
