"""Published times, shown beside measured ones and never mixed with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mdbench.scaling.fits import fit_series
from mdbench.scaling.fitted import Series, SeriesFit
from mdbench.scaling.results import PAPER_STEPS, Measurement

_FILE = Path(__file__).with_name("published.json")


@dataclass(frozen=True)
class Published:
    """One published curve."""

    label: str
    source: str
    hardware: str
    remark: str
    atoms: tuple[int, ...]
    seconds_10k: tuple[float, ...]

    @property
    def name(self) -> str:
        """What it is called in legends and tables."""
        return f"published, {self.hardware}: {self.label}"

    @property
    def ms(self) -> tuple[float, ...]:
        """Of a step."""
        return tuple(1e3 * s / PAPER_STEPS for s in self.seconds_10k)

    @property
    def fit(self) -> SeriesFit:
        """The fits that ours get, of one timing a size: no noise is known."""
        series = Series(self.name, self.hardware, "unknown", 1, 1)
        rows = [
            Measurement(**series._asdict(), status="timed", atoms=n, steps=PAPER_STEPS, loop_s=(s,))
            for n, s in zip(self.atoms, self.seconds_10k, strict=True)
        ]
        return fit_series(series, rows)


@cache
def published(system: str) -> tuple[Published, ...]:
    """Published curves of a system; none for a system of another name."""
    return tuple(
        Published(
            label,
            table["source"],
            table["hardware"],
            table["remark"],
            tuple(table["atoms"]),
            tuple(times),
        )
        for table in json.loads(_FILE.read_text(encoding="utf-8"))
        if table["system"] == system
        for label, times in table["seconds_10k"].items()
    )
