"""Checks of a specification's numbers against one another; no structure, no model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mdbench.analysis.thermo import FEWEST_ROWS
from mdbench.check.findings import Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from mdbench.spec import RunSpec

_HYDROGEN_TIMESTEP_FS = 1.0
_HEAVY_TIMESTEP_FS = 2.5
_HOTTEST_K = 5000.0


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def problems_of_run(spec: RunSpec, symbols: AbstractSet[str]) -> list[Problem]:
    """Time step, thermostat, barostat, temperature, output, analysis and precision.

    Args:
        spec: The specification.
        symbols: Elements of the structure.
    """
    checks: list[Callable[[], list[Problem]]] = [
        lambda: _timestep(spec, symbols),
        lambda: _thermostat(spec),
        lambda: _no_ensemble(spec),
        lambda: _barostat(spec),
        lambda: _temperature(spec),
        lambda: _rows(spec),
        lambda: _analysis(spec, symbols),
        lambda: _viscosity(spec),
        lambda: _hardware(spec),
    ]
    return [problem for check in checks for problem in check()]


def _timestep(spec: RunSpec, symbols: AbstractSet[str]) -> list[Problem]:
    dt = spec.run.timestep_fs
    field = "run.timestep"
    is_free = not spec.force_field.shake
    if "H" in symbols and is_free and dt > _HYDROGEN_TIMESTEP_FS:
        text = f"{dt:g} fs is long for bonds of hydrogen, which vibrate in 9 fs: take 0.5 fs"
        return [Problem("warning", field, text)]
    if dt > _HEAVY_TIMESTEP_FS:
        light = "without free hydrogen" if "H" in symbols else "without hydrogen"
        text = f"{dt:g} fs is long: 1 to 2 fs is usual {light}; watch the energy in NVE"
        return [Problem("warning", field, text)]
    return []


def _thermostat(spec: RunSpec) -> list[Problem]:
    """The period of the thermostat is many steps, and the run is many periods."""
    if spec.ensemble.kind == "nve":
        return []
    dt, tdamp = spec.run.timestep_fs, spec.ensemble.tdamp_fs
    field = "ensemble.tdamp"
    advice = f"about 100 time steps, {100 * dt:g} fs, is usual"
    if tdamp < 2 * dt:
        return [Problem("error", field, f"{tdamp:g} fs is less than two time steps: {advice}")]
    if tdamp > spec.run.production_fs:
        text = f"{tdamp:g} fs is longer than run.production: the thermostat would do nothing"
        return [Problem("error", field, text)]
    if not 10 * dt <= tdamp <= 1000 * dt:
        return [Problem("warning", field, f"{tdamp:g} fs is {tdamp / dt:g} time steps: {advice}")]
    return []


def _no_ensemble(spec: RunSpec) -> list[Problem]:
    """Weak coupling and rescaling: right averages at best, wrong fluctuations."""
    ensemble = spec.ensemble
    weak = {"berendsen": "weak coupling", "rescale": "rescaling"}
    problems = []
    if ensemble.kind != "nve" and ensemble.thermostat in weak:
        text = (
            f"{weak[ensemble.thermostat]} gives no canonical ensemble: fluctuations, and what is "
            "computed from them, are wrong; 'nose-hoover' and 'csvr' give it"
        )
        problems.append(Problem("warning", "ensemble.thermostat", text))
    if ensemble.barostat == "berendsen":
        text = (
            "weak coupling gives no constant-pressure ensemble: the volume fluctuates too little; "
            "'nose-hoover' gives it"
        )
        problems.append(Problem("warning", "ensemble.barostat", text))
    return problems


def _barostat(spec: RunSpec) -> list[Problem]:
    ensemble = spec.ensemble
    if ensemble.kind != "npt" or ensemble.pdamp_fs >= 5 * ensemble.tdamp_fs:
        return []
    text = (
        f"{ensemble.pdamp_fs:g} fs is less than five times ensemble.tdamp, so that barostat and "
        f"thermostat disturb each other: {10 * ensemble.tdamp_fs:g} fs is usual"
    )
    return [Problem("warning", "ensemble.pdamp", text)]


def _temperature(spec: RunSpec) -> list[Problem]:
    hottest = max(spec.ensemble.temperature_k)
    if hottest <= _HOTTEST_K:
        return []
    text = f"{hottest:g} K is beyond what models of condensed matter are trained on"
    return [Problem("warning", "ensemble.temperature", text)]


def _rows(spec: RunSpec) -> list[Problem]:
    """The log has rows to average."""
    if spec.run.production_fs >= (FEWEST_ROWS - 1) * spec.output.thermo_fs:
        return []
    text = (
        f"{spec.output.thermo_fs:g} fs leaves run.production fewer than {FEWEST_ROWS} rows: "
        "nothing can be averaged"
    )
    return [Problem("warning", "output.thermo", text)]


def _analysis(spec: RunSpec, symbols: AbstractSet[str]) -> list[Problem]:
    """What the analysis asks for is there."""
    asked = spec.analysis
    named = {
        "rdf": [symbol for pair in asked.rdf or () for symbol in pair.split("-")],
        "diffusion": [*(asked.diffusion or ())],
        "profile": [asked.profile] if asked.profile else [],
        "sheet": [asked.sheet] if "sheet" in asked.model_fields_set else [],
    }
    there = ", ".join(sorted(symbols))
    return [
        Problem("warning", f"analysis.{key}", f"there is no {absent[0]}: the structure has {there}")
        for key, found in named.items()
        if (absent := [symbol for symbol in found if symbol not in symbols])
    ]


def _viscosity(spec: RunSpec) -> list[Problem]:
    """Each temperature has its own."""
    given, wanted = spec.analysis.viscosity_mpas, spec.ensemble.temperature_k
    if given is None or len(given) == len(wanted):
        return []
    text = f"one for {len(wanted)} temperatures corrects none of them: list one for each, in order"
    return [Problem("warning", "analysis.viscosity", text)]


def _hardware(spec: RunSpec) -> list[Problem]:
    threads, cores = spec.run.threads or 1, available_cores()
    if threads * spec.run.ranks <= cores:
        return []
    field = "run.threads" if threads > 1 else "run.ranks"
    text = (
        f"{spec.run.ranks} ranks of {threads} threads share {cores} cores of this machine: "
        "that is slower than one thread a core"
    )
    return [Problem("warning", field, text)]
