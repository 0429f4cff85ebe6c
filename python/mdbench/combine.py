"""What runs at several temperatures give together."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from mdbench.analysis.estimate import Estimate, mean_of_runs
from mdbench.analysis.temperature import DensityPoint, arrhenius, density_against_temperature
from mdbench.results import Findings, plain


def combine(runs: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What several temperatures give together: density against T, Arrhenius fits.

    Args:
        runs: Results of ``analyze_run``.

    Returns:
        The section ``combined``, and what was refused.
    """
    report = Findings()
    densities: dict[float, list[Estimate]] = defaultdict(list)
    rates: dict[str, dict[float, list[Estimate]]] = defaultdict(lambda: defaultdict(list))
    directions: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        t = run["temperature_k"]
        if t is None:
            continue
        density = run.get("thermo", {}).get("quantities", {}).get("density")
        if density and run["provenance"].get("ensemble") == "npt":
            densities[t].append(Estimate(**density))
        for element, msd in run.get("msd", {}).items():
            if msd["diffusion"]:
                rates[element][t].append(Estimate(**msd["diffusion"]))
                directions[element].add(msd["dimensions"])
    if len(densities) > 1:
        _density_section({t: mean_of_runs(e) for t, e in densities.items()}, report)
    for element, by_temperature in rates.items():
        if len(by_temperature) > 1 and len(directions[element]) > 1:
            ways = " and ".join(sorted(directions[element]))
            reason = f"runs take the diffusion in {ways}: these are different quantities"
            report.refused.append({"quantity": f"Arrhenius fit of {element}", "reason": reason})
        elif len(by_temperature) > 1:
            means = {t: mean_of_runs(e) for t, e in by_temperature.items()}
            _arrhenius_section(element, min(directions[element]), means, report)
    return plain(report.sections), report.refused


def _density_section(means: dict[float, Estimate], report: Findings) -> None:
    kelvin = sorted(means)
    points = [DensityPoint(t, means[t], "npt") for t in kelvin]
    fit = report.attempt("density against T", lambda: density_against_temperature(points))
    report.sections["density_temperature"] = {
        "temperature_k": kelvin,
        "density_gcm3": [means[t].value for t in kelvin],
        "density_error": [means[t].error for t in kelvin],
        "slope": fit and fit.slope,
        "expansivity": fit and fit.expansivity,
    }


def _arrhenius_section(
    element: str, dimensions: str, means: dict[float, Estimate], report: Findings
) -> None:
    kelvin = sorted(means)
    rates = [means[t] for t in kelvin]
    fit = report.attempt(f"Arrhenius fit of {element}", lambda: arrhenius(kelvin, rates))
    report.sections.setdefault("arrhenius", {})[element] = {
        "temperature_k": kelvin,
        "dimensions": dimensions,
        "diffusion": [r.value for r in rates],
        "diffusion_error": [r.error for r in rates],
        "activation_energy": fit and fit.activation_ev,
        "prefactor": fit and fit.prefactor,
    }
