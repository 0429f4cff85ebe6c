"""From a specification to the LAMMPS script: a pure function.

One script serves the whole run. Without variables it runs from the first step to the last; the
driver calls it a segment at a time with ``-var first``, ``last``, ``from`` and ``out``. No text of
the user is in it: numbers, element symbols, words of a fixed list and fixed file names only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mdbench import __version__
from mdbench.reference_field import potential_lines as reference_lines

if TYPE_CHECKING:
    from mdbench.spec import RunSpec, Variant

EQUILIBRATION_DAMP_PS = 0.1
LARGEST_FORCE_EV_ANG = 100.0
"""Ten times what atoms feel in a liquid at 1,300 K; a run that exceeds it is stopped."""
HALT_CODE = 3
"""Exit code of the script after a blow-up."""
STOP_FILE = "stop"
"""A file of this name in the run folder ends the run with a checkpoint."""
STRUCTURE_FILE = "structure.data"
CHECKPOINT_LINE = "mdbench: checkpoint of step {}"
"""Printed after the restart file has been read back."""


@dataclass(frozen=True)
class InputFacts:
    """What the script needs to know beyond the specification."""

    elements: tuple[str, ...]  # of the atom types
    boundary: str  # "p p p"
    num_atoms: int
    model_file: str  # name in the run folder


def render(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    """The LAMMPS script of one run.

    Args:
        spec: The specification.
        variant: Temperature and seed.
        facts: Of the prepared run folder.
    """
    plan = spec.plan()
    parts = [
        _head(spec, variant, facts),
        _potential(spec, facts),
        _settings(spec),
        _start(spec, variant),
        _output(spec, facts),
        _guards(variant, facts),
    ]
    if plan.equilibration:
        parts.append(_equilibration(spec, variant))
    parts += [_production(spec, variant), _finish()]
    return "\n".join(parts)


def _head(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    style = "full" if spec.model.is_reference else "atomic"
    return f"""\
# {spec.name}, {variant.temperature_k:g} K, seed {variant.seed}; written by mdbench {__version__}
#
#   lmp -in run.in                                     the whole run, files run.*
#   lmp -in run.in -var first STEP -var last STEP -var from RESTART -var out NAME     a segment

variable first index 0
variable last  index {spec.plan().total}
variable from  index none
variable out   index run

log         ${{out}}.log
units       metal
atom_style  {style}
atom_modify map yes
newton      on
boundary    {facts.boundary}
if "${{first}} == 0" then "read_data {STRUCTURE_FILE}" else "read_restart ${{from}}"
"""


def _potential(spec: RunSpec, facts: InputFacts) -> str:
    if spec.model.is_reference:
        return reference_lines() + "\n"
    model = spec.model
    torchscript = facts.model_file.endswith(".pt")
    precision = "single" if torchscript and model.precision == "mixed" else model.precision
    words = ["precision", precision]
    if model.device != "auto":
        words += ["device", model.device]
    if model.head:
        words += ["head", model.head]
    if spec.dispersion.method == "d3":
        words += ["d3", *spec.dispersion.words()]
    return (
        f"pair_style  mace {' '.join(words)}\n"
        f"pair_coeff  * * {facts.model_file} {' '.join(facts.elements)}\n"
    )


def _settings(spec: RunSpec) -> str:
    lengths = " lx ly lz" if spec.ensemble.kind == "npt" else ""
    return f"""\
neighbor     1.0 bin
neigh_modify every 1 delay 0 check yes
timestep     {spec.run.timestep_fs / 1000:.10g}          # ps
thermo       {spec.plan().thermo}
thermo_style custom step time temp pe etotal press pxx pyy pzz vol density{lengths} fmax
thermo_modify flush yes lost error format float %.10g
"""


def _start(spec: RunSpec, variant: Variant) -> str:
    t, seed = f"{variant.temperature_k:.10g}", variant.seed
    lines = ['if "${first} > 0" then "jump SELF dynamics"']
    if spec.run.minimize:
        lines += [
            "log         ${out}.minimize.log",
            "min_style   fire",
            "minimize    0 0.05 300 2000",
            "reset_timestep 0",
            "log         ${out}.log append",
        ]
    lines.append(f"velocity    all create {t} {seed} mom yes rot no dist gaussian")
    return "\n".join([*lines, "label dynamics\n"])


_DUMPS = {
    "xtc": ("xtc", "", "unwrap yes precision 10000"),
    "dcd": ("dcd", "", "unwrap yes"),
    "custom": ("custom", " id type xu yu zu", "sort id format float %.10g"),
    "extxyz": ("extxyz", "", "sort id element {elements}"),
}


def _output(spec: RunSpec, facts: InputFacts) -> str:
    plan = spec.plan()
    style, columns, modify = _DUMPS[spec.output.format]
    modify = modify.format(elements=" ".join(facts.elements))
    text = f"""\
