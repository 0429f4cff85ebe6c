"""The LAMMPS script of one cell of the benchmark: agreement first, then warm-up and timed runs.

The program that is timed is the one that is checked: it compares its own forces with the reference
and ends there if they are off. Python variants run the same text in two parts, with the forces set
up in between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mdbench.systems import species_order, write_data

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from mdbench.core import PointResult

REFUSED_CODE = 3
LAMMPS_SCREEN = "screen.lammps"
"""Where LAMMPS prints to inside a Python process."""

SAID = "mdbench"
"""First word of the lines that are read back."""

_MOST_STEPS = 20_000
_DAMPING_STEPS = 100
_WARM_UP_SHARE = 0.5  # of the time of a timed run
_OTHER_STEPS = 4  # forces of the start, and the steps that find out what one takes


@dataclass(frozen=True)
class Timing:
    """What is run."""

    repeats: int
    steps: int | None
    """Of a timed run; None: as many as take ``target_s``."""
    warmup_steps: int
    """At least."""
    least_steps: int
    target_s: float
    timestep_fs: float
    temperature_k: float
    skin_ang: float
    seed: int

    def with_steps(self, steps: int) -> Timing:
        """The same for a known number of steps, warmed up as if they had been chosen here."""
        warm = max(self.warmup_steps, math.ceil(_WARM_UP_SHARE * steps))
        return replace(self, steps=steps, warmup_steps=warm)

    def seconds(self, step_s: float) -> float:
        """Of all steps of a process, given those of one: see :func:`timing_part`."""
        warm, timed = self.warmup_steps, self.steps
        if timed is None:
            wanted = min(_MOST_STEPS, self.target_s / step_s)
            warm = max(warm, math.ceil(_WARM_UP_SHARE * wanted))
            timed = max(self.least_steps, math.ceil(wanted))
        return step_s * (_OTHER_STEPS + warm + self.repeats * timed)


@dataclass(frozen=True)
class Start:
    """The starting state of a size, on disk, with its reference."""

    folder: Path
    elements: tuple[str, ...]
    num_atoms: int
    energy_ev: float
    rms_force_ev_ang: float

    @property
    def data(self) -> Path:
        """LAMMPS data file."""
        return self.folder / "start.data"

    def force_file(self, axis: str) -> Path:
        """Reference forces along an axis."""
        return self.folder / f"reference.{axis}"


def write_start(
    folder: Path, base: Atoms, repeat: tuple[int, int, int], exact: PointResult
) -> Start:
    """Write a supercell and its reference: that of the cell, repeated.

    Args:
        folder: To write into.
        base: Cell.
        repeat: Copies along its vectors.
        exact: Of the cell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    atoms = base.repeat(repeat)
    copies = len(atoms) // len(base)
    species = tuple(species_order(base))
    rms = float((exact.forces**2).mean() ** 0.5)
    start = Start(folder, species, len(atoms), exact.energy * copies, rms)
    write_data(start.data, atoms, species)
    for k, axis in enumerate("xyz"):
        column = exact.forces[:, k].tolist() * copies
        rows = [f"{i} {value:.17g}" for i, value in enumerate(column, start=1)]
        start.force_file(axis).write_text("\n".join([str(len(rows)), *rows]) + "\n")
    return start


def _quoted(path: Path) -> str:
    """One word for LAMMPS, whatever blanks it holds."""
    return f'"{path}"'


def structure_part(start: Start) -> str:
    """Up to the point where forces are set up."""
    return f"""units metal
atom_style atomic
atom_modify map yes
newton on
boundary p p p
read_data {_quoted(start.data)}
"""


def plugin_part(start: Start, model: Path, style: str) -> str:
    """Forces by the plugin."""
    return f"""pair_style mace {style}
pair_coeff * * {_quoted(model)} {" ".join(start.elements)}
compute graph all pair mace
"""


