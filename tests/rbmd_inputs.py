"""Inputs of RBMD as its users write them, for tests."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING

from classical import argon, chains, copper, salt, water, with_velocities, write

if TYPE_CHECKING:
    from pathlib import Path

REMOVE = object()
NEIGHBOR = {"type": "VERLETLIST", "cut_off": 5.5, "r_core": 3.0, "neighbor_sample_num": 50}
COULOMB = {"type": "RBE", "coulomb_sample_num": 120, "alpha": 0.21, "kmax": 7}


def control(force_field, unit, style, *, dt, temperature, damp, **hyper):
    """A control file in the words that both dialects read."""
    return {
        "init_configuration": {"read_data": {
            "file": "system.data", "unit": unit, "atom_style": style, "velocity_type": "GAUSS"}},
        "hyper_parameters": {"force_field": force_field, "neighbor": dict(NEIGHBOR), **hyper},
        "execution": {"ensemble": "NVT", "temperature": [temperature, temperature, damp],
                      "pressure": [1.0, 1.0, 10 * damp, 21000.0], "temp_ctrl_type": "NOSE_HOOVER",
                      "press_ctrl_type": "NOSE_HOOVER", "timestep": dt, "num_steps": 400},
        "outputs": {"thermo_out": {"interval": 10}, "trajectory_out": {"interval": 20}},
    }


def cases():
    """Control file and system by name; everything that RBMD simulates but a model."""
    bonds = {"bond_type": "Harmonic", "angle_type": "Harmonic"}
    torsions = {**bonds, "dihedral_type": "Harmonic", "improper_type": "harmonic"}
    real = {"unit": "REAL", "dt": 0.5, "temperature": 298.0, "damp": 50.0}
    full = {**real, "style": "full", "coulomb": dict(COULOMB)}
    extend = {"fix_shake": False, "special_bonds": [0, 0, 0]}
    rigid = {"fix_shake": True, "special_bonds": [0, 0, 0]}
    metal = {"unit": "METAL", "dt": 0.001, "temperature": 300.0, "damp": 0.1}
    return {
        "lj": (control({"type": "LJ/CUT"}, "REAL", "atomic", dt=2.0, temperature=85.0, damp=100.0),
               argon(3)),
        "ions": (control({"type": "LJ/CUT/COUL/LONG"}, style="charge", coulomb=dict(COULOMB),
                         **metal), salt()),
        "water": (control({"type": "CVFF", **bonds}, extend=extend, **full), water()),
        "rigid water": (control({"type": "CVFF", **bonds}, extend=rigid, **full),
                        water(angle_deg=109.47122063449069, r0=1.0)),
        "chains": (control({"type": "CVFF", **torsions}, extend={"special_bonds": [0, 0, 0.5]},
                           **full), chains()),
        "eam": (control({"type": "EAM", "potential_file": "Cu_u3.eam"}, style="atomic", **metal),
                copper(3)),
    }


def changed(data, changes):
    """A control file with other values for dotted keys; REMOVE takes one away."""
    data = copy.deepcopy(data)
    for dotted, value in changes.items():
        *above, last = dotted.split(".")
        block = data
        for key in above:
            block = block.setdefault(key, {})
        if value is REMOVE:
            del block[last]
        else:
            block[last] = copy.deepcopy(value)
    return data


def put(folder: Path, data, system=None, *, text=None) -> Path:
    """Write inputs into a folder; returns the control file."""
    folder.mkdir(parents=True, exist_ok=True)
    if system is not None:
        write(folder, system)
    path = folder / "rbmd.json"
    path.write_text(json.dumps(data, indent=2) if text is None else text, "utf-8")
    return path


def as_people_write(data) -> bytes:
    """The same with a byte-order mark, comments in two languages, Windows line ends."""
    text = json.dumps(data, indent=4)
    text = re.sub(r'("unit": .*)', r"\1 // 单位: REAL, METAL 或 LJ", text)
    text = re.sub(r'("execution": \{)', r'/* 运行参数\n   "timestep": 99, */\n\1', text)
    text = text.replace('"outputs"', '"_comments": "http://example.org/*no comment*/",\n"outputs"')
    text = "// 输入文件\n" + text + "\n/* end */\n"
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def moving(system, temperature_k=298.0):
    return with_velocities(system, temperature_k)
