"""Elements from masses, as RBMD finds them.

RBMD's data files name no elements. Its MACE branch compares the mass of an atom type with a table
of rounded standard masses and takes the element of the model within 0.05 u. Without a match, or
with two, it warns at most and computes something else; here both are errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE_U = 0.05
"""A mass is an element's when it is closer to the table's than this, in single precision."""

# IUPAC abridged standard atomic weights, rounded to five figures; the mass number of an isotope for
# elements without stable ones. Those of ASE agree with them but for Tc, Pm and the elements from Pu
# on, whose isotopes ASE weighs exactly or chooses otherwise.
_TABLE = """
H 1.008 He 4.0026 Li 6.94 Be 9.0122 B 10.81 C 12.011 N 14.007 O 15.999 F 18.998 Ne 20.180
Na 22.990 Mg 24.305 Al 26.982 Si 28.085 P 30.974 S 32.06 Cl 35.45 Ar 39.948 K 39.098 Ca 40.078
Sc 44.956 Ti 47.867 V 50.942 Cr 51.996 Mn 54.938 Fe 55.845 Co 58.933 Ni 58.693 Cu 63.546 Zn 65.38
Ga 69.723 Ge 72.630 As 74.922 Se 78.971 Br 79.904 Kr 83.798 Rb 85.468 Sr 87.62 Y 88.906 Zr 91.224
Nb 92.906 Mo 95.95 Tc 98 Ru 101.07 Rh 102.91 Pd 106.42 Ag 107.87 Cd 112.41 In 114.82 Sn 118.71
Sb 121.76 Te 127.60 I 126.90 Xe 131.29 Cs 132.91 Ba 137.33 La 138.91 Ce 140.12 Pr 140.91 Nd 144.24
Pm 145 Sm 150.36 Eu 151.96 Gd 157.25 Tb 158.93 Dy 162.50 Ho 164.93 Er 167.26 Tm 168.93 Yb 173.05
Lu 174.97 Hf 178.49 Ta 180.95 W 183.84 Re 186.21 Os 190.23 Ir 192.22 Pt 195.08 Au 196.97 Hg 200.59
Tl 204.38 Pb 207.2 Bi 208.98 Po 209 At 210 Rn 222 Fr 223 Ra 226 Ac 227 Th 232.04 Pa 231.04 U 238.03
Np 237 Pu 244 Am 243 Cm 247 Bk 247 Cf 251 Es 252 Fm 257 Md 258 No 259 Lr 266 Rf 267 Db 268 Sg 269
Bh 270 Hs 277 Mt 278 Ds 281 Rg 282 Cn 285 Nh 286 Fl 289 Mc 290 Lv 293 Ts 294 Og 294
"""
_WORDS = _TABLE.split()
MASSES_U = {symbol: float(mass) for symbol, mass in zip(_WORDS[::2], _WORDS[1::2], strict=True)}
"""RBMD's mass (u) of each element, in the order of atomic numbers."""


@dataclass(frozen=True)
class TypeElement:
    """An atom type and the element that RBMD takes it for."""

    type: int  # counted from 1
    element: str
    mass_u: float
    margin_u: float  # by which the mass may change before RBMD finds another answer


def elements_of_types(
    masses_u: Sequence[float], expected: Sequence[str], model_elements: Sequence[str]
) -> tuple[TypeElement, ...]:
    """The model's element of each atom type, by RBMD's rule.

    Args:
        masses_u: Mass of each type.
        expected: Symbol of the element that each type stands for.
        model_elements: Symbols of the elements that the model knows.

    Raises:
        StructureError: naming type, mass and element, when RBMD would not find just that element.
    """
    return tuple(
        _element(number, mass_u, element, model_elements)
        for number, (mass_u, element) in enumerate(zip(masses_u, expected, strict=True), start=1)
    )


def problems_of_types(
    masses_u: Sequence[float], expected: Sequence[str], model_elements: Sequence[str]
) -> list[str]:
    """What ``elements_of_types`` would say of each type, all of them."""
    found = []
    for number, (mass_u, element) in enumerate(zip(masses_u, expected, strict=True), start=1):
        try:
            _element(number, mass_u, element, model_elements)
        except StructureError as problem:
            found.append(str(problem))
    return found


def matches(mass_u: float, model_elements: Sequence[str]) -> list[str]:
    """All elements of the model that RBMD finds for a mass."""
    return [e for e in model_elements if _distance(mass_u, e) < np.float32(TOLERANCE_U)]


def _distance(mass_u: float, element: str) -> np.float32:
    """How far a mass is from the table's, in RBMD's arithmetic."""
    with np.errstate(over="ignore"):  # of masses beyond single precision
        difference = np.float32(mass_u) - np.float32(MASSES_U[element])
    return np.float32(abs(difference))


def _element(
    number: int, mass_u: float, element: str, model_elements: Sequence[str]
) -> TypeElement:
    what = f"atom type {number} ({element}, {mass_u:.7g} u)"
    if element not in model_elements:
        known = ", ".join(model_elements)
        raise StructureError(f"{what}: the model has no {element}, it knows {known}")
    found = matches(mass_u, model_elements)
    if len(found) > 1:
        raise StructureError(
            f"{what}: RBMD cannot tell {' from '.join(found)} by mass, they are within "
            f"{2 * TOLERANCE_U:g} u of one another: use a model with one of them"
        )
    if found != [element]:
        taken = f"takes this mass for {found[0]}" if found else "knows no element of this mass"
        raise StructureError(
            f"{what}: RBMD {taken}; give {element} its {MASSES_U[element]:g} u, or a value within "
            f"{TOLERANCE_U:g} u of that"
        )
    others = (float(_distance(mass_u, e)) for e in model_elements if e != element)
    nearest = min(others, default=np.inf) - TOLERANCE_U
    own = TOLERANCE_U - float(_distance(mass_u, element))
    return TypeElement(number, element, mass_u, min(own, nearest))
