"""What fits give: numbers with intervals, as they stand in a result file."""

from __future__ import annotations

from typing import NamedTuple

from pydantic.dataclasses import dataclass

from mdbench.scaling.fields import CONFIG, Count, Line


class Series(NamedTuple):
    """A variant with its settings: what one curve over the sizes belongs to."""

    variant: str
    device: str
    precision: str
    threads: int
    ranks: int

    @property
    def settings(self) -> str:
        """All but the variant: ``cpu, single, 2 threads``."""
        parts = [self.device, self.precision]
        parts.append(f"{self.threads} thread{'s' if self.threads != 1 else ''}")
        if self.ranks != 1:
            parts.append(f"{self.ranks} ranks")
        return ", ".join(parts)

    def __str__(self) -> str:
        """The variant and its settings."""
        return f"{self.variant} ({self.settings})"


@dataclass(frozen=True, config=CONFIG)
class Interval:
    """A value with the interval that holds the truth with the confidence of the fits."""

    value: float
    low: float | None
    """None: without a lower bound."""
    high: float | None
    """None: without an upper bound."""


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class LocalSlope:
    """d ln t / d ln N between two neighbouring sizes."""

    atoms: tuple[Count, Count]
    slope: Interval


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class SeriesFit:
    """Both fits of one series; an absent fit has its reason in ``note``."""

    variant: Line
    device: Line
    precision: Line
    threads: Count
    ranks: Count
    sizes: tuple[Count, ...]
    latency_ms: Interval | None = None
    """a of t = a + b N."""
    us_per_atom: Interval | None = None
    """b of t = a + b N."""
    exponent: Interval | None = None
    """alpha of t = c N^alpha."""
    prefactor_ms: Interval | None = None
    """c of t = c N^alpha."""
    local_slopes: tuple[LocalSlope, ...] = ()
    line_residual: float | None = None
    """Largest relative distance of a measured size from a + b N."""
    power_residual: float | None = None
    """Largest relative distance of a measured size from c N^alpha."""
    note: Line = ""

    @property
    def series(self) -> Series:
        """What was fitted."""
        return Series(self.variant, self.device, self.precision, self.threads, self.ranks)


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class SpeedUp:
    """How much faster a variant is than the baseline of its settings, at one size."""

    variant: Line
    baseline: Line
    device: Line
    precision: Line
    threads: Count
    ranks: Count
    atoms: Count
    ratio: Interval
    """Time of the baseline over time of the variant."""

    @property
    def series(self) -> Series:
        """The faster or slower one."""
        return Series(self.variant, self.device, self.precision, self.threads, self.ranks)


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Crossover:
    """The size from which one variant is faster than another of the same settings."""

    small: Line
    """Variant that is faster below."""
    large: Line
    """Variant that is faster above."""
    device: Line
    precision: Line
    threads: Count
    ranks: Count
    atoms: Interval | None = None
    """None: one of them, ``large``, is faster at all sizes measured."""
    note: Line = ""

    @property
    def series(self) -> Series:
        """The one that is faster above."""
        return Series(self.large, self.device, self.precision, self.threads, self.ranks)


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Fits:
    """All fits of a result, and how they were made."""

    confidence: float
    resamples: Count
    method: Line
    series: tuple[SeriesFit, ...] = ()
    speed_ups: tuple[SpeedUp, ...] = ()
    crossovers: tuple[Crossover, ...] = ()
