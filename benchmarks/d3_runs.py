"""Runs of `lmp` with MACE and D3: how often the list is made, and what a step costs."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from native_vs_peers import MALLOC, files
from plugin_vs_calculator import BIN, DATA

NEIGHBOR_ANG = 1.0
INPUT = """units metal
atom_modify map yes
read_data {data}
pair_style {style}
{coefficients}
neighbor {neighbor} bin
velocity all create 298 4 mom yes dist gaussian
timestep 0.0005
fix 1 all nvt temp 298 298 0.05
run {warm} post no
run {steps}
"""
STYLES = {
    "alone": ("mace precision single", ["{model}"]),
    "fused": ("mace precision single d3 bj pbe", ["{model}"]),
    "overlay": (
        "hybrid/overlay mace precision single dispersion/d3 bj pbe 15.0 12.0",
        ["mace {model}", "dispersion/d3"],
    ),
}


class RunError(Exception):
    """A run of `lmp` failed; the text is LAMMPS's."""


def run_lmp(model: str, style: str, steps: int, more: str = "") -> dict[str, Any]:
    """Ms a step of a run of 372 atoms, and what D3 says at its end, if it is in it."""
    words, last = STYLES[style]
    path = files(model)["native"]
    coefficients = [f"pair_coeff * * {text.format(model=path)} C O H" for text in last]
    if style == "overlay":
        coefficients.append("neigh_modify one 20000 page 400000")
    text = INPUT.format(
        data=DATA,
        style=f"{words} {more}".strip(),
        coefficients="\n".join(coefficients),
        neighbor=NEIGHBOR_ANG,
        warm=max(10, steps // 10),
        steps=steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "in.time"
        script.write_text(text)
        command = [str(BIN / "lmp"), "-log", "none", "-in", str(script)]
        environment = {**os.environ, **MALLOC, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = re.findall(r"ERROR.*", done.stdout + done.stderr)
        raise RunError(message[-1] if message else f"lmp ended with {done.returncode}")
    loop_s = float(re.findall(r"Loop time of ([\d.]+)", done.stdout)[-1])
    answer = {"ms": 1e3 * loop_s / steps}
    if style == "fused":
        answer |= d3_block(done.stdout)
    return answer


def d3_block(output: str) -> dict[str, Any]:
    """Counts, and ms an evaluation, of the last run."""
    number = r"([\d.e+-]+)"
    found = re.findall(
        rf"^D3 dispersion: {number} evaluations, {number} list builds, {number} dangerous.*\n"
        rf"ms/evaluation: {number} list, {number} evaluation, {number} in all",
        output,
        re.MULTILINE,
    )
    if not found:
        raise RunError("no D3 block at the end of the run")
    names = ("evaluations", "builds", "dangerous_builds", "list_ms", "evaluation_ms", "d3_ms")
    return dict(zip(names, map(float, found[-1]), strict=True))
