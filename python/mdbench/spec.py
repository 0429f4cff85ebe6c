"""The specification of a run: what a user writes, validated, with units, frozen."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mdbench.spec_analysis import Analysis
from mdbench.spec_dispersion import Dispersion
from mdbench.spec_force_field import ForceField, Rbmd
from mdbench.spec_model import Model
from mdbench.spec_system import AnySystem, FileSystem
from mdbench.spec_types import (
    AtomsWord,
    Integer,
    OneOrMore,
    PressureBar,
    Section,
    Seed,
    TemperatureK,
    Text,
    TimeFs,
    TimeOrZeroFs,
    Yes,
    conflict,
)

_MOST_STEPS = 2**31 - 1  # what XTC can count
MOST_RANDOM = 899_990_000
"""Largest seed of LAMMPS's generators, less room for the ranks."""
_MOST_SEGMENTS = 10_000
_NPT_ONLY = ("barostat", "pressure_bar", "pdamp_fs", "coupling")
_LONGEST_TIMESTEP_FS = 20.0  # 0.005 in reduced units is 11 fs for argon, 17 fs for xenon


class Ensemble(Section):
    """What is held constant, and how."""

    kind: Literal["nvt", "npt", "nve"] = "nvt"
    """Constant volume and temperature, pressure and temperature, or volume and energy."""
    temperature_k: Annotated[
        tuple[TemperatureK, ...], Field(min_length=1, max_length=1000), OneOrMore()
    ] = Field((298.0,), alias="temperature")
    """One, or a list: a run for each."""
    thermostat: Literal["nose-hoover", "csvr", "langevin", "berendsen", "rescale"] = "nose-hoover"
    """What holds it; langevin slows diffusion, berendsen and rescale keep no ensemble."""
    tdamp_fs: TimeFs = Field(100.0, alias="tdamp")
    """Time constant of the thermostat; 100 to 200 time steps."""
    pressure_bar: PressureBar = Field(1.0, alias="pressure")
    """NPT only."""
    pdamp_fs: TimeFs = Field(1000.0, alias="pdamp")
    """Time constant of the barostat; about 1000 time steps; NPT only."""
    coupling: Literal["iso", "aniso", "x", "y", "z", "tri"] = "iso"
    """Which lengths of the cell the barostat moves; NPT only."""
    fixed: Annotated[tuple[AtomsWord, ...], OneOrMore()] | None = None
    """Atoms that do not move; elements, numbers in the whole structure such as "1-72", or "file":
    those that the structure's file fixes. Not with NPT."""
    barostat: Literal["nose-hoover", "berendsen"] = "nose-hoover"
    """Berendsen keeps no ensemble; NPT only."""
    bulk_modulus_bar: Annotated[PressureBar, Field(gt=0)] = Field(22_000.0, alias="bulk_modulus")
    """That the Berendsen barostat assumes, and no other; that of water by default."""

    @model_validator(mode="after")
    def _parts_go_together(self) -> Ensemble:
        if self.kind == "npt" and self.thermostat == "langevin":
            raise conflict("thermostat", "'langevin' does not go with kind 'npt': take 'csvr'")
        for name in () if self.kind == "npt" else _NPT_ONLY:
            field = type(self).model_fields[name]
            if getattr(self, name) != field.default:
                raise conflict(field.alias or name, "goes with kind = 'npt'")
        if self.kind == "npt" and self.fixed:
            raise conflict("fixed", "goes with a cell that does not change: not with kind = 'npt'")
        modulus = type(self).model_fields["bulk_modulus_bar"].default
        if self.barostat != "berendsen" and self.bulk_modulus_bar != modulus:
            raise conflict("bulk_modulus", "goes with barostat = 'berendsen'")
        if self.barostat == "berendsen" and self.coupling == "tri":
            raise conflict("coupling", "the berendsen barostat moves no angles: not 'tri'")
        if len({f"{t:g}" for t in self.temperature_k}) < len(self.temperature_k):
            raise conflict("temperature", "lists a value twice (six digits count)")
        return self


class Run(Section):
    """How long, from what, with what."""

    timestep_fs: TimeFs = Field(0.5, alias="timestep")
    """0.5 fs with hydrogen, 1 to 2 fs without."""
    equilibration_fs: TimeOrZeroFs = Field(2000.0, alias="equilibration")
    """Langevin thermostat of 100 fs, not analysed; with NPT the barostat works in it already."""
    production_fs: TimeFs = Field(10_000.0, alias="production")
    """What is analysed."""
    segment_fs: TimeFs | None = Field(None, alias="segment")
    """Length between restart files: what a crash can cost. A twentieth of the whole by default."""
    minimize: Yes = True
    """Relax the structure before the first step."""
    velocities: Literal["new", "file"] = "new"
    """Drawn anew for each run, or those of the structure file; then ``minimize`` is false."""
    seed: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000), OneOrMore()] = (1,)
    """Of the velocities. One, or a list: a run for each."""
    ranks: Annotated[Integer, Field(ge=1, le=4096)] = 1
    """MPI processes."""
    threads: Annotated[Integer, Field(ge=1, le=1024)] | None = None
    """Threads a rank; the cores of the machine shared by the ranks by default."""

    @model_validator(mode="after")
    def _values_make_sense(self) -> Run:
        if self.timestep_fs > _LONGEST_TIMESTEP_FS:
            why = f"{self.timestep_fs:g} fs is more than the {_LONGEST_TIMESTEP_FS:g} fs"
            raise conflict("timestep", f"{why} that any system stands")
        if len(set(self.seed)) < len(self.seed):
            raise conflict("seed", "lists a value twice")
        if self.velocities == "file" and self.minimize:
            raise conflict("minimize", "makes the velocities of a file worthless: set it to false")
        return self


