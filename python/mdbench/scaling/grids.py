"""The tables of a result in the layout of the papers: sizes across, variants down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mdbench.scaling.fits import by_series
from mdbench.scaling.labels import all_series, labels, number, with_bounds
from mdbench.scaling.reference import published

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mdbench.scaling.fitted import Interval
    from mdbench.scaling.results import Measurement, Probe, Result

NOISY = 0.05
"""IQR over median from which a time is marked."""


@dataclass(frozen=True)
class Row:
    """One row: cells, or one text across all columns."""

    label: str
    cells: tuple[str, ...] = ()
    text: str = ""
    faint: bool = False
    """From elsewhere: published numbers."""


@dataclass(frozen=True)
class Grid:
    """A table with its notes."""

    title: str
    columns: tuple[str, ...]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    corner: str = "atoms"


def sizes_of(result: Result) -> list[int]:
    """All sizes with a row, ascending."""
    return sorted({m.atoms for m in result.measurements if m.atoms is not None})


def time_grids(result: Result) -> list[Grid]:
    """Seconds for 10,000 steps with a row for each series, then ns/day and us/atom/step."""
    timestep = result.protocol.timestep_fs
    first = _size_grid(
        result, "Seconds for 10,000 steps", lambda m: f"{number(m.seconds_10k)}{_mark(m)}"
    )
    kinds = [
        first,
        _size_grid(result, "ns/day", lambda m: number(m.ns_per_day(timestep)), rest=False),
        _size_grid(result, "us/atom/step", lambda m: number(m.us_per_atom), rest=False),
    ]
    return [grid for grid in kinds if grid.rows]


def _mark(row: Measurement) -> str:
    return "*" if row.relative_iqr > NOISY else ""


def _size_grid(
    result: Result, title: str, shown: Callable[[Measurement], str], *, rest: bool = True
) -> Grid:
    """One number for each series and size; ``rest``: with the rows that were not timed."""
    sizes, names = sizes_of(result), labels(result)
    rows, notes = [], []
    for series in all_series(result):
        found = [m for m in result.measurements if m.series == series]
        timed = any(m.status == "timed" for m in found)
        reasons = {(m.status, m.reason) for m in found if m.status != "timed"}
        if not timed and not rest:
            continue
        if not timed and len(reasons) == 1:
            rows.append(Row(names[series], text=": ".join(next(iter(reasons)))))
            continue
        at = {m.atoms: m for m in found}
        cells = [_cell(at.get(n), shown) for n in sizes]
        rows.append(Row(names[series], tuple(cells)))
        notes += _reasons(names[series], found)
    if not rest:
        return Grid(title, tuple(map(str, sizes)), rows)
    if any("*" in cell for row in rows for cell in row.cells):
        notes.append(f"* noisy: interquartile range above {NOISY:.0%} of the median")
    return Grid(title, tuple(map(str, sizes)), rows, notes)


def _cell(row: Measurement | None, shown: Callable[[Measurement], str]) -> str:
    if row is None:
        return number(None)
    return shown(row) if row.status == "timed" else row.status


def _reasons(name: str, rows: Sequence[Measurement]) -> list[str]:
    """Why sizes of a series have no time, equal reasons in one line."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.status != "timed":
            found.setdefault((row.status, row.reason), []).append(str(row.atoms or "all"))
    return [
        f"{name}, {' '.join(sizes)} atoms, {status}: {reason}"
        for (status, reason), sizes in found.items()
    ]


def speed_up_grid(result: Result, shown: Callable[[Interval], str]) -> Grid | None:
    """Speed-up of each variant over the baseline of its settings."""
    if result.fits is None or not result.fits.speed_ups:
        return None
    names = labels(result)
    baselines = {s.baseline for s in result.fits.speed_ups}
    rows: dict[str, dict[int, str]] = {}
    for one in result.fits.speed_ups:
        name = names[one.series]
        if len(baselines) > 1:
            name = f"{name}, over {one.baseline}"
        rows.setdefault(name, {})[one.atoms] = shown(one.ratio)
    sizes = sorted({n for cells in rows.values() for n in cells})
    over = f" over {baselines.pop()}" if len(baselines) == 1 else ""
    return Grid(
        f"Speed-up{over}",
        tuple(map(str, sizes)),
        [Row(k, tuple(v.get(n, number(None)) for n in sizes)) for k, v in rows.items()],
        [f"±: half of the {result.fits.confidence:.0%} interval."],
    )


