"""LAMMPS commands that move the atoms: thermostats, barostats, integrators; in any units."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from mdbench.output.thermo import TIME_FS, metal_factor
from mdbench.spec import MOST_RANDOM

if TYPE_CHECKING:
    from mdbench.input_facts import InputFacts
    from mdbench.spec import Ensemble, RunSpec, Variant

_WARMTH = "warmth"
"""Compute of the temperature of the atoms that move."""
EQUILIBRATION_DAMP_FS = 100.0
_WIDTH = 80
"""Of the lines of ids."""
_RESCALE_WINDOW = 0.01
"""Of the temperature; within it fix temp/rescale leaves the velocities alone."""


def time(length_fs: float, units: str) -> str:
    """A time in the units of a run."""
    return f"{length_fs / TIME_FS[units]:.10g}"


def pressure(value_bar: float, units: str) -> str:
    """A pressure in the units of a run."""
    return f"{value_bar / metal_factor('Press', units):.10g}"


def noise(variant: Variant) -> str:
    """A seed that differs between segments: the generator's state is not in a restart file."""
    return f'variable    noise equal "1 + ({variant.random_seed} + v_first) % {MOST_RANDOM}"\n'


def fixed_atoms(facts: InputFacts) -> str:
    """Atoms that stay where they are, and a temperature of the others.

    These have three degrees of freedom each: nothing keeps their centre of mass in place.

    They are named anew in each segment: restart files know groups, and neither fixes nor computes.
    """
    if not facts.fixed:
        return ""
    atoms = " &\n    ".join(wrap(facts.fixed, _WIDTH))
    return f"""\
group       fixed {atoms}
group       {facts.mobile} subtract all fixed
fix         hold fixed setforce 0 0 0
velocity    fixed set 0 0 0
compute     {_WARMTH} {facts.mobile} temp
compute_modify {_WARMTH} extra/dof 0
thermo_modify temp {_WARMTH}
"""


def velocities(variant: Variant, facts: InputFacts) -> list[str]:
    """Of the temperature, also where bonds are held.

    There the parts along bonds are taken away first, which fix rattle does and fix shake does not.

    Args:
        variant: Temperature and seed.
        facts: The atoms that move, bonds that are held.
    """
    t = f"{variant.temperature_k:.10g}"
    at_rest, warmth = ("no", f" temp {_WARMTH}") if facts.fixed else ("yes", "")
    drawn = f"create {t} {variant.random_seed} mom {at_rest} rot no dist gaussian{warmth}"
    create = f"velocity    {facts.mobile} {drawn}"
    if not facts.rigid:
        return [create]
    held = facts.rigid.rstrip("\n").replace(" shake ", " rattle ")
    again = f"velocity    {facts.mobile} scale {t}{warmth}"
    return [held, create, "run         0 post no", again, f"unfix       {held.split()[1]}"]


def equilibration(spec: RunSpec, variant: Variant, facts: InputFacts) -> tuple[str, list[str]]:
    """Langevin dynamics, which no slow mode escapes.

    The fix that holds bonds comes behind those that add forces, and before those that move the
    box, as LAMMPS wants it.

    Args:
        spec: The specification.
        variant: Temperature and seed.
        facts: Units, the atoms that move, bonds that are held.

    Returns:
        The commands, and the names of the fixes to end.
    """
    damp = time(EQUILIBRATION_DAMP_FS, facts.units)
    text = noise(variant) + _langevin(variant, facts, damp) + facts.rigid
    text += _integrator(spec.ensemble, facts)
    return text, [line.split()[1] for line in text.splitlines() if line.startswith("fix ")]


def production(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    """The ensemble that was asked for; arguments as for ``equilibration``."""
    held, t = spec.ensemble, f"{variant.temperature_k:.10g}"
    if held.kind == "nve":
        return facts.rigid + _integrator(held, facts)
    text = "" if facts.fixed else "fix         drift all momentum 1000 linear 1 1 1\n"
    if held.thermostat == "nose-hoover":
        chains = f" temp {t} {t} {time(held.tdamp_fs, facts.units)}"
        return (
            text + facts.rigid + _integrator(held, facts, chains) + _of_mobile("integrate", facts)
        )
    bath = _bath(spec, variant, facts)
    return text + bath + facts.rigid + _integrator(held, facts)


def _of_mobile(fix: str, facts: InputFacts) -> str:
    """Lets a thermostat take the temperature of the atoms that move, where others do not."""
    return f"fix_modify  {fix} temp {_WARMTH}\n" if facts.fixed else ""


def _langevin(variant: Variant, facts: InputFacts, damp: str) -> str:
    """Noise that adds up to no force, unless there are atoms that take what is left."""
    t, zero = f"{variant.temperature_k:.10g}", "no" if facts.fixed else "yes"
    return f"fix         bath {facts.mobile} langevin {t} {t} {damp} ${{noise}} zero {zero}\n"


def _bath(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    """A thermostat that acts beside the integrator."""
    held, t = spec.ensemble, f"{variant.temperature_k:.10g}"
    damp = time(held.tdamp_fs, facts.units)
    if held.thermostat == "langevin":
        return noise(variant) + _langevin(variant, facts, damp)
    if held.thermostat == "rescale":
        every = max(1, round(held.tdamp_fs / spec.run.timestep_fs))
        window = f"{_RESCALE_WINDOW * variant.temperature_k:.10g}"
        style = f"temp/rescale {every} {t} {t} {window} 1"
    else:
        drawn = " ${noise}" if held.thermostat == "csvr" else ""
        style = f"temp/{held.thermostat} {t} {t} {damp}{drawn}"
    text = f"fix         bath {facts.mobile} {style}\n" + _of_mobile("bath", facts)
    return noise(variant) + text if held.thermostat == "csvr" else text


def _integrator(held: Ensemble, facts: InputFacts, temperature: str = "") -> str:
    """Integrator, with barostat for NPT and Nose-Hoover chains for a ``temperature``."""
    units = facts.units
    p = pressure(held.pressure_bar, units)
    couples = f" {held.coupling} {p} {p} {time(held.pdamp_fs, units)}"
    if held.kind == "npt" and held.barostat == "nose-hoover":
        style = "npt" if temperature else "nph"
        return f"fix         integrate all {style}{temperature}{couples}\n"
    style = "nvt" if temperature else "nve"
    text = f"fix         integrate {facts.mobile} {style}{temperature}\n"
    if held.kind != "npt":
        return text
    modulus = pressure(held.bulk_modulus_bar, units)
    return text + f"fix         barostat all press/berendsen{couples} modulus {modulus}\n"
