"""Do two results agree, and if they do not, by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.plots.rounding import rounded, with_unit
from mdbench.plots.series import Curve, subtract

if TYPE_CHECKING:
    from mdbench.analysis.estimate import Estimate

AGREE_SIGMAS = 2.0
MOST_SENTENCES = 4
AGREE_CHI_SQUARE = 2.0
"""Largest reduced chi-square of curves that agree.

Neighbouring bins are correlated and errors from about ten blocks are uncertain themselves (their
squared deviations average 9/7), so one is not the bound: with some 20 independent bins two is
three standard deviations above it.
"""


@dataclass(frozen=True)
class Agreement:
    """One comparison; ``second`` minus ``first``."""

    quantity: str
    where: str  # temperature, where there are several
    first: str
    second: str
    unit: str
    difference: float  # of curves: the largest in sigmas, or the largest where there are no errors
    error: float  # NaN where there is none
    sigmas: float | None
    verdict: str
    agrees: bool | None  # None: no errors, no verdict
    values: tuple[Estimate, Estimate] | None = None  # of scalars
    chi_square: float | None = None  # of curves, reduced
    points: int = 0
    place: str = ""  # abscissa of the difference


@dataclass(frozen=True)
class Compared:
    """What a comparison is about."""

    quantity: str
    first: str
    second: str
    where: str = ""
    unit: str = ""


def compare_scalars(about: Compared, first: Estimate, second: Estimate) -> Agreement:
    """Difference in units of the combined standard error."""
    difference = second.value - first.value
    error = float(np.hypot(first.error, second.error))
    text = with_unit(difference, error, about.unit)
    if not np.isfinite(error) or error <= 0:
        sigmas, agrees = None, None
        verdict = f"differ by {text}, no errors to judge by"
        if difference == 0:
            verdict = "equal, no errors to judge by"
    else:
        sigmas = abs(difference) / error
        agrees = sigmas <= AGREE_SIGMAS
        verdict = f"agree within {AGREE_SIGMAS:g} sigma" if agrees else f"differ by {text}"
    return Agreement(
        **about.__dict__,
        difference=difference,
        error=error,
        sigmas=sigmas,
        verdict=verdict,
        agrees=agrees,
        values=(first, second),
    )


def compare_curves(
    about: Compared, first: Curve, second: Curve, abscissa: tuple[str, str]
) -> Agreement | None:
    """Reduced chi-square over the common grid and the largest deviation.

    Args:
        about: What is compared.
        first: One curve.
        second: The other.
        abscissa: Name and unit of x, for the verdict.

    Returns:
        None when the curves do not overlap.
    """
    found = subtract(first, second)
    if found is None or not np.isfinite(found.y).any():
        return None
    name, unit = abscissa
    known = np.isfinite(found.y) & np.isfinite(found.error) & (found.error > 0)
    if not known.any():
        worst = int(np.nanargmax(np.abs(found.y)))
        chi_square, sigmas, agrees = None, None, None
    else:
        ratio = np.where(known, np.abs(found.y) / np.where(known, found.error, 1.0), -1.0)
        worst = int(np.argmax(ratio))
        chi_square, sigmas = float(np.mean(ratio[known] ** 2)), float(ratio[worst])
        agrees = chi_square <= AGREE_CHI_SQUARE
    difference, error = float(found.y[worst]), float(found.error[worst])
    place = f"{name} = {rounded(float(found.x[worst]))} {unit}"
    largest = f"{with_unit(difference, error, about.unit)} at {place}"
    if agrees is None:
        verdict = f"largest difference {largest}, no errors to judge by"
    elif agrees:
        verdict = f"agree: reduced chi-square {chi_square:.2f}"
    else:
        verdict = f"differ: reduced chi-square {chi_square:.3g}, most clearly by {largest}"
    return Agreement(
        **about.__dict__,
        difference=difference,
        error=error,
        sigmas=sigmas,
        verdict=verdict,
        agrees=agrees,
        chi_square=chi_square,
        points=int(known.sum()),
        place=place,
    )


def without_errors(curve: Curve, other: Curve) -> Curve:
    """A reference that states no errors, as if it had none, where the other curve has some."""
    if np.isfinite(curve.error).any() or not np.isfinite(other.error).any():
        return curve
    return Curve(curve.x, curve.y, np.zeros(len(curve.x)))


def conclusion(found: list[Agreement]) -> str:
    """All comparisons in a sentence."""
    judged = [a for a in found if a.agrees is not None]
    if not judged:
        return "Nothing could be compared: there are no common quantities with errors."
    agree = sum(a.agrees is True for a in judged)
    scalars = sum(a.sigmas is not None and a.chi_square is None for a in judged)
    text = f"{agree} of {len(judged)} compared quantities agree."
    if scalars:
        chance = _chance(scalars)
        text += (
            f" Of the {scalars} single numbers, about {chance} would be expected to lie beyond "
            f"{AGREE_SIGMAS:g} sigma by chance alone."
        )
    return text


def clearest(found: list[Agreement]) -> list[str]:
    """The numbers and curves that disagree most clearly, a sentence each."""
    differ = sorted((a for a in found if a.agrees is False), key=lambda a: -(a.sigmas or 0.0))
    return [
        f"{', '.join(text for text in (a.quantity, a.where) if text)}: {a.second} differs from "
        f"{a.first} by {with_unit(a.difference, a.error, a.unit)}"
        f"{f' at {a.place}' if a.place else ''}, {a.sigmas:.1f} sigma."
        for a in differ[:MOST_SENTENCES]
    ]


def _chance(count: int) -> str:
    """How many of so many normal deviates lie beyond two sigma, in words for a sentence."""
    expected = 0.0455 * count
    return f"{expected:.1f}" if expected < 10 else f"{expected:.0f}"  # noqa: PLR2004
