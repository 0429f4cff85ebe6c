"""Names of series and numbers as they stand in tables and legends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdbench.scaling.fitted import Interval, Series
    from mdbench.scaling.results import Result

_FIELDS = ("device", "precision", "threads", "ranks")
_DIGITS = 3
_NONE = "–"  # noqa: RUF001 - what stands in a table for no number


def all_series(result: Result) -> list[Series]:
    """Every series, timed or not, in the order of the file."""
    return list(dict.fromkeys(m.series for m in result.measurements))


def common_settings(result: Result) -> dict[str, object]:
    """Settings that all timed series share; of all series where none was timed."""
    found = {m.series for m in result.timed} or set(all_series(result))
    values = {name: {getattr(series, name) for series in found} for name in _FIELDS}
    return {name: next(iter(v)) for name, v in values.items() if len(v) == 1}


def labels(result: Result) -> dict[Series, str]:
    """A short name of each series: its variant and what is not common to all."""
    common = common_settings(result)
    return {
        series: ", ".join(
            [
                series.variant,
                *(
                    _setting(name, getattr(series, name))
                    for name in _FIELDS
                    if common.get(name) != getattr(series, name)
                ),
            ]
        )
        for series in all_series(result)
    }


def common_text(result: Result) -> str:
    """The settings that names leave out: ``cpu, single, 1 thread, 1 rank``."""
    return ", ".join(_setting(name, value) for name, value in common_settings(result).items())


def _setting(name: str, value: object) -> str:
    """One setting in words."""
    if name in ("threads", "ranks"):
        return f"{value} {name if value != 1 else name.removesuffix('s')}"
    return str(value)


def number(value: float | None) -> str:
    """Three digits, more before the point; a dash for no number."""
    if value is None or not math.isfinite(value):
        return _NONE
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -_DIGITS or size > 2 * _DIGITS:
        return f"{value:.2e}"
    digits = max(_DIGITS - 1 - size, 0)
    return f"{value:.{digits}f}"


def with_bounds(interval: Interval | None) -> str:
    """``16.6 [16.2, 17.0]``; a dash for an absent bound."""
    if interval is None:
        return _NONE
    if interval.low is None and interval.high is None:
        return number(interval.value)
    return f"{number(interval.value)} [{number(interval.low)}, {number(interval.high)}]"


def with_percent(interval: Interval) -> str:
    """``16.6 ±2.5%``, where the space is small."""
    if interval.low is None or interval.high is None or not interval.value:
        return number(interval.value)
    half = 50 * (interval.high - interval.low) / interval.value
    return f"{number(interval.value)} ±{half:.2g}%" if half < 100 else with_bounds(interval)  # noqa: PLR2004
