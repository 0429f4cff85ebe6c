"""LAMMPS commands that move the atoms: thermostats, barostats, integrators; in any units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.output.thermo import TIME_FS, metal_factor
from mdbench.spec import MOST_RANDOM

if TYPE_CHECKING:
    from mdbench.spec import Ensemble, RunSpec, Variant

EQUILIBRATION_DAMP_FS = 100.0
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


def equilibration(
    spec: RunSpec, variant: Variant, units: str, rigid: str = ""
) -> tuple[str, list[str]]:
    """Langevin dynamics, which no slow mode escapes.

    Args:
        spec: The specification.
        variant: Temperature and seed.
        units: Of LAMMPS.
        rigid: The fix that holds bonds: behind those that add forces, before those that move the
            box, as LAMMPS wants it.

    Returns:
        The commands, and the names of the fixes to end.
    """
    t = f"{variant.temperature_k:.10g}"
    damp = time(EQUILIBRATION_DAMP_FS, units)
    bath = f"fix         bath all langevin {t} {t} {damp} ${{noise}} zero yes\n"
    text = noise(variant) + bath + rigid + _integrator(spec.ensemble, units)
    return text, [line.split()[1] for line in text.splitlines() if line.startswith("fix ")]


def production(spec: RunSpec, variant: Variant, units: str, rigid: str = "") -> str:
    """The ensemble that was asked for; arguments as for ``equilibration``."""
    held, t = spec.ensemble, f"{variant.temperature_k:.10g}"
    if held.kind == "nve":
        return rigid + _integrator(held, units)
    text = "fix         drift all momentum 1000 linear 1 1 1\n"
    if held.thermostat == "nose-hoover":
        chains = f" temp {t} {t} {time(held.tdamp_fs, units)}"
        return text + rigid + _integrator(held, units, chains)
    return text + _bath(spec, variant, units) + rigid + _integrator(held, units)


def _bath(spec: RunSpec, variant: Variant, units: str) -> str:
    """A thermostat that acts beside the integrator."""
    held, t = spec.ensemble, f"{variant.temperature_k:.10g}"
    damp = time(held.tdamp_fs, units)
    if held.thermostat == "rescale":
        every = max(1, round(held.tdamp_fs / spec.run.timestep_fs))
        window = f"{_RESCALE_WINDOW * variant.temperature_k:.10g}"
        return f"fix         bath all temp/rescale {every} {t} {t} {window} 1\n"
    if held.thermostat == "berendsen":
        return f"fix         bath all temp/berendsen {t} {t} {damp}\n"
    if held.thermostat == "csvr":
        return noise(variant) + f"fix         bath all temp/csvr {t} {t} {damp} ${{noise}}\n"
    return noise(variant) + f"fix         bath all langevin {t} {t} {damp} ${{noise}} zero yes\n"


def _integrator(held: Ensemble, units: str, temperature: str = "") -> str:
    """Integrator, with barostat for NPT and Nose-Hoover chains for a ``temperature``."""
    p = pressure(held.pressure_bar, units)
    couples = f" {held.coupling} {p} {p} {time(held.pdamp_fs, units)}"
    if held.kind == "npt" and held.barostat == "nose-hoover":
        style = "npt" if temperature else "nph"
        return f"fix         integrate all {style}{temperature}{couples}\n"
    text = f"fix         integrate all {'nvt' if temperature else 'nve'}{temperature}\n"
    if held.kind != "npt":
        return text
    modulus = pressure(held.bulk_modulus_bar, units)
    return text + f"fix         barostat all press/berendsen{couples} modulus {modulus}\n"