variable    after equal "v_first + (v_first > 0)"   # that frame is in the file before
dump        frames all {style} {plan.frames} ${{out}}.{spec.output.format}{columns}
dump_modify frames {modify} delay ${{after}}
"""
    if plan.velocities:
        text += f"""\
dump        velocities all custom {plan.velocities} ${{out}}.velocities id vx vy vz
dump_modify velocities sort id format float %.6g delay ${{after}}
"""
    return text


def _guards(variant: Variant, facts: InputFacts) -> str:
    hottest = 5 * variant.temperature_k + 500
    sane = (
        f"temp < {hottest:.10g} && fmax < {LARGEST_FORCE_EV_ANG:g} && "
        f"count(all) == {facts.num_atoms}"
    )
    return f"""\
# A blow-up ends the run within a step; a file "{STOP_FILE}" ends it with a checkpoint.
variable    sane equal "{sane}"
variable    stop equal is_file({STOP_FILE})
fix         blowup all halt 1 v_sane == 0 error soft message yes
fix         request all halt 10 v_stop == 1 error soft message yes
"""


def _barostat(spec: RunSpec) -> str:
    held, p = spec.ensemble, f"{spec.ensemble.pressure_bar:.10g}"
    return f"{held.coupling} {p} {p} {held.pdamp_fs / 1000:.10g}"


def _noise(variant: Variant) -> str:
    """A seed that differs between segments: the generator's state is not in a restart file."""
    return f'variable    noise equal "1 + ({variant.seed} + v_first) % 899999999"\n'


def _equilibration(spec: RunSpec, variant: Variant) -> str:
    plan, t = spec.plan(), f"{variant.temperature_k:.10g}"
    integrate = f"nph {_barostat(spec)}" if spec.ensemble.kind == "npt" else "nve"
    return f"""\
# Equilibration, {plan.equilibration} steps: Langevin, which no slow mode escapes.
if "${{first}} >= {plan.equilibration}" then "jump SELF production"
{_noise(variant)}fix         bath all langevin {t} {t} {EQUILIBRATION_DAMP_PS} ${{noise}} zero yes
fix         integrate all {integrate}
variable    upto equal "ternary(v_last < {plan.equilibration}, v_last, {plan.equilibration})"
run         ${{upto}} upto
if "$(step) >= ${{last}} || $(step) < ${{upto}}" then "jump SELF finish"
unfix       bath
unfix       integrate
label production
"""


def _production(spec: RunSpec, variant: Variant) -> str:
    held, t = spec.ensemble, f"{variant.temperature_k:.10g}"
    tdamp = f"{held.tdamp_fs / 1000:.10g}"
    lines = [f"# Production: {held.kind.upper()}."]
    if held.kind != "nve":
        lines.append("fix         drift all momentum 1000 linear 1 1 1")
    if held.kind == "nve":
        lines.append("fix         integrate all nve")
    elif held.thermostat == "nose-hoover":
        barostat = f" {_barostat(spec)}" if held.kind == "npt" else ""
        lines.append(f"fix         integrate all {held.kind} temp {t} {t} {tdamp}{barostat}")
    else:
        integrate = f"nph {_barostat(spec)}" if held.kind == "npt" else "nve"
        bath = {"csvr": "temp/csvr", "langevin": "langevin"}[held.thermostat]
        zero = " zero yes" if bath == "langevin" else ""
        lines.append(
            _noise(variant) + f"fix         bath all {bath} {t} {t} {tdamp} ${{noise}}{zero}"
        )
        lines.append(f"fix         integrate all {integrate}")
    lines.append("run         ${last} upto\n")
    return "\n".join(lines)


def _finish() -> str:
    state = "id type xu yu zu vx vy vz fx fy fz modify sort id"
    return f"""\
label finish
if "$(step) < ${{last}} && $(is_file({STOP_FILE})) == 0" then &
  "write_dump all custom ${{out}}.blowup {state}" "quit {HALT_CODE}"
write_restart ${{out}}.restart
# Read back, so that a file cut short is noticed now.
clear
read_restart ${{out}}.restart
print       "{CHECKPOINT_LINE.format("$(step:%.0f)")}"
"""
