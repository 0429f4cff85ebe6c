"""RBMD's settings as the sections of our specification."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mdbench.output.thermo import TIME_FS
from mdbench.rbmd.import_checks import BAROSTATS, MOST_STEPS, THERMOSTATS, word
from mdbench.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mdbench.rbmd.control import Control, RdfOut

KINDS = {"LJ/CUT": "lj", "LJ/CUT/COUL/LONG": "lj-coulomb", "CVFF": "cvff", "EAM": "eam"}
"""Types of RBMD's force fields, and ours."""
_PRESSURE_BAR = {"REAL": UNITS["pressure"]["atm"], "METAL": 1.0}
KEYS = {
    "system.supercell": "init_configuration.read_data.replicate",
    "force_field.cutoff": "hyper_parameters.neighbor.cut_off",
    "force_field.special_bonds": "hyper_parameters.extend.special_bonds",
    "force_field.alpha": "hyper_parameters.coulomb.alpha",
    "force_field.kmax": "hyper_parameters.coulomb.kmax",
    "force_field.accuracy": "hyper_parameters.coulomb.accuracy",
    "force_field.potential_file": "hyper_parameters.force_field.potential_file",
    "force_field.dihedral": "hyper_parameters.force_field.dihedral_type",
    "force_field.improper": "hyper_parameters.force_field.improper_type",
    "model.file": "hyper_parameters.force_field.model_file",
    "ensemble.temperature": "execution.temperature",
    "ensemble.tdamp": "execution.temperature",
    "ensemble.thermostat": "execution.temp_ctrl_type",
    "ensemble.pressure": "execution.pressure",
    "ensemble.pdamp": "execution.pressure",
    "ensemble.bulk_modulus": "execution.pressure",
    "run.timestep": "execution.timestep",
    "run.production": "execution.num_steps",
    "output.thermo": "outputs.thermo_out.interval",
    "output.frames": "outputs.trajectory_out.interval",
    "output.velocities": "outputs.vacf_out.interval",
    "analysis.rdf_range": "outputs.rdf_out.radius",
    "rbmd.core": "hyper_parameters.neighbor.r_core",
    "rbmd.neighbor_samples": "hyper_parameters.neighbor.neighbor_sample_num",
    "rbmd.skin": "hyper_parameters.neighbor.skin",
    "rbmd.coulomb_samples": "hyper_parameters.coulomb.coulomb_sample_num",
}
"""Our keys, and those of RBMD that say the same."""

Sections = dict[str, dict[str, Any]]
Notes = list[tuple[str, str]]
"""Dotted key of RBMD and remark."""


def settings(control: Control, notes: Notes) -> Sections:
    """What of a specification the control file alone decides.

    Args:
        control: In unit REAL or METAL, without ``refusals``.
        notes: Remarks are added here.
    """
    sections: Sections = {
        "force_field": _force_field(control),
        "ensemble": _ensemble(control, notes),
        "run": {"equilibration": "0 fs", "minimize": False},
        "output": {},
        "rbmd": _rbmd(control),
    }
    if control.hyper_parameters.force_field.type == "MACE":
        del sections["force_field"]
    _lengths(control, sections, notes)
    _tell_short(control, notes)
    if control.outputs.rdf_out is not None:
        sections["analysis"] = {"rdf_range": _ang(control.outputs.rdf_out.radius)}
    if control.hyper_parameters.neighbor.type == "RBL":
        key = "hyper_parameters.neighbor.type"
        notes.append((key, "LAMMPS takes all neighbours within cut_off, no random batches"))
    return {name: section for name, section in sections.items() if section}


def _quantity(value: float, unit: str) -> str:
    return f"{float(value)!r} {unit}"


def _ang(value: float | None) -> str | None:
    return None if value is None else _quantity(value, "A")


def _given(section: dict[str, Any]) -> dict[str, Any]:
    """What the control file gives, as plain data."""
    given = {key: value for key, value in section.items() if value is not None}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in given.items()}


def _force_field(control: Control) -> dict[str, Any]:
    hyper = control.hyper_parameters
    block, coulomb = hyper.force_field, hyper.coulomb
    kind = KINDS.get(block.type, "none")
    section: dict[str, Any] = {
        "kind": kind,
        "units": control.init_configuration.read_data.unit.lower(),
        "cutoff": _ang(hyper.neighbor.cut_off) if kind != "eam" else None,
    }
    if kind in {"cvff", "lj-coulomb"} and coulomb is not None:
        alpha = None if coulomb.alpha is None else _quantity(coulomb.alpha, "1/A2")
        section |= {"alpha": alpha, "accuracy": coulomb.accuracy}
        if coulomb.type == "EWALD":
            section |= {"kspace": "ewald", "kmax": coulomb.kmax}
    if kind == "cvff":
        section |= {
            "special_bonds": hyper.extend.special_bonds,
            "shake": hyper.extend.fix_shake,
            "dihedral": block.dihedral_type,
            "improper": block.improper_type,
        }
    return _given(section)


