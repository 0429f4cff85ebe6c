"""From a specification to the LAMMPS script: a pure function.

One script serves the whole run. Without variables it runs from the first step to the last; the
driver calls it a segment at a time with ``-var first``, ``last``, ``from`` and ``out``. No text of
the user is in it: numbers, element symbols, words of a fixed list and fixed file names only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench import __version__
from mdbench.lammps_dynamics import equilibration, fixed_atoms, production, time, velocities
from mdbench.output.thermo import metal_factor

if TYPE_CHECKING:
    from mdbench.input_facts import InputFacts
    from mdbench.spec import RunSpec, Variant

LARGEST_FORCE_EV_ANG = 100.0
"""Ten times what atoms feel in a liquid at 1,300 K; a run that exceeds it is stopped."""
_SMALL_FORCE_EV_ANG = 0.05
"""Norm of all forces at which a minimisation ends."""
HALT_CODE = 3
"""Exit code of the script after a blow-up."""
STOP_FILE = "stop"
"""A file of this name in the run folder ends the run with a checkpoint."""
STRUCTURE_FILE = "structure.data"
ATOMS_FILE, POINT_LOG = "atoms.dump", "point.log"
"""What scripts of a moment write: the state or the forces of the atoms, and energies."""
_TIMED = ["timer       timeout 1 every 1", "run         200 post no"] * 3
"""At most a second each, at least a step."""
_LONGEST_STEP_ANG = 0.1
"""Longer than what atoms of a liquid make."""
RANKS_GUARD = """\
variable ranks index $(extract_setting(world_size))
if "$(extract_setting(world_size) < v_ranks) == 1" then &
  "print 'ERROR: LAMMPS runs on $(extract_setting(world_size)) MPI rank(s) instead of ${ranks}: \
mpiexec is not of its MPI library, see mdbench doctor'" "quit 1"
"""
"""Ends what ``-var ranks N`` asked for and another mpiexec started N times over, before anything
is written. More ranks than asked for are those of a program around LAMMPS."""
CHECKPOINT_LINE = "mdbench: checkpoint of step {}"
"""Printed after the restart file has been read back."""


def render(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    """The LAMMPS script of one run.

    Args:
        spec: The specification.
        variant: Temperature and seed.
        facts: Of the prepared run folder.
    """
    plan = spec.plan()
    parts = [
        *_system(spec, variant, facts),
        _start(spec, variant, facts),
        _output(spec, facts),
        _guards(variant, facts),
    ]
    if plan.equilibration:
        parts.append(_equilibration(spec, variant, facts))
    parts += [_production(spec, variant, facts), _finish(plan.thermo)]
    return "\n".join(parts)


def render_start(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    """The LAMMPS script that only does what comes before the first step, and dumps the atoms.

    Args:
        spec: The specification.
        variant: Temperature and seed.
        facts: Of the folder that it runs in.
    """
    state = f"{ATOMS_FILE} id x y z ix iy iz vx vy vz modify sort id format float %.17g\n"
    parts = [
        *_system(spec, variant, facts),
        _start(spec, variant, facts),
        f"write_dump all custom {state}",
    ]
    return "\n".join(parts)


def render_timed(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    """The LAMMPS script of a few steps, several times over, to see how long they take.

    Steps are cut short, so that a structure that is to be relaxed first does not blow up.

    Args:
        spec: The specification.
        variant: Temperature and seed.
        facts: Of the folder that it runs in.
    """
    moving = f"fix         integrate {facts.mobile} nve/limit {_LONGEST_STEP_ANG}\n{facts.rigid}"
    parts = [
        *_system(spec, variant, facts),
        *velocities(variant, facts),
        moving,
        *_TIMED,
    ]
    return "\n".join(parts) + "\n"


def _system(spec: RunSpec, variant: Variant, facts: InputFacts) -> list[str]:
    """Atoms, what acts on them, and settings: what scripts of runs begin with."""
    return [_head(spec, variant, facts), facts.potential, _settings(spec, facts)]


def render_point(facts: InputFacts, terms: str = "pe") -> str:
    """The LAMMPS script of energy and forces of the structure as it is, in the run's units.

    Coulomb forces are by formula there, not from tables of 1e-6, which make runs a third faster.

    Args:
        facts: Of the folder that it runs in.
        terms: Keywords of ``thermo_style custom``, such as ``pe evdwl ecoul elong ebond``.
    """
    return f"""\
units       {facts.units}
atom_style  {facts.atom_style}
atom_modify map yes
newton      on
boundary    {facts.boundary}
read_data   {STRUCTURE_FILE}

