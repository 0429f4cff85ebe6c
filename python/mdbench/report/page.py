"""The page and the summary: what a report says, for people and for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mdbench import __version__
from mdbench.plots.series import Json, lookup, number
from mdbench.report.agreement import clearest, conclusion
from mdbench.report.citations import citations
from mdbench.report.tables import agreement_tables, matrix, provenance, result_rows, tiles
from mdbench.report.template import template

if TYPE_CHECKING:
    from mdbench.plots.series import Series
    from mdbench.report.agreement import Agreement
    from mdbench.report.results import Result

KIND, SCHEMA = "mdbench report", 1
TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Content:
    """All that a report is made of."""

    analyses: list[tuple[str, Json]]
    series: list[Series]
    results: list[Result]
    agreements: list[Agreement]
    refused: list[tuple[str, str, list[str]]]
    remarks: list[tuple[str, list[str]]]
    figures: list[Json]


def render_page(content: Content) -> str:
    """The page; everything from outside is escaped."""
    labels = [label for label, _ in content.analyses]
    return template(TEMPLATE).render(
        title=_title(labels),
        campaigns=len(labels),
        subtitle=_subtitle(content.series),
        date=f"{datetime.now(UTC):%d %B %Y}".lstrip("0"),
        version=__version__,
        tiles=tiles(content.results) if len(labels) == 1 else [],
        conclusion=conclusion(content.agreements),
        clearest=clearest(content.agreements),
        agreements=agreement_tables(content.agreements),
        matrix=matrix(content.results, content.series),
        results=result_rows(content.results),
        combined=result_rows([r for r in content.results if r.series is None]),
        several=len({r.label for r in content.results}) > 1
        or any(len(one.runs) > 1 for one in content.series),
        refused=content.refused,
        remarks=content.remarks,
        figures=content.figures,
        provenance=provenance(content.analyses),
        citations=citations(content.series),
    )


def _title(labels: list[str]) -> str:
    """The first campaign is what the others are compared with."""
    if len(labels) == 1:
        return labels[0]
    others = labels[1] if len(labels) == 2 else f"{len(labels) - 1} campaigns"  # noqa: PLR2004
    return f"{others} compared with {labels[0]}"


def _subtitle(series: list[Series]) -> str:
    """How much was simulated."""
    runs = [run for one in series for run in one.runs]
    total = sum(number(lookup(r, "provenance", "simulated_ps")) or 0 for r in runs)
    text = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
    atoms = sorted({n for r in runs if (n := number(lookup(r, "provenance", "num_atoms")))})
    if atoms:
        text += f" of {atoms[0]:.0f}{f' to {atoms[-1]:.0f}' if len(atoms) > 1 else ''} atoms"
    if total:
        text += f", {total:.4g} ps" if total < 1e4 else f", {total / 1e3:.4g} ns"  # noqa: PLR2004
        text += " in all" if len(runs) > 1 else ""
    return text


def summarise(content: Content, files: list[str]) -> Json:
    """The report for programs; numbers that are none become null."""
    summary = {
        "schema": SCHEMA,
        "kind": KIND,
        "version": __version__,
        "series": [
            {"label": s.label, "temperature_k": s.temperature_k, "runs": len(s.runs)}
            for s in content.series
        ],
        "results": [
            {"quantity": r.quantity, "series": r.label, "runs": r.runs, **r.estimate.__dict__}
            for r in content.results
        ],
        "agreement": [
            a.__dict__ | {"values": [e.__dict__ for e in a.values or ()]}
            for a in content.agreements
        ],
        "refused": [{"quantity": q, "reason": r, "series": w} for q, r, w in content.refused],
        "remarks": [{"text": t, "series": w} for t, w in content.remarks],
        "figures": [
            {key: figure[key] for key in ("name", "title", "png", "svg", "csv")}
            for figure in content.figures
        ],
        "files": files,
    }
    found: Json = _finite(summary)
    return found


def _finite(data: Any) -> Any:  # noqa: ANN401 - JSON has any type
    """The same with null for what JSON has no number for."""
    if isinstance(data, dict):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(v) for v in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