def _ensemble(control: Control, notes: Notes) -> dict[str, Any]:
    execution = control.execution
    unit = control.init_configuration.read_data.unit
    section: dict[str, Any] = {"kind": execution.ensemble.lower()}
    kelvin = execution.temperature[0] if execution.temperature is not None else None
    if kelvin is not None and (kelvin > 0 or execution.ensemble != "NVE"):
        section["temperature"] = _quantity(kelvin, "K")
    if execution.ensemble == "NVE":
        return section
    if execution.temperature is not None:
        section["tdamp"] = _quantity(execution.temperature[2] * TIME_FS[unit.lower()], "fs")
    section["thermostat"] = THERMOSTATS[word(execution.temp_ctrl_type)]
    if execution.ensemble != "NPT" or execution.pressure is None:
        return section
    start, _, damp, *modulus = execution.pressure
    section["barostat"] = BAROSTATS[word(execution.press_ctrl_type)]
    section["pressure"] = _quantity(start * _PRESSURE_BAR[unit], "bar")
    section["pdamp"] = _quantity(damp * TIME_FS[unit.lower()], "fs")
    if section["barostat"] != "berendsen":
        return section
    if modulus:
        section["bulk_modulus"] = _quantity(modulus[0] * _PRESSURE_BAR[unit], "bar")
    else:
        text = "has no fourth number, the bulk modulus: that of water, 22000 bar, is taken"
        notes.append(("execution.pressure", text))
    return section


def _rbmd(control: Control) -> dict[str, Any]:
    neighbor, coulomb = control.hyper_parameters.neighbor, control.hyper_parameters.coulomb
    outputs = control.outputs
    section: dict[str, Any] = {
        "neighbor": {"RBL": "rbl", "VERLETLIST": "verlet"}[neighbor.type],
        "core": _ang(neighbor.r_core),
        "neighbor_samples": neighbor.neighbor_sample_num,
        "skin": _ang(neighbor.skin),
    }
    if control.hyper_parameters.force_field.type in {"CVFF", "LJ/CUT/COUL/LONG"} and coulomb:
        section |= {
            "coulomb": coulomb.type.lower(),
            "coulomb_samples": coulomb.coulomb_sample_num,
            "rbsog_level": coulomb.rbsog_level,
        }
    blocks = {"rdf": outputs.rdf_out, "msd": outputs.msd_out, "vacf": outputs.vacf_out}
    reports = [name for name, block in blocks.items() if block is not None and block.enabled]
    return _given(section | {"reports": reports or None})


def _lengths(control: Control, sections: Sections, notes: Notes) -> None:
    """Time step, length and intervals, so that steps come out as RBMD counts them."""
    execution, outputs = control.execution, control.outputs
    step_fs = execution.timestep * TIME_FS[control.init_configuration.read_data.unit.lower()]
    frames = _frames_interval(control, notes)
    steps = -(-execution.num_steps // frames) * frames
    if steps != execution.num_steps:
        text = f"is no multiple of the {frames} steps between frames: {steps} steps are run"
        notes.append(("execution.num_steps", text))
    sections["run"] |= {
        "timestep": _quantity(step_fs, "fs"),
        "production": _quantity(_length_fs(steps, step_fs, frames), "fs"),
    }
    thermo = min(outputs.thermo_out.interval, MOST_STEPS - 1)
    sections["output"] |= {
        "thermo": _quantity(thermo * step_fs, "fs"),
        "frames": _quantity(frames * step_fs, "fs"),
    }
    vacf = outputs.vacf_out
    if vacf is not None and vacf.enabled:
        sections["output"]["velocities"] = _quantity(vacf.interval * step_fs, "fs")


def _tell_short(control: Control, notes: Notes) -> None:
    """Inputs made to try RBMD out are often shorter than their thermostat's damping time."""
    execution = control.execution
    if execution.ensemble == "NVE" or execution.temperature is None:
        return
    if execution.temperature[2] > execution.num_steps * execution.timestep:
        text = "its damping time is longer than the run, which 'mdbench run' refuses: lengthen it"
        notes.append(("execution.temperature", text))


def _frames_interval(control: Control, notes: Notes) -> int:
    """Steps between frames; where RBMD writes none, about a hundred in all."""
    steps, block = control.execution.num_steps, control.outputs.trajectory_out
    if block is not None and block.enabled:
        if block.interval > steps:
            text = f"is more than num_steps: a frame is written after {steps} steps"
            notes.append(("outputs.trajectory_out.interval", text))
        return min(block.interval, steps)
    small = [n for n in range(1, math.isqrt(steps) + 1) if steps % n == 0]
    divisors = [*small, *(steps // n for n in small)]
    fitting = [d for d in divisors if 20 * d <= steps <= 1000 * d]
    frames = min(fitting, key=lambda d: abs(math.log(steps / d / 100)), default=-(-steps // 100))
    text = f"RBMD writes no trajectory; mdbench writes a frame every {frames} steps"
    notes.append(("outputs.trajectory_out", text))
    return frames


def _length_fs(steps: int, step_fs: float, frames: int) -> float:
    """A length that makes just that many steps where a specification counts whole frames."""
    length_fs = steps * step_fs
    while (
        math.isfinite(length_fs) and math.ceil(length_fs / step_fs / frames - 1e-9) * frames > steps
    ):
        length_fs = math.nextafter(length_fs, 0)
    return length_fs


def rdf_pairs(block: RdfOut, elements: Sequence[str], first: int) -> list[str] | None:
    """Pairs of elements of RBMD's pairs of types; none where it names no pairs.

    Args:
        block: Of the control file.
        elements: Of the atom types.
        first: Number of the first type: 0 in RBMD 2.2, 1 in 2.0.

    Raises:
        IndexError: for a type that the data file does not have; the text is for the user.
    """
    if not block.atoms_pair:
        return None
    for kind in {kind for pair in block.atoms_pair for kind in pair}:
        if not first <= kind < first + len(elements):
            last = first + len(elements) - 1
            raise IndexError(f"names type {kind}, but types count from {first} to {last}")
    named = ((elements[i - first], elements[j - first]) for i, j in block.atoms_pair)
    return list(dict.fromkeys(f"{a}-{b}" for a, b in named))
