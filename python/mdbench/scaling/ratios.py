"""One variant against another of the same settings: speed-up at each size, crossover size."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mdbench.scaling.fitted import Crossover, Series, SpeedUp
from mdbench.scaling.resample import Draws, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.scaling.results import Measurement

    Floats = NDArray[np.float64]
    Rows = dict[Series, list[Measurement]]

BASELINES = ("e3nn", "torchscript", "compile", "symmetrix-xl", "cueq", "native")
"""Speed-ups are against the first of these that was timed with the same settings."""

_TWO_SIZES = 2


def speed_ups(rows: Rows, draws: Draws) -> tuple[SpeedUp, ...]:
    """Of each variant against the baseline of its settings, at every size both were timed at."""
    found = []
    for group in _groups(rows):
        baseline = min(group, key=_rank)
        reference = {row.atoms: row for row in rows[baseline]}
        for series in group:
            if series == baseline:
                continue
            for row in rows[series]:
                beside = reference.get(row.atoms)
                if beside is None:
                    continue
                with np.errstate(over="ignore"):
                    drawn = np.exp(draws.log_medians(beside) - draws.log_medians(row))
                found.append(
                    SpeedUp(
                        **series._asdict(),
                        baseline=baseline.variant,
                        atoms=row.atoms or 0,
                        ratio=interval(beside.median_ms / row.median_ms, drawn),
                    )
                )
    return tuple(found)


def crossovers(rows: Rows, draws: Draws) -> tuple[Crossover, ...]:
    """Of each pair of variants with the same settings that share two sizes at least."""
    found = []
    for group in _groups(rows):
        for first, second in combinations(group, 2):
            a, b = ({row.atoms: row for row in rows[s]} for s in (first, second))
            sizes = sorted(n for n in a.keys() & b.keys() if n is not None)
            if len(sizes) >= _TWO_SIZES:
                pairs = [(a[n], b[n]) for n in sizes]
                found.append(_crossover((first, second), sizes, pairs, draws))
    return tuple(found)


def _crossover(
    between: tuple[Series, Series],
    sizes: list[int],
    pairs: list[tuple[Measurement, Measurement]],
    draws: Draws,
) -> Crossover:
    """Where the ratio of the times passes one, straight in ln t over ln N between two sizes."""
    first, second = between
    measured = np.array([[np.log(a.median_ms / b.median_ms) for a, b in pairs]])
    drawn = np.stack([draws.log_medians(a) - draws.log_medians(b) for a, b in pairs], axis=1)
    if measured[0, -1] < 0:
        first, second, measured, drawn = second, first, -measured, -drawn
    found = Crossover(
        small=first.variant,
        large=second.variant,
        device=first.device,
        precision=first.precision,
        threads=first.threads,
        ranks=first.ranks,
    )
    x = np.log(sizes)
    root = float(_root(x, measured)[0])
    if not np.isfinite(root):
        return replace(found, note=f"at all {len(sizes)} sizes faster")
    changes = np.count_nonzero(np.diff(measured[0] < 0))
    note = f"they cross {changes} times; this is the last" if changes > 1 else ""
    with np.errstate(over="ignore"):
        size = interval(float(np.exp(root)), np.exp(_root(x, drawn)))
    # beyond the sizes measured there is no bound
    low = size.low or None
    return replace(found, atoms=replace(size, low=low), note=note)


def _root(x: Floats, rising: Floats) -> Floats:
    """The last zero passed upwards in each row; infinities where a row has one sign throughout.

    Args:
        x: [sizes].
        rising: [rows, sizes], below zero where the first variant is faster.
    """
    up = (rising[:, :-1] < 0) & (rising[:, 1:] >= 0)
    last = up.shape[1] - 1 - np.argmax(up[:, ::-1], axis=1)
    row = np.arange(len(rising))
    low, high = rising[row, last], rising[row, last + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        root = x[last] - low * (x[last + 1] - x[last]) / (high - low)
    beyond = np.where(rising[:, -1] < 0, np.inf, -np.inf)
    return np.asarray(np.where(up.any(axis=1), root, beyond))


def _groups(rows: Rows) -> list[list[Series]]:
    """Series that differ in their variant only; alone ones left out."""
    groups: dict[tuple[object, ...], list[Series]] = {}
    for series in rows:
        groups.setdefault(tuple(series)[1:], []).append(series)
    return [group for group in groups.values() if len(group) > 1]


def _rank(series: Series) -> int:
    """Place among the baselines."""
    return BASELINES.index(series.variant) if series.variant in BASELINES else len(BASELINES)
