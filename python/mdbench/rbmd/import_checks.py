"""What of a control file our specification cannot say, or what is missing in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mdbench.rbmd.control import Control, Every

    Problem = tuple[str, str]
    """Dotted key, and what is wrong with it and what to do."""

THERMOSTATS = {
    "BERENDSEN": "berendsen",
    "NOSE_HOOVER": "nose-hoover",
    "TEMP_RESCALE": "rescale",
    "RESCALE": "rescale",
    "LANGEVIN": "langevin",
}
"""Words of ``temp_ctrl_type`` and of ours."""
BAROSTATS = {"BERENDSEN": "berendsen", "NOSE_HOOVER": "nose-hoover"}
"""The same for ``press_ctrl_type``."""
MOST_STEPS = 2**31 - 1

_HYPER = "hyper_parameters"


def word(text: str | None) -> str:
    """A word of RBMD as the tables have it."""
    return (text or "").strip().upper().replace("-", "_")


def refusals(control: Control) -> Iterator[Problem]:
    """All problems that the control file shows by itself."""
    yield from _of_execution(control)
    yield from _of_bath(control)
    yield from _of_force_field(control)
    yield from _of_neighbours(control)
    yield from _of_charges(control)
    yield from _of_outputs(control)


def _of_execution(control: Control) -> Iterator[Problem]:
    execution = control.execution
    if execution.num_steps > MOST_STEPS:
        yield "execution.num_steps", f"is more than {MOST_STEPS}: make it smaller"
    if execution.integration_type == "bm":
        yield "execution.integration_type", "'bm' is not known to mdbench: write \"vv\""
    if execution.group.lower() != "all":
        yield "execution.group", 'mdbench moves all atoms: write "all"'
    momentum = execution.momentum_control
    if momentum is None:
        return
    key = "execution.momentum_control"
    if momentum.group.lower() != "all":
        yield f"{key}.group", 'mdbench moves all atoms: write "all"'
    for name in ("angular", "rescale"):
        if getattr(momentum, name):
            yield f"{key}.{name}", "mdbench takes away linear momentum only: write false"


def _of_bath(control: Control) -> Iterator[Problem]:
    execution = control.execution
    ramps = {"temperature": execution.temperature, "pressure": execution.pressure}
    held = {"NVE": (), "NVT": ("temperature",), "NPT": ("temperature", "pressure")}
    controls = {
        "temperature": ("temp_ctrl_type", execution.temp_ctrl_type, THERMOSTATS),
        "pressure": ("press_ctrl_type", execution.press_ctrl_type, BAROSTATS),
    }
    for name in held[execution.ensemble]:
        key, ramp = f"execution.{name}", ramps[name]
        if ramp is None:
            yield key, f"is missing: {execution.ensemble} needs [start, end, damping time]"
        elif ramp[0] != ramp[1]:
            why = f"goes from {ramp[0]:g} to {ramp[1]:g}"
            yield key, f"{why}, and mdbench has no ramps: write two equal numbers"
        elif ramp[2] <= 0:
            yield key, f"has the damping time {ramp[2]:g}: write one above 0"
        control_key, given, known = controls[name]
        if word(given) not in known:
            what = "is missing" if given is None else f"{given[:40]!a} is not known to mdbench"
            yield f"execution.{control_key}", f"{what}: write one of {', '.join(known)}"


def _of_force_field(control: Control) -> Iterator[Problem]:
    block = control.hyper_parameters.force_field
    unit, key = control.init_configuration.read_data.unit, f"{_HYPER}.force_field"
    needed = {"EAM": "METAL", "MACE": "REAL"}.get(block.type, unit)
    if unit != needed:
        yield (
            "init_configuration.read_data.unit",
            f"is {unit}, but {block.type} is in unit {needed}: convert the data file",
        )
    if block.type == "EAM" and not block.potential_file:
        yield f"{key}.potential_file", "is missing: name the DYNAMO funcfl file"
    if block.type == "MACE" and not block.model_file:
        yield f"{key}.model_file", "is missing: name the TorchScript file of the model"


def _of_neighbours(control: Control) -> Iterator[Problem]:
    block, key = control.hyper_parameters.neighbor, f"{_HYPER}.neighbor"
    if block.type == "RBL" and block.r_core is None:
        yield f"{key}.r_core", "is missing: RBL needs the radius within which all neighbours count"
    if block.type == "RBL" and block.neighbor_sample_num is None:
        yield f"{key}.neighbor_sample_num", "is missing: RBL needs the number of neighbours drawn"
    if block.type == "RBL" and block.r_core is not None and block.r_core >= block.cut_off:
        yield f"{key}.r_core", "is not less than cut_off: make it smaller"


def _of_charges(control: Control) -> Iterator[Problem]:
    kind, block = control.hyper_parameters.force_field.type, control.hyper_parameters.coulomb
    key = f"{_HYPER}.coulomb"
    if kind not in {"CVFF", "LJ/CUT/COUL/LONG"}:
        return
    if block is None:
        yield key, f"is missing: {kind} has charges"
        return
    if block.type in {"RBE", "EWALD"} and block.alpha is None and block.accuracy is None:
        yield f"{key}.alpha", f"is missing: {block.type} needs alpha or accuracy"
    if block.type in {"RBE", "RBSOG"} and block.coulomb_sample_num is None:
        yield f"{key}.coulomb_sample_num", f"is missing: {block.type} needs the number of samples"


def _of_outputs(control: Control) -> Iterator[Problem]:
    outputs = control.outputs
    blocks: dict[str, Every | None] = {
        "thermo_out": outputs.thermo_out,
        "trajectory_out": outputs.trajectory_out,
        "vacf_out": outputs.vacf_out,
    }
    for name, block in blocks.items():
        if block is not None and block.enabled and not 0 < block.interval <= MOST_STEPS:
            text = f"{block.interval} is no number of steps: write one from 1 to {MOST_STEPS}"
            yield f"outputs.{name}.interval", text
