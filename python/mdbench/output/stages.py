"""Runs of a log one behind the other, told apart by what holds temperature, pressure and cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mdbench.output.thermo import ThermoTable, join_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mdbench.output.echo import Condition, Setup
    from mdbench.output.log_blocks import Block

_LONG_ENOUGH = 0.1
"""Of the rows of the longest stage: a last one of fewer is a check, or was killed as it began."""


@dataclass(frozen=True)
class Stage:
    """Runs that share their timestep and what holds temperature, pressure and cell."""

    kind: str
    """``nvt``, ``npt`` or ``nve``."""
    conditions: tuple[Condition, ...]
    temperature_k: float | None
    """None for a ramp."""
    thermo: ThermoTable
    setup: Setup
    """In force in its last run."""
    timestep_fs: float
    num_atoms: int | None
    """At its end; None where the log does not say it."""

    @property
    def first(self) -> int:
        """Step at which it begins."""
        return int(self.thermo.steps[0])

    @property
    def last(self) -> int:
        """Its last step in the log."""
        return int(self.thermo.steps[-1])

    @property
    def is_ramp(self) -> bool:
        """Whether something is on its way from one value to another."""
        return any(start != stop for _, start, stop in self.conditions)

    def __str__(self) -> str:
        """As in 'npt (iso 1, temp 200 to 300)'."""
        held = [_said(*condition) for condition in self.conditions]
        return f"{self.kind} ({', '.join(held)})" if held else self.kind


def _said(name: str, start: str, stop: str) -> str:
    if name == "deform":
        return name
    return f"{name} {start}" if start == stop else f"{name} {start} to {stop}"


def stages_of(
    blocks: Sequence[Block], tables: Sequence[ThermoTable], timesteps_fs: Sequence[float]
) -> tuple[Stage, ...]:
    """Stages one behind the other; of minimisations, reruns and runs of no step there is none.

    Args:
        blocks: Of a log.
        tables: Of the blocks, in metal units.
        timesteps_fs: Of the blocks.
    """
    found: list[tuple[tuple[str, tuple[Condition, ...], float], list[int]]] = []
    for i, (block, table) in enumerate(zip(blocks, tables, strict=True)):
        kind, _ = block.setup.ensemble()
        if kind is None or block.setup.verb not in (None, "run") or len(table) < 2:  # noqa: PLR2004
            continue
        held = (kind, block.setup.conditions(), timesteps_fs[i])
        if not found or found[-1][0] != held:
            found.append((held, []))
        found[-1][1].append(i)
    return tuple(
        _stage(held, blocks[members[-1]], join_tables([tables[i] for i in members]))
        for held, members in found
    )


def _stage(
    held: tuple[str, tuple[Condition, ...], float], last: Block, thermo: ThermoTable
) -> Stage:
    kind, conditions, timestep_fs = held
    target = last.setup.ensemble()[1]
    ramps = any(name == "temp" and start != stop for name, start, stop in conditions)
    temperature_k = None if ramps else target
    return Stage(kind, conditions, temperature_k, thermo, last.setup, timestep_fs, last.num_atoms)


def stage_to_analyse(stages: Sequence[Stage]) -> Stage | None:
    """The last one that is long enough; None where there is none at all."""
    longest = max((len(stage.thermo) for stage in stages), default=0)
    enough = [s for s in stages if len(s.thermo) >= _LONG_ENOUGH * longest]
    return enough[-1] if enough else None
