"""A number with its error."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error (one sigma), and how the error was found."""

    value: float
    error: float
    unit: str
    method: str
    n_eff: float | None = None
    """Number of independent samples behind it."""


def mean_of_runs(estimates: Sequence[Estimate]) -> Estimate:
    """Mean over independent runs, such as seeds, of one quantity.

    The error is the larger of what the runs' own errors give and what their spread gives: each
    is blind to something that the other sees.
    """
    if len(estimates) == 1:
        return estimates[0]
    count, values = len(estimates), [e.value for e in estimates]
    own = math.sqrt(sum(e.error**2 for e in estimates)) / count
    spread = statistics.stdev(values) / math.sqrt(count)
    known = [e.n_eff for e in estimates if e.n_eff is not None]
    return Estimate(
        statistics.fmean(values),
        max(own, spread),
        estimates[0].unit,
        f"mean of {count} runs; {estimates[0].method}",
        sum(known) if len(known) == count else None,
    )
