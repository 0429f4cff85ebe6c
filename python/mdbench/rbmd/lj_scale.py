"""Reduced Lennard-Jones units to LAMMPS's real ones.

Constants are those of LAMMPS's ``units real``, so that a system has the same energies in both, but
for the factor epsilon, to the last digits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mdbench.errors import SettingError
from mdbench.units import UNITS, parse_option

if TYPE_CHECKING:
    from mdbench.molecules.system import MolecularSystem, Terms
    from mdbench.rbmd.control import Control

BOLTZMANN_KCAL_MOL_K = UNITS["energy"]["K"]
KINETIC_KCAL_MOL = 48.88821291**2
"""Of 1 u and 1 Angstrom/fs, twice the kinetic energy."""
ATM_PER_KCAL_MOL_ANG3 = 68568.415
COULOMB_KCAL_MOL_ANG = 332.06371
"""Energy of two charges of 1 e at 1 Angstrom."""

_OPTION = "--lj-scale"
_NUM_OPLS = 4


@dataclass(frozen=True)
class LjScale:
    """What the units of energy, length and mass are."""

    epsilon_kcal_mol: float
    sigma_ang: float
    mass_u: float

    @property
    def time_fs(self) -> float:
        """Unit of time: sigma (m / epsilon)^1/2."""
        square = self.mass_u * KINETIC_KCAL_MOL / self.epsilon_kcal_mol
        return float(self.sigma_ang * square**0.5)

    @property
    def temperature_k(self) -> float:
        """Unit of temperature: epsilon / k."""
        return self.epsilon_kcal_mol / BOLTZMANN_KCAL_MOL_K

    @property
    def pressure_atm(self) -> float:
        """Unit of pressure: epsilon / sigma^3."""
        return self.epsilon_kcal_mol / self.sigma_ang**3 * ATM_PER_KCAL_MOL_ANG3

    @property
    def charge_e(self) -> float:
        """Unit of charge: (4 pi epsilon_0 sigma epsilon)^1/2."""
        return float((self.epsilon_kcal_mol * self.sigma_ang / COULOMB_KCAL_MOL_ANG) ** 0.5)


NAMED = {"ar": LjScale(119.8 * BOLTZMANN_KCAL_MOL_K, 3.405, 39.948)}
"""Argon: A. Rahman, Phys. Rev. 136, A405 (1964)."""


def parse_scale(text: str) -> LjScale:
    """``--lj-scale``: a name, or energy, length and mass with their units.

    Raises:
        SettingError: for anything else, with what to write.
    """
    if scale := NAMED.get(text.strip().lower()):
        return scale
    words = text.split(",")
    if len(words) != 3:  # noqa: PLR2004 - energy, length, mass
        raise SettingError(
            f"{_OPTION} {text[:60]!a}: write 'Ar', or energy, length and mass: "
            "'0.2381 kcal/mol,3.405 A,39.948 u'"
        )
    kinds = ("energy", "length", "mass")
    values = [parse_option(word, kind, _OPTION) for word, kind in zip(words, kinds, strict=True)]
    scale = LjScale(*values)
    for kind, value in zip(kinds, values, strict=True):
        if not value > 0:
            raise SettingError(f"{_OPTION}: the {kind} {value:g} is not more than 0")
    return scale


def real_control(control: Control, scale: LjScale) -> Control:
    """The same settings in unit REAL."""
    hyper, execution, outputs = control.hyper_parameters, control.execution, control.outputs
    time, length = scale.time_fs, scale.sigma_ang
    neighbor, coulomb = hyper.neighbor, hyper.coulomb
    neighbor = neighbor.model_copy(
        update={k: _times(getattr(neighbor, k), length) for k in ("cut_off", "r_core", "skin")}
    )
    if coulomb is not None:
        coulomb = coulomb.model_copy(update={"alpha": _times(coulomb.alpha, length**-2)})
    update: dict[str, object] = {"timestep": execution.timestep * time}
    if execution.temperature is not None:
        first, last, damp = execution.temperature
        unit = scale.temperature_k
        update["temperature"] = (first * unit, last * unit, damp * time)
    if execution.pressure is not None:
        first, last, damp, *modulus = execution.pressure
        unit = scale.pressure_atm
        update["pressure"] = (first * unit, last * unit, damp * time, *(m * unit for m in modulus))
    rdf = outputs.rdf_out
    if rdf is not None:
        rdf = rdf.model_copy(update={"radius": rdf.radius * length, "dr": rdf.dr * length})
    data = control.init_configuration.read_data.model_copy(update={"unit": "REAL"})
    return control.model_copy(
        update={
            "init_configuration": control.init_configuration.model_copy(update={"read_data": data}),
            "hyper_parameters": hyper.model_copy(update={"neighbor": neighbor, "coulomb": coulomb}),
            "execution": execution.model_copy(update=update),
            "outputs": outputs.model_copy(update={"rdf_out": rdf}),
        }
    )


def real_system(system: MolecularSystem, scale: LjScale) -> MolecularSystem:
    """The same system in units real.

    Args:
        system: With numbers in reduced units, whatever its ``units`` say.
        scale: The units.
    """
    energy, length = scale.epsilon_kcal_mol, scale.sigma_ang
    speed = length / scale.time_fs
    return replace(
        system,
        units="real",
        low=system.low * length,
        high=system.high * length,
        positions=system.positions * length,
        masses=tuple(mass * scale.mass_u for mass in system.masses),
        labels=(None,) * len(system.labels),
        charges=system.charges * scale.charge_e,
        velocities=None if system.velocities is None else system.velocities * speed,
        pair_coefficients=tuple(
            (*(e * energy for e in row[:1]), *(s * length for s in row[1:]))
            for row in system.pair_coefficients
        ),
        terms={name: _real_terms(name, terms, scale) for name, terms in system.terms.items()},
    )


def _pair(row: tuple[float, ...], scale: LjScale) -> tuple[float, ...]:
    """Epsilon and sigma."""
    rest = (number * scale.sigma_ang for number in row[1:])
    return (*(number * scale.epsilon_kcal_mol for number in row[:1]), *rest)


def _real_terms(name: str, terms: Terms, scale: LjScale) -> Terms:
    """Force constants are energies, of bonds per square of a length; angles stay."""
    energy, length = scale.epsilon_kcal_mol, scale.sigma_ang
    rows = []
    for row in terms.coefficients:
        if name == "bond":
            constant = energy / length**2
            rows.append((*(k * constant for k in row[:1]), *(r * length for r in row[1:])))
        elif name == "dihedral" and len(row) == _NUM_OPLS:
            rows.append(tuple(k * energy for k in row))
        else:
            rows.append((*(k * energy for k in row[:1]), *row[1:]))
    return replace(terms, coefficients=tuple(rows))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
