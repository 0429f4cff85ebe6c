"""The specification of a run: what a user writes, validated, with units, frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mdbench.spec_system import (
    AnySystem,
    Element,
    LengthAng,
    PressureBar,
    PrintablePath,
    Section,
    Seed,
    TemperatureK,
    TimeFs,
    TimeOrZeroFs,
    ViscosityMpas,
    listed,
)


class Model(Section):
    """The potential."""

    file: PrintablePath = Path("bundled")
    """``*.mace``, ``*.pt`` or ``*.model``; ``bundled``; ``reference``: the classical force field
    that labelled the bundled model's data."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Needed for ``*.pt`` and ``*.model`` files, which are code."""
    head: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,64}$")] | None = None
    precision: Literal["single", "double", "mixed"] = "mixed"
    """TorchScript files know ``single`` and ``double``: ``mixed`` is single there."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:\d{1,2})$")] = "auto"

    @property
    def is_reference(self) -> bool:
        """Whether this is the classical force field instead of a model file."""
        return str(self.file) == "reference"


class Dispersion(Section):
    """D3 dispersion added to the model."""

    method: Literal["none", "d3"] = "none"
    functional: Literal["pbe", "revpbe", "pbesol", "blyp", "b3lyp", "scan"] = "pbe"
    damping: Literal["bj", "zero"] = "bj"
    cutoff_ang: LengthAng = Field(15.0, alias="cutoff")
    coordination_cutoff_ang: LengthAng = Field(10.0, alias="coordination_cutoff")
    allow_double_counting: bool = False


class Ensemble(Section):
    """What is held constant, and how."""

    kind: Literal["nvt", "npt", "nve"] = "nvt"
    temperature_k: Annotated[
        tuple[TemperatureK, ...], BeforeValidator(listed), Field(min_length=1)
    ] = Field((298.0,), alias="temperature")
    """One, or a list: a run for each."""
    thermostat: Literal["nose-hoover", "csvr", "langevin"] = "nose-hoover"
    tdamp_fs: TimeFs = Field(100.0, alias="tdamp")
    pressure_bar: PressureBar = Field(1.0, alias="pressure")
    pdamp_fs: TimeFs = Field(1000.0, alias="pdamp")
    coupling: Literal["iso", "aniso", "x", "y", "z", "tri"] = "iso"
    """Which lengths of the cell the barostat moves."""

    @model_validator(mode="after")
    def _barostat_needs_nose_hoover(self) -> Ensemble:
        if self.kind == "npt" and self.thermostat == "langevin":
            raise ValueError("kind 'npt' goes with thermostat 'nose-hoover' or 'csvr'")
        if len(set(self.temperature_k)) < len(self.temperature_k):
            raise ValueError("temperature lists a value twice")
        return self


class Run(Section):
    """How long, from what, with what."""

    timestep_fs: TimeFs = Field(0.5, alias="timestep")
    equilibration_fs: TimeOrZeroFs = Field(2000.0, alias="equilibration")
    """Langevin thermostat of 100 fs, not analysed; with NPT the barostat works in it already."""
    production_fs: TimeFs = Field(10_000.0, alias="production")
    segment_fs: TimeFs | None = Field(None, alias="segment")
    """Length between restart files: what a crash can cost. A twentieth of the whole by default."""
    minimize: bool = True
    """Relax the structure before the first step."""
    seed: Annotated[tuple[Seed, ...], BeforeValidator(listed), Field(min_length=1)] = (1,)
    """One, or a list: a run for each."""
    ranks: Annotated[int, Field(ge=1, le=4096)] = 1
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads a rank; the cores of the machine shared by the ranks by default."""


class Output(Section):
    """What is written, and how often."""

    thermo_fs: TimeFs = Field(10.0, alias="thermo")
    frames_fs: TimeFs = Field(50.0, alias="frames")
    format: Literal["xtc", "custom", "dcd", "extxyz"] = "xtc"
    velocities_fs: TimeFs | None = Field(None, alias="velocities")
    """Interval of velocities for the vibrational spectrum, about 2 fs; none by default."""


class Analysis(Section):
    """What ``mdbench analyze`` computes beyond its defaults."""

    rdf: tuple[Annotated[str, Field(pattern=r"^[A-Z][a-z]?-[A-Z][a-z]?$")], ...] | None = None
    """Pairs such as ``O-H``; all pairs of elements by default."""
    rdf_range_ang: LengthAng = Field(8.0, alias="rdf_range")
    profile: Element | None = None
    """Element of the density profile along z over a sheet; O by default where there is a sheet."""
    sheet: Element = "C"
    diffusion: tuple[Element, ...] | None = None
    """Elements; all that are mobile by default."""
    viscosity_mpas: ViscosityMpas | None = Field(None, alias="viscosity")
    """Turns on the Yeh-Hummer correction of the diffusion coefficient."""


@dataclass(frozen=True)
class Plan:
    """A run in steps."""

    equilibration: int
    total: int
    segment: int
    thermo: int
    frames: int
    velocities: int | None

    def boundaries(self) -> list[int]:
        """Steps at which segments begin and end: their multiples, the equilibration's end."""
        marks = {0, self.equilibration, self.total, *range(0, self.total, self.segment)}
        return sorted(marks)


@dataclass(frozen=True)
class Variant:
    """One run of a specification: its temperature and seed."""

    name: str
    temperature_k: float
    seed: int


class RunSpec(Section):
    """A whole specification; see ``mdbench init`` for commented examples."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] = "run"
    system: AnySystem
    model: Model = Model()
    dispersion: Dispersion = Dispersion()
    ensemble: Ensemble = Ensemble()
    run: Run = Run()
    output: Output = Output()
    analysis: Analysis = Analysis()

    @model_validator(mode="before")
    @classmethod
    def _file_is_a_builder(cls, data: Any) -> Any:  # noqa: ANN401
        """``[system] file = ...`` alone means the builder ``file``."""
        if isinstance(data, dict):
            system = data.get("system")
            if isinstance(system, dict) and "file" in system and "builder" not in system:
                return {**data, "system": {"builder": "file", **system}}
        return data

    @model_validator(mode="after")
    def _lengths_fit(self) -> RunSpec:
        plan = self.plan()
        if plan.total - plan.equilibration < plan.frames:
            raise ValueError("run.production is shorter than output.frames: no frame to analyse")
        if plan.total > 2**31 - 1:
            raise ValueError("run.production is more than 2147483647 steps, which XTC cannot count")
        return self

    def plan(self) -> Plan:
        """Lengths and intervals in steps; intervals are at least a step, lengths whole frames."""
        dt: float = self.run.timestep_fs

        def every(length_fs: float) -> int:
            return max(1, round(length_fs / dt))

        frames = every(self.output.frames_fs)

        def whole_frames(length_fs: float) -> int:
            return math.ceil(length_fs / dt / frames - 1e-9) * frames

        equilibration = whole_frames(self.run.equilibration_fs)
        total = equilibration + whole_frames(self.run.production_fs)
        return Plan(
            equilibration,
            total,
            whole_frames(self.run.segment_fs or total * dt / 20),
            every(self.output.thermo_fs),
            frames,
            every(self.output.velocities_fs) if self.output.velocities_fs else None,
        )

    def variants(self) -> list[Variant]:
        """Every combination of temperature and seed."""
        return [
            Variant(f"{t:g}K-seed{s}", t, s)
            for t in self.ensemble.temperature_k
            for s in self.run.seed
        ]
