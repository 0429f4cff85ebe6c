"""A result as plain text for the terminal; no line depends on the terminal's width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.scaling.grids import (
    fit_grid,
    parallel_grid,
    published_grids,
    sentences,
    speed_up_grid,
    time_grids,
)
from mdbench.scaling.labels import common_text, with_percent

if TYPE_CHECKING:
    from mdbench.scaling.grids import Grid
    from mdbench.scaling.results import Result

_GAP = "  "


def show(result: Result) -> str:
    """Everything that a user wants to see after a run."""
    times = time_grids(result)
    grids = [
        *times[:1],
        speed_up_grid(result, with_percent),
        *times[1:],
        fit_grid(result),
        parallel_grid(result),
        *published_grids(result),
    ]
    parts = ["\n".join(heading(result))]
    parts += ["\n".join(grid_lines(grid)) for grid in grids if grid is not None]
    if found := sentences(result):
        parts.append("\n".join(found))
    if noted := warnings(result):
        parts.append("\n".join(noted))
    return "\n\n".join(parts)


def heading(result: Result) -> list[str]:
    """What was measured, on what."""
    model, protocol = result.system.model, result.protocol
    weights = ", random weights" if model.random_weights else ""
    shape = f"{model.architecture}, r_max {model.r_max_ang:g} A{weights}"
    how = [str(result.machine), f"medians of {protocol.repeats} timed runs", common_text(result)]
    what = [result.system.name, f"{model.file} ({shape})", protocol.ensemble]
    return [
        ", ".join([*what, f"{protocol.timestep_fs:g} fs"]),
        "; ".join(text for text in how if text),
    ]


def warnings(result: Result) -> list[str]:
    """Warnings of the rows, each once."""
    found = [f"warning: {m.series}, {m.atoms} atoms: {w}" for m in result.timed for w in m.warnings]
    return list(dict.fromkeys(found))


def grid_lines(grid: Grid) -> list[str]:
    """A table in columns: names to the left, numbers to the right."""
    header = (grid.corner, *grid.columns)
    table = [header, *((row.label, *row.cells) for row in grid.rows if row.cells)]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    widths[0] = max(widths[0], *(len(row.label) for row in grid.rows))
    lines = [grid.title, _line(header, widths)]
    for row in grid.rows:
        if row.cells:
            lines.append(_line((row.label, *row.cells), widths))
        else:
            lines.append(f"{row.label:<{widths[0]}}{_GAP}{row.text}")
    return [line.rstrip() for line in lines] + grid.notes


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = cells
    shown = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
    return _GAP.join([f"{first:<{widths[0]}}", *shown])
