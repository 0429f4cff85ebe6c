"""Quantities with units, as people write them, to the units that mdbench computes in."""

from __future__ import annotations

import math
import re

from mdbench.errors import SettingError

UNITS: dict[str, dict[str, float]] = {
    "time": {"fs": 1.0, "ps": 1e3, "ns": 1e6, "us": 1e9},
    "length": {"A": 1.0, "Å": 1.0, "angstrom": 1.0, "nm": 10.0},
    "temperature": {"K": 1.0},
    "pressure": {
        "bar": 1.0,
        "atm": 1.01325,
        "Pa": 1e-5,
        "kPa": 1e-2,
        "MPa": 10.0,
        "GPa": 1e4,
    },
    "density": {"g/cm3": 1.0, "kg/m3": 1e-3},
    "viscosity": {"mPa s": 1.0, "Pa s": 1e3, "cP": 1.0},
    "inverse area": {"1/A2": 1.0, "1/nm2": 1e-2},
    "energy": {"kcal/mol": 1.0, "kJ/mol": 1 / 4.184, "eV": 23.060547830619, "K": 0.0019872067},
    "mass": {"u": 1.0, "g/mol": 1.0},
}
"""Factor of each unit to the first of its kind: fs, Angstrom, K, bar, g/cm3, mPa s, 1/A2, kcal/mol,
u. Energies in K are divided by Boltzmann's constant, as LAMMPS has it in units real."""

BOLTZMANN_EV_PER_K = 8.617333262e-5

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*\Z")
_EXAMPLES = {
    "time": "100 fs",
    "length": "6 A",
    "temperature": "298 K",
    "pressure": "1 bar",
    "density": "1.0 g/cm3",
    "viscosity": "0.85 mPa s",
    "inverse area": "0.09 1/A2",
    "energy": "0.2381 kcal/mol",
    "mass": "39.948 u",
}


def parse_quantity(value: object, kind: str) -> float:
    """A number with a unit, ``"100 fs"``, in the first unit of its kind.

    A bare number is refused, because users of other programs mean picoseconds by it as often as
    femtoseconds; only temperatures, which come in kelvin everywhere, may be bare.

    Args:
        value: What the user wrote.
        kind: A key of ``UNITS``.

    Raises:
        ValueError: for anything else, with what to write instead.
    """
    known = UNITS[kind]
    example = f"write for example {_EXAMPLES[kind]!r}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if kind != "temperature":
            raise ValueError(f"{value!r} has no unit: {example}")
        number, unit = float(value), "K"
    else:
        match = _QUANTITY.match(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"{value!r} is no {kind}: {example}")
        number, unit = float(match[1]), match[2] or ""
    if unit not in known:
        what = f"unit {unit!r} is not one of {', '.join(known)}" if unit else "has no unit"
        raise ValueError(f"{value!r}: {what}; {example}")
    if not math.isfinite(number * known[unit]):
        raise ValueError(f"{value!r} is not a finite {kind}")
    return number * known[unit]


def parse_option(text: str, kind: str, option: str) -> float:
    """A quantity given on the command line.

    Raises:
        SettingError: naming the option.
    """
    try:
        return parse_quantity(text, kind)
    except ValueError as problem:
        raise SettingError(f"{option}: {problem}") from None
