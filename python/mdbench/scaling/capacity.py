"""How many atoms fit: growing supercells until memory or time ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mdbench.errors import SettingError
from mdbench.scaling.cases import size_near
from mdbench.scaling.results import Measurement, Probe
from mdbench.scaling.rows import measurement, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from mdbench.scaling.bench import Bench
    from mdbench.scaling.plan import Cell, Plan

_GROWTH = 2


def probe(
    bench: Bench, plan: Plan, say: Callable[[str], None]
) -> tuple[tuple[Measurement, ...], tuple[Probe, ...]]:
    """Double the size of every series until it does not run any more.

    Args:
        bench: Runs the cells.
        plan: Its first size is where every series begins.
        say: Takes lines of progress.
    """
    rows: list[Measurement] = []
    probes: list[Probe] = []
    for first in plan.groups[0] if plan.groups else ():
        grown, found = _grow(bench, first, say)
        rows += grown
        probes.append(found)
        largest = f"{found.largest_atoms:,} atoms" if found.largest_atoms else "no size"
        say(f"{first.variant.name}: largest that ran: {largest}; {found.reason}")
    return tuple(rows), tuple(probes)


def _grow(bench: Bench, first: Cell, say: Callable[[str], None]) -> tuple[list[Measurement], Probe]:
    rows: list[Measurement] = []
    largest: int | None = None
    cell = first
    while True:
        found = bench.measured(cell, 0) or bench.run(cell, 0, None)
        if found.is_clean and largest is None:
            rows.append(unavailable(cell.variant, cell.settings, found.reason))
        elif found.status != "failed" or largest is None:  # else that is the answer
            rows.append(measurement(cell, [found]))
        if found.status != "timed":
            return rows, _probe(cell, largest, found.reason)
        say(f"{cell}: {1e3 * found.loop_s[0] / (found.steps or 1):.4g} ms a step")
        largest = cell.size.atoms
        try:
            size = size_near(bench.request.system, len(bench.base), _GROWTH * largest)
        except SettingError:
            return rows, _probe(cell, largest, "mdbench builds no more atoms")
        cell = replace(cell, size=size)


def _probe(cell: Cell, largest: int | None, reason: str) -> Probe:
    s = cell.settings
    return Probe(
        variant=cell.variant.name,
        device=s.device,
        precision=s.precision,
        threads=s.threads,
        ranks=s.ranks,
        largest_atoms=largest,
        next_atoms=cell.size.atoms if cell.size.atoms != largest else None,
        reason=reason,
    )
