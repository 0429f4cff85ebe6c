"""A scaling run as data: what a result file holds, and what follows from it at once.

``Result`` is what fits, tables, figures and comparisons take; ``result_file`` reads and writes it.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import field
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from mdbench.scaling.fields import CONFIG, Count, Line, MaybeNumber, NotNegative, Positive, Seconds
from mdbench.scaling.fitted import Fits, Series

SCHEMA: Literal["mdbench-scaling-1"] = "mdbench-scaling-1"
SECTIONS = ("Pair", "Neigh", "Comm", "Modify", "Output", "Other")
"""Of the time of a run, as LAMMPS divides it."""
PAPER_STEPS = 10_000
"""The papers give seconds for so many steps."""

_FS_PER_DAY_AND_NS = 86.4
"""ns/day = this x timestep in fs / time of a step in ms."""

Status = Literal["timed", "unavailable", "refused", "failed", "skipped"]


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Machine:
    """What was measured on, with what; no names of machines or people."""

    cpu: Line
    cores: Count
    """Physical ones that the run could use."""
    memory_gib: Positive
    gpus: tuple[Line, ...] = ()
    driver: Line = ""
    gpu_clocks: Line = ""
    """Of the GPU, such as ``1980 MHz (SM), 2619 MHz (memory)``."""
    cpu_mhz: MaybeNumber = None
    governor: Line = ""
    load: MaybeNumber = None
    """Load average over a minute before the first measurement."""
    system: Line = ""
    versions: dict[Line, Line]
    commit: Line = ""

    @property
    def hardware(self) -> tuple[str, int, tuple[str, ...]]:
        """What must be equal for times to be comparable."""
        return self.cpu, self.cores, self.gpus

    def __str__(self) -> str:
        """One line for tables."""
        text = f"{self.cores} core{'s' if self.cores != 1 else ''} of {self.cpu}"
        return ", ".join([text, *self.gpus])


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Protocol:
    """How it was measured."""

    steps: Count | None
    """Of a timed run; None: chosen for each size, see the measurements."""
    warmup_steps: Annotated[int, Field(ge=0)]
    repeats: Count
    timestep_fs: Positive
    ensemble: Line
    temperature_k: NotNegative
    skin_ang: NotNegative
    seed: int
    environment: dict[Line, Line]
    """Variables that pin threads and the like."""
    reference: Line = ""
    """What energies and forces were compared with before timing."""


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Model:
    """The model that was timed."""

    file: Line
    """Name without folder."""
    sha256: Line
    architecture: Line
    """Shape in words, such as ``128x0e+128x1o, 2 layers, correlation 3``."""
    r_max_ang: Positive
    random_weights: bool = False
    """Then models of one architecture are comparable whatever their SHA-256."""

    @property
    def identity(self) -> str:
        """What must be equal for times to be comparable."""
        if self.random_weights:
            return f"random weights, {self.architecture}, r_max {self.r_max_ang:g} A"
        return self.sha256


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class System:
    """What was simulated."""

    name: Line
    base_cell: Line
    """The cell that all sizes are supercells of."""
    model: Model


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Measurement:
    """One variant at one size, timed or with the reason why not."""

    variant: Line
    device: Line
    precision: Line
    threads: Count
    ranks: Count
    status: Status
    atoms: Count | None
    """None: a variant that cannot run at any size."""
    supercell: Line = ""
    reason: Line = ""
    """Empty only when timed."""
    kernel: Line = ""
    """Read back from what ran."""
    steps: Count | None = None
    """Of each timed run."""
    loop_s: tuple[Seconds, ...] = ()
    """LAMMPS's loop time of each timed run, in their order."""
    processes: tuple[Count, ...] = ()
    """How many of them each process gave, in their order; empty: one process gave all."""
    setup_s: MaybeNumber = None
    edges: MaybeNumber = None
    neighbours_per_atom: MaybeNumber = None
    shares: dict[Line, NotNegative] = field(default_factory=dict)
    """Pair, Neigh, Comm, Output, Other, in %."""
    rss_mib: MaybeNumber = None
    gpu_mib: MaybeNumber = None
    energy_error_ev_atom: MaybeNumber = None
    force_error_ev_ang: MaybeNumber = None
    """Largest difference of a component from the reference."""
    warnings: tuple[Line, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "timed":
            if not self.loop_s or self.steps is None or self.atoms is None:
                raise ValueError("a timed row needs atoms, steps and loop_s")
        elif not self.reason:
            raise ValueError(f"a row that is {self.status} needs a reason")
        elif self.loop_s:
            raise ValueError(f"a row that is {self.status} has no loop_s")
        if self.processes and sum(self.processes) != len(self.loop_s):
            raise ValueError("processes must add up to the number of loop_s")
        return self

    @property
    def series(self) -> Series:
        """The curve that it belongs to."""
        return Series(self.variant, self.device, self.precision, self.threads, self.ranks)

    @cached_property
    def ms_per_step(self) -> tuple[float, ...]:
        """Of each timed run; empty unless timed."""
        return tuple(1e3 * s / (self.steps or 1) for s in self.loop_s)

    @cached_property
    def median_ms(self) -> float:
        """Of a step; only of timed rows."""
        return statistics.median(self.ms_per_step)

    @cached_property
    def quartiles_ms(self) -> tuple[float, float]:
        """First and third, of a step; only of timed rows."""
        low, high = np.quantile(self.ms_per_step, [0.25, 0.75])
        return float(low), float(high)

    @property
    def relative_iqr(self) -> float:
        """Interquartile range over median: the noise; only of timed rows."""
        low, high = self.quartiles_ms
        return (high - low) / self.median_ms

    @property
    def seconds_10k(self) -> float:
        """Seconds for 10,000 steps, the papers' unit; only of timed rows."""
        return self.median_ms * PAPER_STEPS / 1e3

    @property
    def us_per_atom(self) -> float:
        """Microseconds an atom and step; only of timed rows."""
        return 1e3 * self.median_ms / (self.atoms or 1)

    def ns_per_day(self, timestep_fs: float) -> float:
        """Simulated time a day; only of timed rows."""
        return _FS_PER_DAY_AND_NS * timestep_fs / self.median_ms


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Probe:
    """The largest size of a series that ran."""

    variant: Line
    device: Line
    precision: Line
    threads: Count
    ranks: Count
    largest_atoms: Count | None
    """None: not even the smallest."""
    next_atoms: Count | None = None
    """The size that did not run."""
    reason: Line
    """Why it ended there: memory, time, limit."""

    @property
    def series(self) -> Series:
        """What was probed."""
        return Series(self.variant, self.device, self.precision, self.threads, self.ranks)


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Result:
    """A scaling run."""

    created: Line
    """UTC, ISO 8601."""
    command: Line
    machine: Machine
    protocol: Protocol
    system: System
    measurements: tuple[Measurement, ...]
    probes: tuple[Probe, ...] = ()
    fits: Fits | None = None
    """Made by ``mdbench.scaling.fits.with_fits``."""
    schema: Literal["mdbench-scaling-1"] = SCHEMA

    @model_validator(mode="after")
    def _once(self) -> Self:
        counts = Counter((m.series, m.atoms) for m in self.measurements)
        for (series, atoms), count in counts.items():
            if count > 1:
                size = "without a size" if atoms is None else f"of {atoms} atoms"
                raise ValueError(f"{count} measurements of {series} {size}")
        return self

    @property
    def timed(self) -> tuple[Measurement, ...]:
        """Rows with times."""
        return tuple(m for m in self.measurements if m.status == "timed")
