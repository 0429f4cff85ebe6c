"""Rows of the page's tables: text, rounded, with units."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from mdbench.plots.rounding import MISSING, pretty_unit, rounded
from mdbench.plots.series import Json, Series, equilibration_ps, lookup, number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mdbench.report.agreement import Agreement
    from mdbench.report.results import Result

MOST_COLUMNS = 6
GLANCE = (  # what a reader looks for first: end of the keys, most wanted first
    ("density_profile", "peak_ang"),
    ("density_temperature", "slope"),
    ("rdf", "first_peak_ang"),
    ("msd", "diffusion"),
    ("arrhenius", "activation_energy"),
    ("thermo", "density"),
    ("thermo", "temperature"),
)
MOST_TILES = 4
LONGEST_BOND_ANG = 1.9
MOST_ROWS = 30  # of agreements; of more those that agree are folded
WIDE_COLUMNS = 3  # from here on errors stand in brackets


def result_rows(results: list[Result]) -> list[Json]:
    """Every number on a row of its own, quantity by quantity."""
    groups = []
    for _, same in groupby(results, key=lambda r: (r.path, r.quantity)):
        rows = []
        for result in same:
            shown = rounded(result.estimate.value, result.estimate.error)
            size = result.estimate.n_eff
            rows.append(
                {
                    "label": result.label,
                    "value": shown.value,
                    "error": shown.error,
                    "unit": f"{shown.power} {pretty_unit(result.estimate.unit)}".strip(),
                    "n_eff": MISSING if size is None else f"{size:.0f}",
                    "runs": _some_runs(result) or str(result.runs),
                    "method": result.estimate.method,
                    "quantity": result.quantity,
                }
            )
        groups.append({"quantity": rows[0]["quantity"], "rows": rows})
    return groups


def matrix(results: list[Result], series: list[Series]) -> Json | None:
    """Quantities down, series across; None where there is one series, or too many."""
    if not 1 < len(series) <= MOST_COLUMNS:
        return None
    rows = []
    of_series = (r for r in results if r.series is not None)
    for _, same in groupby(of_series, key=lambda r: (r.path, r.quantity)):
        by_label = {r.label: r for r in same}
        first = next(iter(by_label.values()))
        cells = [
            _cell(found, len(series)) if found else MISSING
            for found in (by_label.get(s.label) for s in series)
        ]
        unit = pretty_unit(first.estimate.unit)
        rows.append({"quantity": first.quantity, "unit": unit, "cells": cells})
    wide = len(series) > WIDE_COLUMNS
    return {"columns": [s.label for s in series], "rows": rows, "wide": wide} if rows else None


def _cell(result: Result, columns: int) -> str:
    """A number in a column of its own."""
    shown = rounded(result.estimate.value, result.estimate.error)
    text = str(shown) if columns <= WIDE_COLUMNS else shown.compact
    some = _some_runs(result)
    return f"{text}, {some} runs" if some else text


def _some_runs(result: Result) -> str:
    """``1 of 2``, where not all runs of a series give a number."""
    runs = len(result.series.runs) if result.series else result.runs
    return f"{result.runs} of {runs}" if result.runs < runs else ""


def tiles(results: list[Result]) -> list[Json]:
    """The few numbers to begin with, of the first series that has them."""
    found = []
    for section, key in GLANCE:
        for result in results:
            if section in result.path and result.path[-1] == key and not _is_bond(result):
                shown = rounded(result.estimate.value, result.estimate.error)
                unit = f"{shown.power} {pretty_unit(result.estimate.unit)}".strip()
                found.append(
                    {
                        "quantity": result.quantity,
                        "value": shown.value,
                        "error": shown.error,
                        "unit": unit,
                        "label": result.label,
                    }
                )
                break
    return found[:MOST_TILES]


def _is_bond(result: Result) -> bool:
    """Whether a first peak is one of bonds, which is no news about a liquid."""
    return result.path[-1] == "first_peak_ang" and result.estimate.value < LONGEST_BOND_ANG


def agreement_tables(found: list[Agreement]) -> list[Json]:
    """A table for each two that were compared; what differs first, the clearest first of all."""
    pairs = dict.fromkeys((a.first, a.second) for a in found)
    tables = []
    for pair in pairs:
        rows = [
            _agreement_row(a) for a in sorted(found, key=_severity) if (a.first, a.second) == pair
        ]
        shown = len(rows) if len(rows) <= MOST_ROWS else sum(r["state"] != "agree" for r in rows)
        tables.append({"first": pair[0], "second": pair[1], "parts": [rows[:shown], rows[shown:]]})
    return tables


def _agreement_row(one: Agreement) -> Json:
    """One comparison in words."""
    unit = pretty_unit(one.unit)
    name = ", ".join(text for text in (one.quantity, one.where) if text)
    values = [str(rounded(e.value, e.error)) for e in one.values or ()]
    words = {True: "agree", False: "differ", None: "no errors"}
    return {
        "quantity": name,
        "unit": unit,
        "values": values,
        "note": f"curves, clearest difference at {one.place}",
        "difference": str(rounded(one.difference, one.error)),
        "measure": _measure(one),
        "verdict": words[one.agrees],
        "state": {True: "agree", False: "differ", None: "unjudged"}[one.agrees],
    }


def _severity(one: Agreement) -> tuple[int, float]:
    """Order of the table."""
    rank = {False: 0, None: 1, True: 2}[one.agrees]
    return rank, -(one.sigmas or 0.0)


def _measure(one: Agreement) -> str:
    """Sigmas of scalars, reduced chi-square of curves."""
    if one.chi_square is not None:
        return f"χ²ᵣ {one.chi_square:.3g}"
    return MISSING if one.sigmas is None else f"{one.sigmas:.1f} σ"  # noqa: RUF001


def provenance(analyses: list[tuple[str, Json]]) -> Json:
    """What was run: a column a campaign."""
    columns = [
        _campaign([r for r in a.get("runs") or () if isinstance(r, dict)]) for _, a in analyses
    ]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [
        {"name": name, "cells": [column.get(name, MISSING) for column in columns]} for name in names
    ]
    return {"columns": [label for label, _ in analyses], "rows": [r for r in rows if _said(r)]}


def _said(row: Json) -> bool:
    """Whether a row says anything."""
    return any(cell not in {"", MISSING} for cell in row["cells"])


def _campaign(runs: list[Json]) -> dict[str, str]:
    """Names and texts of one campaign."""
    rows = {
        "Runs": _range_text([str(r.get("name") or "") for r in runs]),
        "Temperatures": _numbers((r.get("temperature_k") for r in runs), "K"),
        "Seeds": _numbers((r.get("seed") for r in runs), ""),
    }
    for name, path, unit in (
        ("Ensemble", ("ensemble",), ""),
        ("Atoms", ("num_atoms",), ""),
        ("Atoms in the trajectory", ("num_atoms_in_trajectory",), ""),
        ("Elements", ("elements",), ""),
        ("Time step", ("timestep_fs",), "fs"),
        ("Simulated time a run", ("simulated_ps",), "ps"),
        ("Speed", ("ns_per_day",), "ns/day"),
        ("Model", ("model", "file"), ""),
        ("Model SHA-256", ("model", "sha256"), ""),
        ("Model description", ("model", "description"), ""),
        ("Dispersion", ("dispersion",), ""),
    ):
        found = [lookup(r, "provenance", *path) for r in runs]
        rows[name] = _numbers(found, unit) or _distinct(_text(f) for f in found)
    rows["Ensemble"] = rows["Ensemble"].upper()
    ends = _numbers((equilibration_ps(r) for r in runs if r.get("thermo")), "ps")
    rows["Equilibration left out"] = ends
    for name, key in (("Software", "versions"), ("Hardware", "hardware"), ("Command", "command")):
        rows[name] = _distinct(_text(lookup(r, "provenance", key)) for r in runs)
    return rows


def _numbers(found: Iterable[object], unit: str) -> str:
    """Different numbers: all of a few, the range of many."""
    values = sorted({v for f in found if (v := number(f)) is not None})
    texts = [f"{v:.6g}" for v in values]
    if len(texts) > MOST_COLUMNS:
        texts = [f"{texts[0]} to {texts[-1]}"]
    return f"{', '.join(texts)} {unit}".strip() if texts else ""


def _distinct(texts: Iterable[str]) -> str:
    """Different texts, each once."""
    return "; ".join(dict.fromkeys(t for t in texts if t))


def _range_text(names: list[str]) -> str:
    """Names of runs, or their number."""
    return _distinct(names) if len(names) <= 2 else f"{len(names)}"  # noqa: PLR2004


def _text(raw: Any) -> str:  # noqa: ANN401 - JSON has any type
    """JSON in words."""
    if raw is None:
        return ""
    if isinstance(raw, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in raw.items() if _text(v))
    if isinstance(raw, (list, tuple)):
        return " ".join(_text(v) for v in raw)
    return str(raw)
