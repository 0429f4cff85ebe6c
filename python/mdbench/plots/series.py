"""What is drawn together: runs of one campaign at one temperature, averaged over their seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdbench.analysis.estimate import Estimate, mean_error, mean_of_runs
from mdbench.plots.rounding import usable

Json = dict[str, Any]
Floats = NDArray[np.float64]
SAME_TEMPERATURE_K = 0.5


@dataclass(frozen=True)
class Curve:
    """Points with one-sigma errors; the error is NaN where there is none."""

    x: Floats
    y: Floats
    error: Floats


@dataclass(frozen=True)
class Series:
    """One curve of every figure: one or several runs that differ by their seeds alone."""

    label: str  # in tables, unique
    short: str  # in legends
    colour: str
    campaign: int
    temperature_k: float | None
    runs: tuple[Json, ...]

    def sections(self, *path: str) -> list[Any]:
        """What the runs hold under these keys; runs without it are left out.

        Nothing of displacements in different directions: those are different quantities.
        """
        if path[:1] == ("msd",) and len(self.directions(*path[:2])) > 1:
            return []
        found = (lookup(run, *path) for run in self.runs)
        return [f for f in found if f is not None]

    def directions(self, *path: str) -> list[str]:
        """Directions, in words, that the runs take displacements in."""
        found = (lookup(run, *path) for run in self.runs)
        return list(dict.fromkeys(directions(section) for section in found if section is not None))

    def keys(self, *path: str) -> list[str]:
        """The keys of a section, over all runs, in order of appearance."""
        return list(
            dict.fromkeys(k for s in self.sections(*path) if isinstance(s, dict) for k in s)
        )

    def estimate(self, *path: str) -> Estimate | None:
        """A scalar, averaged over the runs."""
        read = (read_estimate(raw) for raw in self.sections(*path))
        found = [e for e in read if e is not None]
        return mean_of_runs(found) if found else None

    def curve(self, path: tuple[str, ...], x: str, y: str, error: str = "") -> Curve | None:
        """A curve, averaged over the runs on the grid of the first."""
        read = (read_curve(section, x, y, error) for section in self.sections(*path))
        return mean_curve([c for c in read if c is not None])


def lookup(data: object, *path: str) -> Any:  # noqa: ANN401 - JSON has any type
    """What nested dictionaries hold, or None."""
    for key in path:
        if not isinstance(data, dict):
            return None
        data = data.get(key)
    return data


def directions(section: object) -> str:
    """In which directions displacements are taken, in words; nothing of all three."""
    found = lookup(section, "dimensions")
    if not isinstance(found, str) or found not in {"x", "y", "z", "xy", "xz", "yz"}:
        return ""
    return f"along {found}" if len(found) == 1 else f"in-plane ({found})"


def number(raw: object) -> float | None:
    """A finite number, or None."""
    if isinstance(raw, (int, float)) and not isinstance(raw, bool) and usable(raw):
        return float(raw)
    return None


def array(raw: object) -> Floats | None:
    """A list of numbers, null being NaN; None when it is no such list."""
    if not isinstance(raw, (list, tuple, np.ndarray)):
        return None
    try:
        values = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return values if values.ndim == 1 else None


def read_estimate(raw: object) -> Estimate | None:
    """An estimate of ``analysis.json``; None when it holds no number."""
    value = number(lookup(raw, "value"))
    if value is None or not isinstance(raw, dict):
        return None
    error = number(raw.get("error"))
    return Estimate(
        value,
        float("nan") if error is None else error,
        str(raw.get("unit") or ""),
        str(raw.get("method") or ""),
        number(raw.get("n_eff")),
    )


def read_curve(section: object, x: str, y: str, error: str = "") -> Curve | None:
    """A curve of ``analysis.json``; None when a column is missing or of another length."""
    xs, ys = array(lookup(section, x)), array(lookup(section, y))
    if xs is None or ys is None or len(xs) != len(ys) or len(xs) == 0:
        return None
    found = array(lookup(section, error)) if error else None
    errors = found if found is not None and len(found) == len(xs) else np.full(len(xs), np.nan)
    keep = np.isfinite(xs)
    if not np.isfinite(ys[keep]).any():
        return None
    return Curve(xs[keep], ys[keep], errors[keep])


def mean_curve(curves: list[Curve]) -> Curve | None:
    """Mean over seeds, by the rule of :func:`mean_of_runs` at each point."""
    if len(curves) <= 1:
        return curves[0] if curves else None
    grid = curves[0].x
    ys = np.array([resample(c.x, c.y, grid) for c in curves])
    errors = np.array([resample(c.x, c.error, grid) for c in curves])
    return Curve(grid, ys.mean(axis=0), mean_error(ys, errors))


def resample(x: Floats, y: Floats, grid: Floats) -> Floats:
    """Linear interpolation; NaN outside the points."""
    if len(x) == len(grid) and np.array_equal(x, grid):
        return y
    return np.interp(grid, x, y, left=np.nan, right=np.nan)


def subtract(first: Curve, second: Curve) -> Curve | None:
    """Second minus first, on the coarser of their grids where they overlap, errors combined."""
    low = max(first.x.min(), second.x.min())
    high = min(first.x.max(), second.x.max())
    inside = [c.x[(c.x >= low - 1e-9) & (c.x <= high + 1e-9)] for c in (first, second)]
    grid = min(inside, key=len)
    if len(grid) < 2:  # noqa: PLR2004 - no curve
        return None
    difference = resample(second.x, second.y, grid) - resample(first.x, first.y, grid)
    error = np.hypot(resample(first.x, first.error, grid), resample(second.x, second.error, grid))
    return Curve(grid, difference, error)


def same_temperature(first: float | None, second: float | None) -> bool:
    """Whether two targets are one."""
    if first is None or second is None:
        return first is second
    return abs(first - second) <= SAME_TEMPERATURE_K


def temperature_text(kelvin: float | None) -> str:
    """``298 K``."""
    return "" if kelvin is None else f"{kelvin:.6g} K"


def equilibration_ps(run: Json) -> float:
    """What a run leaves out at its beginning."""
    return number(lookup(run, "thermo", "equilibration_ps")) or 0.0
