"""Numbers as they are printed: the error to two significant digits, the value to the same digit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MISSING = "–"  # noqa: RUF001 - what stands in a table for no number
_PLAIN = (1e-3, 1e6)  # outside of these a power of ten is taken out
_ROUND_OFF = 1e-13
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNITS = {
    "A": "Å",
    "Angstrom": "Å",
    "angstrom": "Å",
    "ang": "Å",
    "Ang": "Å",
    "1": "",
    "dimensionless": "",
}


@dataclass(frozen=True)
class Rounded:
    """A value and its error as text; ``error`` is empty where there is none."""

    value: str
    error: str
    exponent: int = 0

    @property
    def power(self) -> str:
        """The power of ten that both are multiplied by, or nothing."""
        return f"×10{superscript(self.exponent)}" if self.exponent else ""  # noqa: RUF001

    def __str__(self) -> str:
        """``2.7390 ± 0.0041``."""
        text = f"{self.value} ± {self.error}" if self.error else self.value
        if not self.exponent:
            return text
        return f"({text}){self.power}" if self.error else f"{text}{self.power}"

    @property
    def compact(self) -> str:
        """``2.7390(41)``, where the space is small."""
        if not self.error:
            return f"{self.value}{self.power}"
        small = "." in self.error and self.error.startswith("0.")
        digits = self.error.replace(".", "").lstrip("0") if small else self.error
        return f"{self.value}({digits}){self.power}"


def superscript(exponent: int) -> str:
    """An exponent in small raised digits."""
    return str(exponent).translate(_SUPERSCRIPT)


def usable(number: float | None) -> bool:
    """Whether there is a finite number."""
    return number is not None and math.isfinite(number)


def rounded(value: float | None, error: float | None = None) -> Rounded:
    """Round a value by its error.

    Args:
        value: The number; none or not finite gives a dash.
        error: Its standard error; none, not finite, zero or round-off of the value gives the value
            alone, to four digits.
    """
    if value is None or not math.isfinite(value):
        return Rounded(MISSING, "")
    known = error is not None and math.isfinite(error) and error > _ROUND_OFF * abs(value)
    sigma = float(error) if known and error is not None else 0.0
    largest = max(abs(value), sigma)
    exponent = 0
    if largest > 0 and not _PLAIN[0] <= largest < _PLAIN[1]:
        exponent = math.floor(math.log10(largest))
        scale = 10.0**-exponent
        value, sigma = value * scale, sigma * scale
    if sigma <= 0:
        return Rounded(_minus(_significant(value)), "", exponent)
    decimals = 1 - int(f"{sigma:.1e}".split("e")[1])
    shown = max(decimals, 0)
    return Rounded(
        _minus(f"{round(value, decimals):.{shown}f}"),
        f"{round(sigma, decimals):.{shown}f}",
        exponent,
    )


def _significant(value: float) -> str:
    """Four digits, more where they stand before the point."""
    if value == 0:
        return "0"
    decimals = max(3 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _minus(text: str) -> str:
    """A true minus sign, and none before zero."""
    if not text.startswith("-"):
        return text
    return f"−{text[1:]}" if text.strip("-0.") else text[1:]  # noqa: RUF001


def pretty_unit(unit: str) -> str:
    """A unit as it is printed: ``1e-9 m2/s`` becomes 10⁻⁹ m²/s."""
    if unit in _UNITS:
        return _UNITS[unit]
    unit = re.sub(r"^1e([+-]?\d+)", lambda m: f"10{superscript(int(m[1]))}", unit)
    unit = re.sub(r"(?<=[A-Za-z])\^?(-?\d+)", lambda m: superscript(int(m[1])), unit)
    return re.sub(r"\b(A|Angstrom)(?![A-Za-z])", "Å", unit)


def with_unit(value: float | None, error: float | None, unit: str) -> str:
    """A value, its error and its unit in one line."""
    number, shown = rounded(value, error), pretty_unit(unit)
    if not shown:
        return str(number)
    return f"({number}) {shown}" if number.error and not number.exponent else f"{number} {shown}"
