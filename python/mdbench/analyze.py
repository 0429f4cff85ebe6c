"""All analyses of a campaign: what the data support, and why not where they do not."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from mdbench.analysis.confinement import find_confinement
from mdbench.analysis.density import density_profile
from mdbench.analysis.diffusion import self_diffusion, yeh_hummer
from mdbench.analysis.msd import MsdOptions, MsdResult, mean_squared_displacement
from mdbench.analysis.rdf import radial_distribution
from mdbench.analysis.thermo import degrees_of_freedom, thermo_averages
from mdbench.analysis.vacf import VacfOptions, velocity_autocorrelation
from mdbench.combine import combine
from mdbench.errors import AnalysisError
from mdbench.results import Findings, plain
from mdbench.run_notes import is_part, notes_of
from mdbench.spec_analysis import Analysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mdbench.analysis.confinement import Confinement
    from mdbench.output.run_data import RunData

SCHEMA = 1
_LONGEST_CURVE = 1000
"""Points of an MSD that are kept."""


def analyze_run(run: RunData, settings: Analysis) -> dict[str, Any]:
    """Everything about one run, as data for ``analysis.json``.

    Args:
        run: What the simulation wrote.
        settings: Ranges, pairs and elements.
    """
    report = Findings(notes=list(run.notes))
    start_ps = _thermo(run, report)
    trajectory = run.trajectory
    if trajectory is None:
        reason = "the run has no trajectory"
        report.refused.append({"quantity": "structure and diffusion", "reason": reason})
    else:
        elements = [chemical_symbols[z] for z in dict.fromkeys(np.sort(trajectory.numbers)[::-1])]
        report.notes += notes_of(run, start_ps)
        sheet = _profile(run, settings, start_ps, report)
        _rdf(run, settings, start_ps, report)
        around = report.attempt(
            "mean squared displacements", lambda: find_confinement(trajectory, start_ps, sheet)
        )
        if around is not None:
            report.notes += [f"diffusion: {around.note}"] if around.note else []
            for element in settings.diffusion or elements:
                _diffusion(run, element, around, (settings, start_ps), report)
    if run.velocities is not None:
        _spectra(run, start_ps, report)
    return {
        "name": run.name,
        "label": run.name if run.temperature_k is None else f"{run.temperature_k:g} K",
        "temperature_k": run.temperature_k,
        "seed": run.provenance.get("seed"),
        "provenance": plain(run.provenance),
        **plain(report.sections),
        "refused": report.refused,
        "notes": list(dict.fromkeys(report.notes)),
    }


def _thermo(run: RunData, report: Findings) -> float:
    """Averages; returns where production starts, ps."""
    start_ps = run.equilibration_ps
    if run.thermo is None:
        return start_ps
    thermo, num_atoms = run.thermo, run.provenance["num_atoms"]
    if num_atoms is None:
        reason = "the log does not say how many atoms there are"
        report.refused.append({"quantity": "thermodynamic averages", "reason": reason})
        return start_ps
    known = start_ps if start_ps > 0 else None
    columns = _of_matter(run, report)
    result = report.attempt(
        "thermodynamic averages",
        lambda: thermo_averages(
            thermo.times_ps,
            columns,
            int(num_atoms),
            ensemble=run.ensemble,
            start_ps=known,
            temperature_k=run.temperature_k,
        ),
    )
    if result is None:
        return start_ps
    section = asdict(result)
    for quantity, reason in section.pop("refused").items():
        why = reason.removeprefix(f"{quantity}: ")
        report.refused.append({"quantity": quantity.replace("_", " "), "reason": why})
    report.notes += section.pop("notes")
    report.sections["thermo"] = section
    return float(result.equilibration_ps)


def _of_matter(run: RunData, report: Findings) -> dict[str, NDArray[np.float64]]:
    """Columns of the log; without those of the volume where sides of the cell are open."""
    assert run.thermo is not None  # noqa: S101 - the caller's
    columns = run.thermo.columns
    periodic = run.boundary if run.trajectory is None else run.trajectory.pbc
    if all(periodic):
        return columns
    reason = "the cell has an open side: where it ends is no property of the matter in it"
    quantities = {"Density": "density", "Volume": "volume", "Press": "pressure"}
    found = [name for name in quantities if name in columns]
    report.refused += [{"quantity": quantities[name], "reason": reason} for name in found]
    return {name: values for name, values in columns.items() if name not in found}


def _profile(
    run: RunData, settings: Analysis, start_ps: float, report: Findings
) -> NDArray[np.bool_] | None:
    """Density profile over a sheet, where there is one or one is asked for; the sheet's atoms."""
    trajectory, element = run.trajectory, settings.profile or "O"
    assert trajectory is not None  # noqa: S101 - the caller's
    sheet = trajectory.numbers == atomic_numbers[settings.sheet]
    is_asked = settings.profile is not None or settings.sheet != Analysis().sheet
    if not is_asked and (sheet.all() or not sheet.any()):
        return None
    profile = report.attempt(
        f"density profile of {element}",
        lambda: density_profile(trajectory, element, settings.sheet, start_ps=start_ps),
    )
    if profile is None:
        return None
    report.sections["density_profile"] = profile
    report.notes += [f"density profile of {element}: {profile.note}"] if profile.note else []
    return np.asarray(sheet)


