"""Every number of the analyses, named and in order, and the comparisons between campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mdbench.plots.grouping import comparable
from mdbench.plots.references import QUANTITIES, Reference, select
from mdbench.plots.series import (
    Json,
    Series,
    directions,
    lookup,
    read_estimate,
    temperature_text,
)
from mdbench.report.agreement import (
    Agreement,
    Compared,
    compare_curves,
    compare_scalars,
    without_errors,
)
from mdbench.results import find_estimates

if TYPE_CHECKING:
    from collections.abc import Callable

    from mdbench.analysis.estimate import Estimate

Path = tuple[str, ...]
Said = TypeVar("Said")
SECTIONS = ("density_profile", "rdf", "msd", "vacf", "thermo")  # in the order of the page
NAMES = {
    "peak_ang": "interfacial distance",
    "closest_ang": "closest approach to the sheet",
    "first_peak_ang": "first RDF peak",
    "first_minimum_ang": "first RDF minimum",
    "coordination_number": "coordination number",
    "diffusion": "diffusion coefficient",
    "yeh_hummer": "diffusion coefficient, Yeh-Hummer corrected",
    "drift_mev_per_atom_per_ns": "energy drift",
    "activation_energy": "activation energy of diffusion",
    "slope": "slope of density against temperature",
}
_EXTREMES = {"closest_ang"}
"""The longer a run, the further out: runs of one distribution would differ."""
_SUFFIXES = ("_ang", "_ps", "_k", "_cm1", "_gcm3")


@dataclass(frozen=True)
class Result:
    """One number of one series."""

    quantity: str
    series: Series | None  # None: of a whole campaign
    label: str
    runs: int
    estimate: Estimate
    path: Path


def quantity_name(path: Path, data: Json) -> str:
    """What a number is called: ``O-O first RDF peak``, ``O in-plane (xy) diffusion coefficient``.

    Args:
        path: Its keys.
        data: The run or the analysis that holds it.
    """
    name = NAMES.get(path[-1])
    if name is None:
        name = path[-1]
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        name = name.replace("_", " ")
    middle = [p for p in path[1:-1] if p not in {"quantities", "density_temperature", "arrhenius"}]
    text = " ".join(filter(None, [*middle, directions(lookup(data, *path[:-1])), name]))
    return text[:1].upper() + text[1:]


def results(series: list[Series], analyses: list[tuple[str, Json]]) -> list[Result]:
    """All numbers, quantity by quantity in the order of the page."""
    found: dict[tuple[Path, str], list[Result]] = {}
    for one in series:
        names = {
            path: quantity_name(path, run)
            for run in one.runs
            for section, data in run.items()
            if section != "provenance"
            for path in find_estimates(data, (section,))
        }
        for path, name in names.items():
            estimate = one.estimate(*path)
            if estimate is not None:
                runs = len([s for s in one.sections(*path) if read_estimate(s) is not None])
                found.setdefault((path, name), []).append(
                    Result(name, one, one.label, runs, estimate, path)
                )
    for label, analysis in analyses:
        for path in find_estimates(analysis.get("combined"), ("combined",)):
            estimate = read_estimate(lookup(analysis, *path))
            if estimate is not None:
                runs = len(analysis.get("runs") or ())
                name = quantity_name(path, analysis)
                found.setdefault((path, name), []).append(
                    Result(name, None, label, runs, estimate, path)
                )
    order = {name: i for i, name in enumerate(("combined", *SECTIONS))}
    ordered = sorted(found, key=lambda key: order.get(key[0][0], len(order)))
    return [result for key in ordered for result in found[key]]


def agreements(
    series: list[Series], analyses: list[tuple[str, Json]], references: list[Reference]
) -> list[Agreement]:
    """Other campaigns against the first, then everything against the references."""
    found: list[Agreement] = []
    groups = comparable(series)
    for _, group in groups:
        where = temperature_text(group[0].temperature_k) if len(groups) > 1 else ""
        for other in group[1:]:
            if other.campaign != group[0].campaign:
                found += _compare_series(group[0], other, where)
    for label, analysis in analyses[1:]:
        found += _compare_combined(analyses[0], (label, analysis))
    for one in series:
        found += _compare_references(one, references)
    return found


def _compare_series(first: Series, second: Series, where: str) -> list[Agreement]:
    """Scalars, then curves."""
    names = (first.short, second.short)
    found = []
    theirs = {(r.path, r.quantity): r.estimate for r in results([second], [])}
    for result in results([first], []):
        a, b = result.estimate, theirs.get((result.path, result.quantity))
        if result.path[-1] not in _EXTREMES and b is not None and a.unit == b.unit:
            about = Compared(result.quantity, *names, where, a.unit)
            found.append(compare_scalars(about, a, b))
    for path, quantity, name, unit in _curves(first):
        x, y, error = QUANTITIES[quantity]
        c, d = first.curve(path, x, y, error), second.curve(path, x, y, error)
        if c is not None and d is not None:
            about = Compared(name, *names, where, unit)
            agreement = compare_curves(about, c, d, _abscissa(quantity))
            found += [agreement] if agreement is not None else []
    return found


def _curves(one: Series) -> list[tuple[Path, str, str, str]]:
    """Curves to compare: keys, kind, name and unit. MSDs are compared by their slope, D."""
    found: list[tuple[Path, str, str, str]] = []
    if one.sections("density_profile"):
        found.append((("density_profile",), "density_profile", "Density profile", "nm-3"))
    return found + [(("rdf", pair), "rdf", f"{pair} RDF", "") for pair in one.keys("rdf")]


def _abscissa(quantity: str) -> tuple[str, str]:
    """Name and unit of x."""
    return ("z", "Å") if quantity == "density_profile" else ("r", "Å")


def _compare_combined(first: tuple[str, Json], second: tuple[str, Json]) -> list[Agreement]:
    """Numbers of whole campaigns."""
    found = []
    for path in find_estimates(first[1].get("combined"), ("combined",)):
        a, b = (read_estimate(lookup(data, *path)) for _, data in (first, second))
        name, other = (quantity_name(path, data) for _, data in (first, second))
        if a is not None and b is not None and a.unit == b.unit and name == other:
            about = Compared(name, first[0], second[0], "", a.unit)
            found.append(compare_scalars(about, a, b))
    return found


def _compare_references(one: Series, references: list[Reference]) -> list[Agreement]:
    """Curves of a series against those from elsewhere."""
    found = []
    for path, quantity, name, unit in _curves(one):
        x, y, error = QUANTITIES[quantity]
        ours = one.curve(path, x, y, error)
        for reference in select(references, quantity, "".join(path[1:]), one.temperature_k):
            if ours is None:
                continue
            theirs = without_errors(reference.curve, ours)
            where = temperature_text(one.temperature_k)
            about = Compared(name, reference.label, one.short, where, unit)
            agreement = compare_curves(about, theirs, ours, _abscissa(quantity))
            found += [agreement] if agreement is not None else []
    return found


def refusals(
    series: list[Series], analyses: list[tuple[str, Json]]
) -> list[tuple[str, str, list[str]]]:
    """Quantities that no number is given for: quantity, reason, where."""
    found = _places(series, analyses, _refused)
    for one in series:
        for element in one.keys("msd"):
            if len(taken := one.directions("msd", element)) > 1:
                ways = " and ".join(way or "in all directions" for way in taken)
                reason = f"runs take it {ways}: that is not averaged"
                found.setdefault((f"diffusion of {element}", reason), []).append(one.label)
    return [(quantity, reason, where) for (quantity, reason), where in found.items()]


def remarks(series: list[Series], analyses: list[tuple[str, Json]]) -> list[tuple[str, list[str]]]:
    """What an analysis noticed: text, where."""
    return list(_places(series, analyses, _notes).items())


def _refused(data: Json) -> list[tuple[str, str]]:
    """Quantities and reasons of a run or of a whole analysis."""
    entries = data.get("refused")
    return [
        (str(lookup(entry, "quantity") or "?"), str(lookup(entry, "reason") or "?"))
        for entry in (entries if isinstance(entries, list) else ())
    ]


def _notes(run: Json) -> list[str]:
    """What was noticed in a run or in a whole analysis."""
    notes = run.get("notes")
    return [str(note) for note in notes] if isinstance(notes, list) else []


def _places(
    series: list[Series], analyses: list[tuple[str, Json]], read: Callable[[Json], list[Said]]
) -> dict[Said, list[str]]:
    """What runs and analyses say, and where; of some runs of a series with their seeds."""
    found: dict[Said, list[str]] = {}
    for one in series:
        said = [(run, read(run)) for run in one.runs]
        for text in dict.fromkeys(t for _, texts in said for t in texts):
            seeds = [run.get("seed") for run, texts in said if text in texts]
            everywhere = len(seeds) == len(one.runs)
            where = [one.label] if everywhere else [f"{one.label}, seed {seed}" for seed in seeds]
            found.setdefault(text, []).extend(where)
    for label, analysis in analyses:
        for text in read(analysis):
            where = found.setdefault(text, [])
            where += [] if label in where else [label]
    return found