class Output(Section):
    """What is written, and how often."""

    thermo_fs: TimeFs = Field(10.0, alias="thermo")
    """Interval of temperature, energies, pressure and cell."""
    frames_fs: TimeFs = Field(50.0, alias="frames")
    """Interval of positions."""
    format: Literal["xtc", "custom", "dcd", "extxyz"] = "xtc"
    """Of the trajectory; xtc is ten times smaller than text, to 0.001 A."""
    velocities_fs: TimeFs | None = Field(None, alias="velocities")
    """Interval of velocities for the vibrational spectrum, about 2 fs; none by default."""


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

    @property
    def random_seed(self) -> int:
        """For LAMMPS's generators, which add the rank to it.

        Seeds 1, 2, 3 would give rank 1 of one run the noise of rank 0 of the next, and all
        temperatures the same: far from each other here, they make runs independent from the start.
        """
        digest = hashlib.sha256(self.name.encode()).digest()
        return 1 + int.from_bytes(digest[:8], "big") % MOST_RANDOM


class RunSpec(Section):
    """A whole specification; see ``mdbench init`` for commented examples."""

    name: Annotated[
        str,
        Text(
            "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
            "1 to 64 letters, digits and _ . -, a letter or digit first",
        ),
    ] = "run"
    """Heads reports."""
    system: AnySystem
    """What is simulated."""
    model: Model = Model()
    """The potential."""
    force_field: ForceField = ForceField()
    """A classical force field instead of a model."""
    dispersion: Dispersion = Dispersion()
    """D3 dispersion added to the model."""
    ensemble: Ensemble = Ensemble()
    """What is held constant, and how."""
    run: Run = Run()
    """How long, from what, with what."""
    output: Output = Output()
    """What is written, and how often."""
    analysis: Analysis = Analysis()
    """What ``mdbench analyze`` computes beyond its defaults."""
    rbmd: Rbmd = Rbmd()
    """What ``mdbench export`` writes for RBMD beyond the rest."""

    @property
    def is_classical(self) -> bool:
        """Whether a force field takes the place of a model."""
        return self.force_field.kind != "none"

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
    def _one_potential(self) -> RunSpec:
        if not self.is_classical:
            return self
        if self.model != Model():
            raise conflict("model", "does not go with [force_field]: leave one of them out")
        if not isinstance(self.system, FileSystem):
            text = "a classical force field needs a LAMMPS data file with its numbers: file = '...'"
            raise conflict("system.builder", text)
        return self

    @model_validator(mode="after")
    def _each_temperature_has_its_viscosity(self) -> RunSpec:
        given, wanted = self.analysis.viscosity_mpas, self.ensemble.temperature_k
        # one for several was taken for all of them once: such campaigns are still to be read
        if given is not None and len(given) not in {1, len(wanted)}:
            text = f"lists {len(given)} for {len(wanted)} temperatures: give one for each, in order"
            raise conflict("analysis.viscosity", text)
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> RunSpec:
        run, output = self.run, self.output
        longest_fs = _MOST_STEPS * run.timestep_fs
        for key, length_fs in (
            ("run.equilibration", run.equilibration_fs),
            ("run.production", run.equilibration_fs + run.production_fs),
            ("run.segment", run.segment_fs or 0.0),
            ("output.thermo", output.thermo_fs),
            ("output.frames", output.frames_fs),
            ("output.velocities", output.velocities_fs or 0.0),
        ):
            if not length_fs < longest_fs:
                raise conflict(key, f"makes more than {_MOST_STEPS} steps, which XTC cannot count")
        plan = self.plan()
        if run.production_fs < output.frames_fs:
            raise conflict("run.production", "is shorter than output.frames: nothing to analyse")
        if plan.total > _MOST_STEPS:
            raise conflict("run.production", f"ends after step {_MOST_STEPS}, the last of XTC")
        if plan.total > plan.segment * _MOST_SEGMENTS:
            raise conflict("run.segment", f"makes more than {_MOST_SEGMENTS} segments: lengthen it")
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
            max(frames, whole_frames(self.run.segment_fs or total * dt / 20)),
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
