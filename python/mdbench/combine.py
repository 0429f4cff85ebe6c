"""What runs at several temperatures give together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
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
    rates: dict[str, dict[float, list[Any]]] = defaultdict(lambda: defaultdict(list))
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
                rates[element][t].append(msd)
                directions[element].add(msd["dimensions"])
    if len(densities) > 1:
        _density_section({t: mean_of_runs(e) for t, e in densities.items()}, report)
    for element, by_temperature in rates.items():
        if len(by_temperature) > 1 and len(directions[element]) > 1:
            ways = " and ".join(sorted(directions[element]))
            reason = f"runs take the diffusion in {ways}: these are different quantities"
            report.refused.append({"quantity": f"Arrhenius fit of {element}", "reason": reason})
        elif len(by_temperature) > 1:
            _arrhenius_section(element, min(directions[element]), by_temperature, report)
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
    element: str, dimensions: str, by_temperature: dict[float, list[Any]], report: Findings
) -> None:
    """From the sections ``msd`` of an element; of corrected rates where all runs have them."""
    kelvin = sorted(by_temperature)
    corrected = all(msd["yeh_hummer"] for t in kelvin for msd in by_temperature[t])
    key, what = ("yeh_hummer", "with") if corrected else ("diffusion", "without")
    rates = [mean_of_runs([Estimate(**msd[key]) for msd in by_temperature[t]]) for t in kelvin]
    fit = report.attempt(f"Arrhenius fit of {element}", lambda: arrhenius(kelvin, rates))

    def said(found: Estimate) -> Estimate:
        return replace(found, method=f"{found.method}, {what} finite-size correction")

    report.sections.setdefault("arrhenius", {})[element] = {
        "temperature_k": kelvin,
        "dimensions": dimensions,
        "diffusion": [r.value for r in rates],
        "diffusion_error": [r.error for r in rates],
        "is_corrected": corrected,
        "activation_energy": fit and said(fit.activation_ev),
        "prefactor": fit and said(fit.prefactor),
    }
