"""Trajectories of known statistics for the tests of estimators in time."""

import numpy as np

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
    x = np.empty((frames, atoms, 3))
    x[0] = rng.standard_normal((atoms, 3))
    for t in range(1, frames):
        x[t] = keep * x[t - 1] + np.sqrt(1 - keep**2) * rng.standard_normal((atoms, 3))
    return x