{facts.potential}
pair_modify table 0
thermo_style custom step {terms}
thermo_modify norm no format float %.17g
log         {POINT_LOG}
run         0 post no
write_dump  all custom {ATOMS_FILE} id fx fy fz modify sort id format float %.17g
"""


def _head(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    tilts = spec.ensemble.kind == "npt" and spec.ensemble.coupling == "tri"
    skew = ' "change_box all triclinic"' if tilts else ""  # a right-angled cell could not tilt
    return f"""\
# {spec.name}, {variant.temperature_k:g} K, seed {variant.seed}; written by mdbench {__version__}
#
#   lmp -in run.in                                     the whole run, files run.*
#   lmp -in run.in -var first STEP -var last STEP -var from RESTART -var out NAME     a segment

variable first index 0
variable last  index {spec.plan().total}
variable from  index none
variable out   index run
{RANKS_GUARD}
log         ${{out}}.log
units       {facts.units}
atom_style  {facts.atom_style}
atom_modify map yes
newton      on
boundary    {facts.boundary}
if "${{first}} == 0" then "read_data {STRUCTURE_FILE}"{skew} else "read_restart ${{from}}"
"""


def _settings(spec: RunSpec, facts: InputFacts) -> str:
    lengths = " lx ly lz" if spec.ensemble.kind == "npt" else ""
    unit = {"metal": "ps", "real": "fs"}[facts.units]
    return f"""\
neighbor     1.0 bin
neigh_modify every 1 delay 0 check yes
timestep     {time(spec.run.timestep_fs, facts.units)}          # {unit}
thermo       {spec.plan().thermo}
thermo_style custom step time temp pe etotal press pxx pyy pzz vol density{lengths} fmax
thermo_modify flush yes lost error format float %.10g
{fixed_atoms(facts)}"""


def _start(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    """Minimisation and velocities, into a log of their own; later segments skip them."""
    lines = []
    if spec.run.minimize:
        tolerance = f"{_SMALL_FORCE_EV_ANG / metal_factor('Fmax', facts.units):.10g}"
        lines += ["min_style   fire", f"minimize    0 {tolerance} 300 2000", "reset_timestep 0"]
    if spec.run.velocities == "new":
        lines += velocities(variant, facts)
    if not lines:
        return "label dynamics\n"
    jump = 'if "${first} > 0" then "jump SELF dynamics"'
    if len(lines) > 1:  # steps are made, and not of the run
        lines = ["log         ${out}.minimize.log", *lines, "log         ${out}.log append"]
    return "\n".join([jump, *lines, "label dynamics\n"])


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
    largest = f"{LARGEST_FORCE_EV_ANG / metal_factor('Fmax', facts.units):.10g}"
    sane = f"temp < {hottest:.10g} && fmax < {largest} && count(all) == {facts.num_atoms}"
    return f"""\
# A blow-up ends the run within a step; a file "{STOP_FILE}" ends it with a checkpoint.
variable    sane equal "{sane}"
variable    stop equal is_file({STOP_FILE})
fix         blowup all halt 1 v_sane == 0 error soft message yes
fix         request all halt 10 v_stop == 1 error soft message yes
"""


def _equilibration(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    end = spec.plan().equilibration
    moving, fixes = equilibration(spec, variant, facts)
    ends = "\n".join(f"unfix       {name}" for name in fixes)
    return f"""\
# Equilibration, {end} steps: Langevin, which no slow mode escapes.
if "${{first}} >= {end}" then "jump SELF production"
{moving}variable    upto equal "ternary(v_last < {end}, v_last, {end})"
run         ${{upto}} upto
if "$(step) >= ${{last}} || $(step) < ${{upto}}" then "jump SELF finish"
{ends}
label production
"""


def _production(spec: RunSpec, variant: Variant, facts: InputFacts) -> str:
    moving = production(spec, variant, facts)
    return f"# Production: {spec.ensemble.kind.upper()}.\n{moving}run         ${{last}} upto\n"


def _finish(thermo: int) -> str:
    """The end of a segment; what blew up is no checkpoint, whenever it did."""
    state = "id type xu yu zu vx vy vz fx fy fz modify sort id"
    return f"""\
label finish
if "${{sane}} == 0 || ($(step) < ${{last}} && $(is_file({STOP_FILE})) == 0)" then &
  "write_dump all custom ${{out}}.blowup {state}" "quit {HALT_CODE}"
# A row of thermo where a stop came between two: the next segment is held against it.
if "$(step % {thermo}) > 0" then "timer timeout off" "run 0 post no"
write_restart ${{out}}.restart
# Read back, so that a file cut short is noticed now.
clear
read_restart ${{out}}.restart
print       "{CHECKPOINT_LINE.format("$(step:%.0f)")}"
"""
