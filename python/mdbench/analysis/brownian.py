"""Statistics of the MSD of Brownian motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def msd_covariance(lags: NDArray[np.int64], frames: int) -> NDArray[np.float64]:
    """Covariance [lags, lags] of one Brownian walker's MSD over all origins, in one dimension.

    Steps have unit variance. For Gaussian displacements over (s, s + n) and (t, t + m) the
    covariance of their squares is twice the squared overlap of these intervals; summed over all
    pairs of origins. (Bullerjahn, von Bulow & Hummer, J. Chem. Phys. 153, 024116 (2020), fit with
    this covariance, extended by a localisation error.)
    """
    covariance = np.empty((len(lags), len(lags)))
    for i, n in enumerate(lags):
        for j, m in enumerate(lags[i:], start=i):
            shift = np.arange(1 - m, n)  # from an origin of lag n to one of lag m; n <= m
            overlap = np.minimum(n, shift + m) - np.maximum(0, shift)
            pairs = np.minimum(frames - n, frames - m - shift) - np.maximum(0, -shift)
            total = 2.0 * float(np.sum(np.maximum(pairs, 0) * overlap.astype(float) ** 2))
            covariance[i, j] = covariance[j, i] = total / ((frames - n) * (frames - m))
    return covariance


def line_weights(x: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights w of generalised least squares for y = a + b x, so that b = w @ y."""
    design = np.c_[np.ones(len(x)), x]
    solved = np.linalg.solve(covariance, design)  # C^-1 X
    return np.asarray(np.linalg.solve(design.T @ solved, solved.T)[1], dtype=np.float64)
