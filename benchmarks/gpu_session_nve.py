"""Conservation of energy by `pair_style mace ... device cuda` in LAMMPS; agreement with the CPU.

Usage: python benchmarks/gpu_session_nve.py MODEL.mace [--ps 100] [--precisions single mixed]
       python benchmarks/gpu_session_nve.py MODEL.mace --compare

The bundled interface of 128 atoms, 0.5 fs, velocities of 298 K. Drift is the slope of a line
through the total energy. `--compare` runs a few steps on the GPU, on one rank and two that share
it, beside `device cpu` in double precision.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mdbench.programs import lammps_command

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "inputs/graphene_water_128.data"
TIMESTEP_PS = 0.0005
MOST_EV, MOST_BAR = 1e-5, 0.1  # off the CPU, both in double precision
INPUT = """units metal
atom_modify map yes
read_data {data}
pair_style mace {style}
pair_coeff * * {model} C O H
neighbor 1.0 bin
neigh_modify every 1 delay 0 check yes
velocity all create 298 4928459 mom yes rot no dist gaussian loop all
timestep {timestep}
fix 1 all nve
thermo_style custom step temp pe etotal press
thermo_modify format float %.10f
thermo {every}
timer timeout {limit_s} every 100
run {steps}
"""
ROW = re.compile(r"^ *\d+(?: +[-\d.]+){4} *$", re.MULTILINE)


class RunError(Exception):
    """LAMMPS failed, with the end of what it said."""


def run(model: Path, style: str, ranks: int = 1, **settings: float) -> tuple[np.ndarray, str]:
    """Thermo rows [rows, step temp pe etotal press], and all that LAMMPS printed."""
    values = {"data": DATA, "model": model, "style": style, "timestep": TIMESTEP_PS, **settings}
    command, environment = lammps_command(ranks, 1)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "in.nve"
        script.write_text(INPUT.format(**values))
        command += ["-log", "none", "-in", str(script)]
        # LAMMPS ends by itself at limit_s, unless a kernel hangs; in the foreground: who ends this
        # script ends it too
        command = ["timeout", "--foreground", str(values["limit_s"] + 20), *command]
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
    if done.returncode:
        said = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
        raise RunError(f"{style}, {ranks} rank(s): LAMMPS failed ({done.returncode})\n{said}")
    rows = [[float(word) for word in row.split()] for row in ROW.findall(done.stdout)]
    return np.array(rows), done.stdout


def compare(model: Path) -> bool:
    """Energies and pressures of 20 steps beside the CPU's in double precision: do they agree?"""
    agree = True
    settings = {"steps": 20, "every": 1, "limit_s": 60}
    exact, _ = run(model, "device cpu precision double", **settings)
    for ranks, precision in itertools.product((1, 2), ("double", "mixed", "single")):
        try:
            found, _ = run(model, f"device cuda precision {precision}", ranks, **settings)
        except RunError as problem:
            print(problem)
            agree = False
            continue
        energy, pressure = np.abs(found - exact).max(axis=0)[[2, 4]]
        print(
            f"{precision}, {ranks} rank(s): energy {energy:.1e} eV, pressure "
            f"{pressure:.1e} bar of {np.abs(exact[:, 4]).max():.0f}"
        )
        if precision == "double":
            agree = agree and energy < MOST_EV and pressure < MOST_BAR
    return agree


def conservation(options: argparse.Namespace, precision: str) -> dict[str, Any]:
    """Drift and fluctuation of the total energy."""
    steps = round(options.ps / TIMESTEP_PS)
    rows, output = run(
        options.model,
        f"device {options.device} precision {precision}",
        steps=steps,
        every=max(1, min(200, steps // 100)),
        limit_s=options.limit_s,
    )
    atoms = int(re.search(r"(\d+) atoms", output)[1])
    time_ps, energy_ev = rows[:, 0] * TIMESTEP_PS, rows[:, 3] / atoms
    slope, constant = np.polyfit(time_ps, energy_ev, 1)
    loop_s = float(re.findall(r"Loop time of ([\d.]+)", output)[-1])
    return {
        "precision": precision,
        "atoms": atoms,
        "ps": float(time_ps[-1]),
        "ms_per_step": 1e3 * loop_s / rows[-1, 0],
        "drift_ev_per_atom_per_ps": float(slope),
        "fluctuation_ev_per_atom": float(np.std(energy_ev - slope * time_ps - constant)),
        "temperature_k": float(rows[len(rows) // 2 :, 1].mean()),
        "rows": rows[:: max(1, len(rows) // 200)].tolist(),
    }


def main() -> None:
    """Run, show, write after each precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--ps", type=float, default=100.0)
    parser.add_argument("--precisions", nargs="+", default=["single", "mixed"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--limit-s", type=int, default=130, help="of a run; it then ends early")
    parser.add_argument("--output", type=Path, default=Path("nve.json"))
    options = parser.parse_args()
    options.model = options.model.resolve()
    if options.compare:
        sys.exit(0 if compare(options.model) else "the GPU and the CPU do not agree")
    found = []
    for precision in options.precisions:
        found.append(conservation(options, precision))
        row = found[-1]
        print(
            f"{precision}: {row['ps']:.1f} ps of {row['atoms']} atoms, {row['ms_per_step']:.3f} ms "
            f"a step: drift {row['drift_ev_per_atom_per_ps']:.2e} eV an atom and ps, fluctuation "
            f"{row['fluctuation_ev_per_atom']:.1e} eV an atom, {row['temperature_k']:.0f} K"
        )
        options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
