"""Two results against each other, row by row: what became slower, what vanished."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench.errors import SettingError
from mdbench.scaling.resample import Draws, interval

if TYPE_CHECKING:
    from mdbench.scaling.fitted import Interval, Series
    from mdbench.scaling.results import Measurement, Result

    Key = tuple[Series, int | None]

_MOST = 10.0
"""A tolerance above 1000 % is a mistake."""


@dataclass(frozen=True)
class Change:
    """A row that both files have times of."""

    series: Series
    atoms: int
    before_ms: float
    after_ms: float
    ratio: Interval
    """Time after over time before."""
    verdict: str
    """slower, faster, same, or unclear: the interval reaches beyond the tolerance."""
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """What came out."""

    tolerance: float
    changes: list[Change] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Rows that had a time before and have none now, with the reason."""
    new: list[str] = field(default_factory=list)
    """Rows that have a time now only."""
    remarks: list[str] = field(default_factory=list)

    @property
    def slower(self) -> list[Change]:
        """The regressions."""
        return [c for c in self.changes if c.verdict == "slower"]

    @property
    def failed(self) -> bool:
        """Whether anything became slower or was lost."""
        return bool(self.slower or self.lost)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [
            {
                **c.series._asdict(),
                **{k: v for k, v in asdict(c).items() if k not in ("series", "ratio")},
                "ratio": c.ratio.value,
                "low": c.ratio.low,
                "high": c.ratio.high,
            }
            for c in self.changes
        ]
        return {
            "failed": self.failed,
            "tolerance": self.tolerance,
            "rows": rows,
            "lost": self.lost,
            "new": self.new,
            "remarks": self.remarks,
        }


def parse_tolerance(text: str) -> float:
    """A tolerance such as ``10%`` or ``0.1``.

    Raises:
        SettingError: for anything else.
    """
    plain = text.strip()
    try:
        value = float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _MOST:
        raise SettingError(f"--tolerance {text}: not between 0 and 1000%; write 10% or 0.1")
    return value


def compare(
    before: Result, after: Result, tolerance: float, *, across_machines: bool = False
) -> Comparison:
    """Compare two results.

    Args:
        before: What counts as right.
        after: What is judged.
        tolerance: A row is slower when the whole interval of its ratio is above 1 + tolerance.
        across_machines: Compare times of different machines all the same.

    Raises:
        SettingError: in one line, where nothing can be compared.
    """
    _check_alike(before, after, across_machines=across_machines)
    old, new = _rows(before), _rows(after)
    draws = Draws(before.timed, "before"), Draws(after.timed, "after")
    changes, lost = [], []
    for key, row in old.items():
        beside = new.get(key)
        if row.status != "timed":
            continue
        if beside is not None and beside.status == "timed":
            changes.append(_change((row, beside), draws, tolerance))
        else:
            lost.append(_lost(key, after))
    if not changes and not lost:
        raise SettingError("nothing to compare: the first file has no timed row")
    if not changes and not any(row.status == "timed" for row in new.values()):
        raise SettingError("nothing to compare: the second file has no timed row")
    fresh = [_name(k) for k, row in new.items() if row.status == "timed" and not _timed(old, k)]
    return Comparison(tolerance, changes, lost, fresh, _remarks(before, after))


def _rows(result: Result) -> dict[Key, Measurement]:
    return {(m.series, m.atoms): m for m in result.measurements}


def _timed(rows: dict[Key, Measurement], key: Key) -> bool:
    return key in rows and rows[key].status == "timed"


def _name(key: Key) -> str:
    return f"{key[0]}, {key[1]} atoms"


def _check_alike(before: Result, after: Result, *, across_machines: bool) -> None:
    """Refuse what says nothing."""
    a, b = before.system, after.system
    if a.name != b.name:
        raise SettingError(f"nothing to compare: {a.name} and {b.name} are different systems")
    if a.model.identity != b.model.identity:
        raise SettingError(
            f"nothing to compare: different models, {_model(before)} and {_model(after)}"
        )
    if before.machine.hardware != after.machine.hardware and not across_machines:
        raise SettingError(
            f"different machines, {before.machine} and {after.machine}: "
            "--across-machines compares them all the same"
        )


def _model(result: Result) -> str:
    model = result.system.model
    return f"{model.file} ({model.identity[:60]})"


def _change(
    rows: tuple[Measurement, Measurement], draws: tuple[Draws, Draws], tolerance: float
) -> Change:
    """One row of both."""
    row, beside = rows
    with np.errstate(over="ignore"):
        drawn = np.exp(draws[1].log_medians(beside) - draws[0].log_medians(row))
    ratio = interval(beside.median_ms / row.median_ms, drawn)
    notes = [] if row.kernel == beside.kernel else [f"kernel {row.kernel} -> {beside.kernel}"]
    if ratio.low is None or ratio.high is None:
        notes.append("single runs: no interval")
    return Change(
        row.series,
        row.atoms or 0,
        row.median_ms,
        beside.median_ms,
        ratio,
        _verdict(ratio, tolerance),
        "; ".join(notes),
    )


def _verdict(ratio: Interval, tolerance: float) -> str:
    """A ratio without bounds is judged as it stands."""
    low = ratio.value if ratio.low is None else ratio.low
    high = ratio.value if ratio.high is None else ratio.high
    most = 1 + tolerance
    if low > most:
        return "slower"
    if high < 1 / most:
        return "faster"
    return "same" if low >= 1 / most and high <= most else "unclear"


def _lost(key: Key, after: Result) -> str:
    """What became of a row, also where the whole variant is one row now."""
    series, atoms = key
    for row in after.measurements:
        if row.series == series and row.atoms in (atoms, None) and row.status != "timed":
            return f"{_name(key)}: {row.status}: {row.reason}"
    for row in after.measurements:
        if row.variant == series.variant and row.atoms is None:
            return f"{_name(key)}: {row.status}: {row.reason}"
    return f"{_name(key)}: not in the second file"


def _remarks(before: Result, after: Result) -> list[str]:
    """Settings that differ and may be the cause of a change."""
    pairs: dict[str, tuple[object, object]] = {
        "base cell": (before.system.base_cell, after.system.base_cell),
        "ensemble": (before.protocol.ensemble, after.protocol.ensemble),
        "timestep": (before.protocol.timestep_fs, after.protocol.timestep_fs),
        "temperature": (before.protocol.temperature_k, after.protocol.temperature_k),
        "skin": (before.protocol.skin_ang, after.protocol.skin_ang),
        "environment": (before.protocol.environment, after.protocol.environment),
        "machine": (str(before.machine), str(after.machine)),
    }
    old, new = before.machine.versions, after.machine.versions
    pairs |= {
        f"version of {name}": (old.get(name, "none"), new.get(name, "none"))
        for name in {**old, **new}
    }
    return [f"{name} differs: {a}, then {b}" for name, (a, b) in pairs.items() if a != b]
