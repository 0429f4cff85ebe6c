"""A number with its error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error (one sigma), and how the error was found."""

    value: float
    error: float
    unit: str
    method: str
    n_eff: float | None = None
    """Number of independent samples behind it."""