def agreement_part(start: Start, timing: Timing, commands: tuple[str, ...], edges: str) -> str:
    """Energy and forces of the starting structure beside the reference."""
    files = "\n".join(
        f"variable exact_{a} atomfile {_quoted(start.force_file(a))}\n"
        f'variable off_{a} atom "abs(f{a} - v_exact_{a})"'
        for a in "xyz"
    )
    extra = "\n".join(commands)
    return f"""{extra}
neighbor {timing.skin_ang!r} bin
neigh_modify every 1 delay 0 check yes
velocity all create {timing.temperature_k!r} {timing.seed} mom yes rot no dist gaussian loop all
timestep {timing.timestep_fs * 1e-3!r}
{files}
compute off all reduce max v_off_x v_off_y v_off_z
thermo_style custom step temp pe c_off[1] c_off[2] c_off[3] {edges}
run 0 post no
variable force_off_xy equal "{_larger("c_off[1]", "c_off[2]")}"
variable force_off equal "{_larger("v_force_off_xy", "c_off[3]")}"
variable energy_off equal "abs(pe - {start.energy_ev!r}) / atoms"
variable ready timer
print "{SAID} agreement {_now("force_off")} {_now("energy_off")}"
print "{SAID} ready {_now("ready")}"
{f'print "{SAID} edges $({edges})"' if edges else ""}
"""


def _larger(a: str, b: str) -> str:
    """A formula for the larger of two values that are not negative; NaN if one is NaN."""
    return f"({a} > {b})*{a} + ({a} <= {b})*{b}"


def _now(name: str) -> str:
    return f"$(v_{name}:%.9g)"


def gate_part(force_tolerance: float, energy_tolerance: float) -> str:
    """End here unless both are within their tolerances; what is no number is not."""
    inside = f"(v_force_off <= {force_tolerance!r}) && (v_energy_off <= {energy_tolerance!r})"
    return f"""variable agrees equal "{inside}"
if "{_now("agrees")} != 1" then "print '{SAID} refused'" "quit {REFUSED_CODE}"
"""


def timing_part(folder: Path, timing: Timing) -> str:
    """Warm-up and timed runs, each from the same starting state, with nothing written meanwhile."""
    start = _quoted(folder / "start.dump")
    nvt = (
        f"fix md all nvt temp {timing.temperature_k!r} {timing.temperature_k!r} "
        f"{_DAMPING_STEPS * timing.timestep_fs * 1e-3!r}"
    )
    again = f"unfix md\nread_dump {start} 0 x y z vx vy vz box no replace yes\n{nvt}"
    return f"""uncompute off
thermo_style custom step temp pe etotal
thermo 1000000000
write_dump all custom {start} id x y z vx vy vz modify format float %.17g
{nvt}
run 1 post no
{_warm_up(folder, timing)}
print "{SAID} steps ${{steps}}"
print "{SAID} timed"
variable count loop {timing.repeats}
label again
{again}
run ${{steps}}
next count
jump SELF again
"""


def _warm_up(folder: Path, timing: Timing) -> str:
    """Steps before the timed ones, and how many of those there are.

    A rank's clock is its own, so that what follows from it goes through a file: rank 0 writes it
    and LAMMPS reads it for all.
    """
    if timing.steps is not None:
        return f"run {timing.warmup_steps} post no\nvariable steps index {timing.steps}"
    chosen = _quoted(folder / "chosen.in")

    def choose(name: str, low: int, share: float) -> str:
        return (
            f'variable each equal "(v_t1 - v_t0) / (v_ran + 1)"\n'
            f'variable wanted equal "{share * timing.target_s!r} / v_each"\n'
            f'variable most equal "(v_wanted < {_MOST_STEPS}) * v_wanted + '
            f'(v_wanted >= {_MOST_STEPS}) * {_MOST_STEPS}"\n'
            f'variable {name}_chosen equal "ceil({_larger("v_most", str(low))})"\n'
            f'print "variable {name} index $(v_{name}_chosen:%.0f)" '
            f"file {chosen} screen no\n"
        )

    return f"""variable ran equal 2
variable t0 timer
run 2 post no
variable t1 timer
{choose("warm", timing.warmup_steps, _WARM_UP_SHARE)}include {chosen}
variable ran equal ${{warm}}
variable t0 timer
run ${{warm}} post no
variable t1 timer
{choose("steps", timing.least_steps, 1.0)}include {chosen}"""
