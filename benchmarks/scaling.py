"""The README's scaling table from a run of `mdbench scaling`.

Usage: mdbench scaling -o DIR ..., then python benchmarks/scaling.py DIR

Copies result.json and the figure to benchmarks/results and writes the tables in README.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugin_vs_calculator import ROOT, replace_block

from mdbench.scaling.grids import fit_grid, speed_up_grid, time_grids
from mdbench.scaling.labels import with_percent
from mdbench.scaling.result_file import parse_result
from mdbench.scaling.text import heading

if TYPE_CHECKING:
    from mdbench.scaling.grids import Grid

RESULT = ROOT / "benchmarks/results/scaling.json"
FIGURE = RESULT.with_suffix(".png")


def lines_of(grid: Grid) -> list[str]:
    """A table in Markdown."""
    lines = [f"| {grid.title} | " + " | ".join(grid.columns) + " |"]
    lines.append("|---" * (len(grid.columns) + 1) + "|")
    lines += [f"| {row.label} | " + " | ".join(row.cells) + " |" for row in grid.rows if row.cells]
    notes = [f"{row.label}: {row.text}" for row in grid.rows if row.text]
    return [*lines, *(f"\n{note}" for note in [*grid.notes, *notes]), ""]


def table(result: dict[str, Any]) -> str:
    """Times, speed-ups and fits."""
    found = parse_result(json.dumps(result).encode(), str(RESULT))
    grids = [time_grids(found)[0], speed_up_grid(found, with_percent), fit_grid(found)]
    figure = f"![time of a step against atoms]({FIGURE.relative_to(ROOT)})"
    lines = [line for grid in grids if grid for line in lines_of(grid)]
    return "\n".join([figure, "", *lines, *(f"{text}  " for text in heading(found))]).rstrip()


def main() -> None:
    """Copy and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    text = (folder / "result.json").read_text()
    RESULT.write_text(re.sub(r" (-o|--output) [^\s\"]+", "", text))  # where it was says nothing
    shutil.copyfile(folder / "scaling.png", FIGURE)
    replace_block("scaling", table(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
