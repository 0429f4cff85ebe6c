"""A comparison as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.scaling.grids import Grid, Row
from mdbench.scaling.labels import number, with_bounds
from mdbench.scaling.text import grid_lines

if TYPE_CHECKING:
    from mdbench.scaling.compare import Comparison
    from mdbench.scaling.results import Result


def show_comparison(comparison: Comparison, before: Result, after: Result) -> str:
    """Table, what was lost, and the conclusion in the last line."""
    lines = [f"before: {_origin(before)}", f"after:  {_origin(after)}", *comparison.remarks]
    rows = [
        Row(
            f"{c.series}, {c.atoms} atoms",
            (
                number(c.before_ms),
                number(c.after_ms),
                with_bounds(c.ratio),
                c.verdict.upper() if c.verdict == "slower" else c.verdict,
            ),
        )
        for c in comparison.changes
    ]
    if rows:
        columns = ("before, ms/step", "after, ms/step", "ratio", "verdict")
        lines += ["", *grid_lines(Grid("", columns, rows, corner=""))[1:]]
    lines += [f"{c.series}, {c.atoms} atoms: {c.note}" for c in comparison.changes if c.note]
    lines += ["", *(f"LOST: {text}" for text in comparison.lost)] if comparison.lost else []
    lines += [f"new: {text}" for text in comparison.new]
    return "\n".join([*lines, "", _conclusion(comparison)])


def _origin(result: Result) -> str:
    """When, where and from which code."""
    commit = f", {result.machine.commit}" if result.machine.commit else ""
    return f"{result.created}{commit}, {result.machine}"


def _conclusion(comparison: Comparison) -> str:
    """One sentence."""
    counts = [
        (len(comparison.slower), f"slower by more than {100 * comparison.tolerance:.4g}%"),
        (len(comparison.lost), "lost"),
    ]
    bad = [f"{count} {what}" for count, what in counts if count]
    total = len(comparison.changes) + len(comparison.lost)
    unclear = sum(c.verdict == "unclear" for c in comparison.changes)
    tail = f"; {unclear} unclear: too noisy for this tolerance" if unclear else ""
    if not bad:
        return f"no regression in {total} rows (tolerance {100 * comparison.tolerance:.4g}%){tail}"
    return f"of {total} rows {' and '.join(bad)}{tail}"
