"""The report's folder: made beside its place, then moved there whole."""

from __future__ import annotations

import base64
import csv
import json
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mdbench.errors import OutputError
from mdbench.plots.grouping import make_series
from mdbench.plots.references import Reference, read_reference
from mdbench.plots.series import Json, lookup
from mdbench.report.page import KIND, SCHEMA, Content, render_page, summarise
from mdbench.report.results import agreements, refusals, remarks, results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mdbench.plots.series import Series
    from mdbench.plots.style import Plot, Table

PAGE, SUMMARY = "report.html", "summary.json"
Labelled = list[tuple[str, Json]]


def write_report(
    analyses: list[Json],
    output: Path,
    *,
    references: Sequence[Path] = (),
    labels: list[str] | None = None,
) -> Path:
    """Write page, figures (PNG, SVG), data (CSV) and summary of one or several campaigns.

    Args:
        analyses: Contents of ``analysis.json``; the first is what the others are compared with.
        output: Folder to write; a report that lies there is replaced, anything else is refused.
        references: CSV files to draw beside, see :func:`mdbench.plots.references.read_reference`.
        labels: Names of the campaigns in figures and tables; their own names otherwise.

    Returns:
        The page.

    Raises:
        OutputError: in one line, when there is nothing to report, a file is bad or the folder
            holds anything else.
    """
    labelled = _label(analyses, labels)
    found = [r for path in references for r in read_reference(Path(path))]
    output = Path(output).absolute()
    try:
        _check_place(output)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as place:
            folder = Path(place) / "report"
            folder.mkdir()
            _fill(folder, labelled, found)
            _move(folder, output, Path(place) / "replaced")
    except OSError as problem:
        raise OutputError(f"{output}: {problem.strerror or problem}") from None
    return output / PAGE


def _label(analyses: list[Json], labels: list[str] | None) -> Labelled:
    """Analyses with labels, each label once."""
    if not analyses:
        raise OutputError("no analyses to report: run mdbench analyze first")
    if labels is not None and len(labels) != len(analyses):
        raise OutputError(f"{len(labels)} labels for {len(analyses)} analyses: give one for each")
    labelled: Labelled = []
    for i, analysis in enumerate(analyses):
        if lookup(analysis, "kind") != "mdbench analysis" or lookup(analysis, "schema") != SCHEMA:
            raise OutputError(f"analysis {i + 1} is no analysis.json of this version of mdbench")
        name = str(labels[i] if labels else analysis.get("name") or "analysis").strip()
        name = " ".join(name.split()) or "analysis"
        taken = {label for label, _ in labelled}
        count, text = 1, name
        while text in taken:
            count += 1
            text = f"{name} ({count})"
        labelled.append((text, analysis))
    return labelled


def _check_place(output: Path) -> None:
    """Refuse what is there, unless it is a report and nothing else."""
    if not os.path.lexists(output):
        return
    if output.is_symlink() or not output.is_dir():
        raise OutputError(f"{output}: is no folder: name another place for the report")
    inside = {str(p.relative_to(output)) for p in output.rglob("*")}
    if not inside:
        return
    try:
        summary = json.loads((output / SUMMARY).read_text())
    except (OSError, ValueError):
        summary = None
    if lookup(summary, "kind") != KIND:
        raise OutputError(f"{output}: holds other files: name an empty or a new folder")
    strange = sorted(inside - set(map(str, lookup(summary, "files") or ())))
    if strange:
        raise OutputError(f"{output}: {strange[0]!r} is not of the report there: move it elsewhere")


def _move(folder: Path, output: Path, aside: Path) -> None:
    """Put a finished report in its place; the old one returns should that fail."""
    if not output.exists():
        folder.rename(output)
        return
    output.rename(aside)
    try:
        folder.rename(output)
    except OSError:
        aside.rename(output)
        raise


def _fill(folder: Path, analyses: Labelled, references: list[Reference]) -> None:
    """Write all files of a report."""
    series = make_series(analyses)
    figures = _draw(folder, series, analyses, references)
    refused = refusals(series, analyses)
    refused += [
        (f"reference {r.name}", "these analyses hold nothing to draw it beside", [])
        for r in references
        if not _is_drawn(r, series, analyses)
    ]
    content = Content(
        analyses,
        series,
        results(series, analyses),
        agreements(series, analyses, references),
        refused,
        remarks(series, analyses),
        figures,
    )
    (folder / PAGE).write_text(render_page(content), encoding="utf-8")
    files = sorted([*(p.name for p in folder.iterdir()), SUMMARY])
    text = json.dumps(summarise(content, files), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / SUMMARY).write_text(text + "\n", encoding="utf-8")


def _draw(
    folder: Path, series: list[Series], analyses: Labelled, references: list[Reference]
) -> list[Json]:
    """Write figures and their data; what the page needs of them."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only reports pay

    from mdbench.plots.all_plots import all_plots  # noqa: PLC0415
    from mdbench.plots.style import STYLE, save  # noqa: PLC0415

    figures = []
    with mpl.rc_context(STYLE):
        for plot in all_plots(series, analyses, references):
            save(plot.figure, folder / plot.name)
            figures.append(_figure(folder, plot))
    return figures


def _figure(folder: Path, plot: Plot) -> Json:
    """Data of a figure as CSV; the figure itself for the page."""
    tables = []
    for kind, table in plot.tables.items():
        tables.append(f"{plot.name}{f'-{kind}' if kind else ''}.csv")
        _write_csv(folder / tables[-1], table)
    image = (folder / f"{plot.name}.svg").read_bytes()
    return {
        "name": plot.name,
        "title": plot.title,
        "caption": plot.caption,
        "alt": plot.alt,
        "png": f"{plot.name}.png",
        "svg": f"{plot.name}.svg",
        "csv": tables,
        "width_in": plot.figure.get_figwidth(),
        "image": base64.b64encode(image).decode("ascii"),
    }


def _write_csv(path: Path, table: Table) -> None:
    """A table, numbers to eight digits, missing ones empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.header)
        for row in table.rows:
            writer.writerow([_cell(value) for value in row])


def _cell(value: object) -> object:
    """A number or a text of a table."""
    if isinstance(value, float):
        return f"{value:.8g}" if math.isfinite(value) else ""
    return value


def _is_drawn(reference: Reference, series: list[Series], analyses: Labelled) -> bool:
    """Whether a reference has a panel."""
    section = reference.quantity
    if section in {"density_temperature", "arrhenius"}:
        return any(lookup(a, "combined", section) for _, a in analyses)
    key = (reference.key,) if reference.key else ()
    return any(s.sections(section, *key) for s in series)
