"""A number with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error (one sigma), and how the error was found."""

    value: float
    error: float
    unit: str
    method: str
    n_eff: float | None = None
    """Number of independent samples behind it."""


def mean_error(values: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error of a mean over the first axis, that of runs which differ in their seed.

    The larger of the standard error of the scatter and the propagated errors: the scatter of two
    or three runs is small by chance too often to be trusted alone.
    """
    count = len(values)
    scatter = np.std(values, axis=0, ddof=1) / np.sqrt(count)
    propagated = np.sqrt(np.sum(np.square(errors), axis=0)) / count
    return np.asarray(np.fmax(scatter, propagated), dtype=np.float64)


def mean_of_runs(estimates: Sequence[Estimate]) -> Estimate:
    """Mean over runs that differ in their seed; its error is ``mean_error``."""
    if len(estimates) == 1:
        return estimates[0]
    values = np.array([e.value for e in estimates])
    error = mean_error(values, np.array([e.error for e in estimates]))
    first = estimates[0]
    sizes = [e.n_eff for e in estimates if e.n_eff is not None]
    method = f"mean of {len(values)} runs, the larger of scatter and propagated error"
    return Estimate(
        float(values.mean()),
        float(error),
        first.unit,
        f"{method}; each: {first.method}" if first.method else method,
        sum(sizes) if len(sizes) == len(estimates) else None,
    )
