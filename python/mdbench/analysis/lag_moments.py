"""Moments of squared displacements at selected lags: what the errors of an MSD are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATIO = 1.25  # between neighbouring lags; closer ones tell hardly more
_BATCH_BYTES = 4_000_000  # of series at a time, so that differences stay in the cache
_MIN_PARTICLES = 8  # for a spread between particles


def lag_grid(frames: int) -> NDArray[np.int64]:
    """Lags from 1 to half the frames, 1.25-fold apart where integers allow it."""
    lags = [1]
    while lags[-1] < frames // 2:
        lags.append(max(lags[-1] + 1, round(_RATIO * lags[-1])))
    return np.array([n for n in lags if n <= frames // 2])


@dataclass(frozen=True)
class LagMoments:
    """Squared displacements q(particle, origin, lag), averaged one way and the other.

    Origins are every eighth of a lag apart, which loses a percent of the information.
    """

    lags: NDArray[np.int64]  # [lags], in frames
    frames: int
    per_particle: NDArray[np.float64]  # [lags, particles] mean of q over origins
    per_origin: list[NDArray[np.float64]]  # for each lag [origins] mean of q over particles
    square: NDArray[np.float64]  # [lags] mean of q^2 over particles and origins
    longest_step_ang: float  # of one particle in one frame

    @staticmethod
    def spacing(lag: int) -> int:
        """Frames between origins."""
        return max(1, int(lag) // 8)

    @classmethod
    def empty(cls, frames: int, particles: int) -> LagMoments:
        """Zeros, to which chunks of particles are added."""
        lags = lag_grid(frames)
        origins = [np.zeros(len(range(n, frames, cls.spacing(n)))) for n in lags]
        return cls(
            lags, frames, np.zeros((len(lags), particles)), origins, np.zeros(len(lags)), 0.0
        )

    def add(self, chosen: slice, series: NDArray[np.float64]) -> float:
        """Account for some particles, from their series [atoms, columns, frames].

        Returns:
            The longest step of one of them in one frame, Angstrom.
        """
        particles, longest = self.per_particle.shape[1], 0.0
        batch = max(1, _BATCH_BYTES // series[0].nbytes)
        for first in range(0, len(series), batch):
            part = series[first : first + batch]
            where = slice(chosen.start + first, chosen.start + first + len(part))
            for k, n in enumerate(self.lags):
                apart = self.spacing(n)
                step = part[:, :, n::apart] - part[:, :, :-n:apart]
                q = np.einsum("act,act->at", step, step)
                self.per_particle[k, where] = q.mean(1)
                self.per_origin[k][:] += q.sum(0) / particles
                self.square[k] += np.vdot(q, q) / (particles * q.shape[1])
                if k == 0:
                    longest = max(longest, float(np.sqrt(q.max())))
        return longest

    def collectivity(self) -> NDArray[np.float64]:
        """How many particles move as one: 1 + the sum of correlations with all others, [lags].

        The variance over time of the mean of q over particles, against what it would be for
        independent ones. Never below 1: squares of Gaussian variables correlate positively.
        """
        mean = np.array([q.var() for q in self.per_origin])
        one = self.square - (self.per_particle**2).mean(1)
        ratio = np.divide(mean * self.per_particle.shape[1], one, np.ones_like(mean), where=one > 0)
        return np.asarray(np.maximum(1.0, ratio), dtype=np.float64)

    def spread(self, weights: NDArray[np.float64], collectivity: float) -> float:
        """Variance of the mean over particles of ``weights @ q``, from their spread; 0 for few.

        The sample variance between particles misses their mean covariance, (g - 1)/(n - 1) of a
        particle's own variance, where g is the collectivity.
        """
        n = self.per_particle.shape[1]
        if n < _MIN_PARTICLES:
            return 0.0
        lost = min(0.5, (collectivity - 1.0) / (n - 1.0))
        between = float((weights @ self.per_particle).var(ddof=1))
        return float(between / (1.0 - lost) * collectivity / n)