def _rdf(run: RunData, settings: Analysis, start_ps: float, report: Findings) -> None:
    """Radial distribution functions of all pairs asked for."""
    trajectory = run.trajectory
    assert trajectory is not None  # noqa: S101 - the caller's
    pairs = None
    if settings.rdf:
        pairs = [(a, b) for a, _, b in (p.partition("-") for p in settings.rdf)]
    refused: dict[str, str] = {}
    found = report.attempt(
        "radial distribution functions",
        lambda: radial_distribution(
            trajectory,
            pairs,
            r_max_ang=settings.rdf_range_ang,
            start_ps=start_ps,
            refused=refused,
        ),
    )
    report.refused += [{"quantity": f"{p} RDF", "reason": why} for p, why in refused.items()]
    if found:
        report.sections["rdf"] = found
        of_all = set.intersection(*(set(rdf.notes) for rdf in found.values()))
        report.notes += [
            f"RDF: {note}" if note in of_all else f"{pair} RDF: {note}"
            for pair, rdf in found.items()
            for note in rdf.notes
        ]


def _diffusion(
    run: RunData, element: str, around: Confinement, how: tuple[Analysis, float], report: Findings
) -> None:
    """Mean squared displacement, and a diffusion coefficient where there is one."""
    settings, start_ps = how
    trajectory = run.trajectory
    assert trajectory is not None  # noqa: S101 - the caller's
    atoms = trajectory.numbers == atomic_numbers.get(element, -1)
    dimensions, part = around.dimensions or "xyz", around.partners(atoms)
    options = MsdOptions(start_ps, dimensions, remove_drift=not is_part(run), relative_to=part)
    displacements = trajectory.toroidal()  # right in a changing cell too
    msd: MsdResult | None = report.attempt(
        f"mean squared displacement of {element}",
        lambda: mean_squared_displacement(displacements, element, options),
    )
    if msd is None:
        return
    report.notes += [f"MSD of {element}: {msd.note}"] if msd.note else []
    keep = np.unique(np.geomspace(1, len(msd.lag_ps), _LONGEST_CURVE).astype(int)) - 1
    section: dict[str, Any] = {
        "lag_ps": msd.lag_ps[keep],
        "msd_ang2": msd.msd_ang2[keep],
        "msd_error": msd.msd_error_ang2[keep],
        "dimensions": msd.dimensions,
        "fit_ps": None,
        "diffusion": None,
        "yeh_hummer": None,
    }
    found = report.attempt(f"diffusion of {element}", lambda: self_diffusion(around.endless(msd)))
    if found is not None:
        report.notes += around.remarks(element, atoms, found.collectivity)
        section |= {
            "fit_ps": found.fit_ps,
            "diffusion": found.diffusion,
            "interval_95": found.interval_95,
            "loglog_slope": found.loglog_slope.value,
            "collectivity": found.collectivity,
        }
        temperature = run.temperature_k
        if settings.viscosity_mpas is not None and temperature is not None:
            first = int(np.searchsorted(trajectory.times_ps, start_ps - 1e-9))
            cell = np.mean([frame.cell.copy() for frame in trajectory.frames(first)], axis=0)
            section["yeh_hummer"] = report.attempt(
                f"finite-size correction of the diffusion of {element}",
                lambda: yeh_hummer(
                    found,
                    cell,
                    trajectory.pbc,
                    temperature_k=temperature,
                    viscosity_mpa_s=_viscosity(settings, temperature),
                ),
            )
    report.sections.setdefault("msd", {})[element] = section


def _viscosity(settings: Analysis, temperature_k: float) -> float:
    """Of a run, mPa s."""
    found = settings.viscosity_mpas
    if found is None or len(found) != 1:
        raise AnalysisError(
            f"there is no viscosity for {temperature_k:g} K: list one for each temperature"
        )
    return found[0]


def _spectra(run: RunData, start_ps: float, report: Findings) -> None:
    """Velocity autocorrelation and vibrational spectrum, of all atoms and each element."""
    velocities = run.velocities
    assert velocities is not None  # noqa: S101 - the caller's
    thermo, freedom = run.thermo, None
    if thermo is not None and len(thermo):
        freedom = round(degrees_of_freedom(thermo.columns, len(velocities.numbers)))
    options = VacfOptions(start_ps=start_ps, degrees_of_freedom=freedom)
    for z in [0, *sorted(set(velocities.numbers.tolist()))]:
        element = chemical_symbols[z] if z else None
        name = element or "all"
        found = report.attempt(
            f"vibrational spectrum of {name}",
            partial(velocity_autocorrelation, velocities, element, options),
        )
        if found is not None:
            report.sections.setdefault("vacf", {})[name] = found
            report.notes += [f"spectrum of {name}: {found.note}"] if found.note else []


def analyze(
    name: str,
    runs: list[RunData],
    settings: Analysis | None = None,
    temperatures_k: Sequence[float | None] = (),
) -> dict[str, Any]:
    """Analyse runs together: the contents of ``analysis.json``.

    Args:
        name: Of the whole.
        runs: What the simulations wrote.
        settings: Ranges, pairs, elements, viscosities.
        temperatures_k: That the viscosities are of; those of the runs when left out.
    """
    settings = settings or Analysis()
    known = temperatures_k or list(dict.fromkeys(run.temperature_k for run in runs))
    results = [analyze_run(run, settings.of_run(run.temperature_k, known)) for run in runs]
    combined, refused = combine(results)
    return {
        "schema": SCHEMA,
        "kind": "mdbench analysis",
        "name": name,
        "runs": results,
        "combined": combined,
        "refused": refused,
    }