def fit_grid(result: Result) -> Grid | None:
    """Both fits with their intervals, and local slopes."""
    if result.fits is None or not result.fits.series:
        return None
    names = labels(result)
    rows = []
    for fit in result.fits.series:
        name = names[fit.series]
        if fit.latency_ms is None:
            rows.append(Row(name, text=fit.note))
            continue
        slopes = " ".join(f"{s.slope.value:.2f}" for s in fit.local_slopes)
        cells = (fit.latency_ms, fit.us_per_atom, fit.exponent)
        rows.append(Row(name, (*map(with_bounds, cells), slopes)))
    rows += [_published_fit(result, i) for i in range(len(published(result.system.name)))]
    confidence = f"[ ]: {result.fits.confidence:.0%} intervals, bootstrap of the timed runs"
    notes = [f"{confidence} and, for a, b and alpha, of the sizes."]
    found = {f.note for f in result.fits.series if f.note and f.latency_ms}
    return Grid(
        "Fits: t = a + b N, and t = c N^alpha",
        ("a, ms", "b, us/atom", "alpha", "local slopes"),
        rows,
        notes + sorted(f"{note[:1].upper()}{note[1:]}." for note in found),
        corner="",
    )


def _published_fit(result: Result, index: int) -> Row:
    """The same of published numbers."""
    one = published(result.system.name)[index]
    fit = one.fit
    slopes = " ".join(f"{s.slope.value:.2f}" for s in fit.local_slopes)
    cells = (fit.latency_ms, fit.us_per_atom, fit.exponent)
    return Row(one.name, (*map(with_bounds, cells), slopes), faint=True)


def published_grids(result: Result) -> list[Grid]:
    """Published times of the same system, each table with its hardware."""
    found = published(result.system.name)
    grids = []
    for key in dict.fromkeys((p.source, p.hardware, p.atoms, p.remark) for p in found):
        source, hardware, atoms, remark = key
        same = [p for p in found if (p.source, p.hardware, p.atoms, p.remark) == key]
        rows = [Row(p.label, tuple(map(number, p.seconds_10k)), faint=True) for p in same]
        title = f"Published, on {hardware} (not measured here): seconds for 10,000 steps"
        grids.append(Grid(title, tuple(map(str, atoms)), rows, [f"{source}: {remark}."]))
    return grids


def parallel_grid(result: Result) -> Grid | None:
    """What more ranks or threads give: strong scaling at equal size, weak at equal share."""
    rows = []
    names = labels(result)
    timed = by_series(result)
    for series, found in timed.items():
        workers = series.threads * series.ranks
        alone = {m.atoms: m for m in timed.get(series._replace(threads=1, ranks=1), ())}
        for row in found if workers > 1 else ():
            cells = _parallel_cells(row, alone, workers)
            if any(cells):
                shown = tuple(cell or number(None) for cell in cells)
                rows.append(Row(names[series], (str(row.atoms), number(row.median_ms), *shown)))
    columns = ("atoms", "ms/step", "speed-up", "strong efficiency", "weak efficiency")
    note = "Against one thread on one rank: at the same size, and at the same atoms a worker."
    return Grid("Ranks and threads", columns, rows, [note], corner="") if rows else None


def _parallel_cells(
    row: Measurement, alone: dict[int | None, Measurement], workers: int
) -> tuple[str, str, str]:
    """Speed-up, strong and weak efficiency; empty where there is nothing to compare with."""
    same = alone.get(row.atoms)
    share = alone.get((row.atoms or 0) // workers) if (row.atoms or 0) % workers == 0 else None
    speed_up = same.median_ms / row.median_ms if same else 0.0
    weak = share.median_ms / row.median_ms if share else 0.0
    return (
        number(speed_up) if same else "",
        f"{speed_up / workers:.0%}" if same else "",
        f"{weak:.0%}" if share else "",
    )


def sentences(result: Result) -> list[str]:
    """Crossovers and largest systems."""
    lines = []
    several = len({tuple(s)[1:] for s in by_series(result)}) > 1
    always: dict[tuple[str, str], list[str]] = {}
    for one in result.fits.crossovers if result.fits else ():
        where = f" ({one.series.settings})" if several else ""
        if one.atoms is None:
            always.setdefault((f"{one.large}{where}", one.note), []).append(one.small)
            continue
        note = f" ({one.note})" if one.note else ""
        size = with_bounds(one.atoms)
        lines.append(f"{one.large} is faster than {one.small}{where} above {size} atoms{note}.")
    for (large, note), slower in always.items():
        lines.append(f"{large}: {note} than {', '.join(slower)}.")
    return lines + [_largest(probe) for probe in result.probes]


def _largest(probe: Probe) -> str:
    """How far a series went."""
    ran = f"{probe.largest_atoms} atoms ran" if probe.largest_atoms else "no size ran"
    then = f", {probe.next_atoms} did not" if probe.next_atoms else ""
    return f"{probe.series}: {ran}{then}: {probe.reason}."
