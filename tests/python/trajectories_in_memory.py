"""Trajectories of known statistics for the tests of estimators in time."""

import numpy as np
from scipy.signal import lfilter

from mdbench.frames import ArrayFrames


def frames_of(positions, *, interval_ps=1.0, numbers=8, masses=16.0, edge=1e4, pbc=(1, 1, 1)):
    """Positions [frames, atoms, 3] as a source."""
    count, atoms = positions.shape[:2]
    return ArrayFrames(
        np.broadcast_to(np.asarray(numbers), atoms).astype(np.int64),
        np.broadcast_to(np.asarray(masses), atoms).astype(float), np.array(pbc, bool),
        interval_ps * np.arange(count), positions, np.eye(3) * edge)


def random_walk(rng, frames, atoms, group=1):
    """Steps of unit variance in each direction (D = 1/2); groups of atoms move as one."""
    steps = rng.standard_normal((frames, atoms // group, 3))
    return np.cumsum(np.repeat(steps, group, axis=1), axis=0)


def relaxing(rng, frames, atoms, per_frame):
    """Gaussian processes of unit variance with correlation exp(-t per_frame)."""
    keep = np.exp(-per_frame)
    kicks = np.sqrt(1 - keep**2) * rng.standard_normal((frames, atoms, 3))
    kicks[0] /= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], kicks, axis=0)
