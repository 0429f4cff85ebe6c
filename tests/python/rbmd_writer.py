"""Files as RBMD writes them, from numbers that come from elsewhere."""

import json

import numpy as np

ENERGY_HEAD = (
    "Step Time VanderWaalsEnergy NearCoulombicEnergy FarCoulombicEnergy Residual KinticEnergy "
    "PotentialEnergy TotalEnergy CumulativeTime NonBonEnergy BondEnergy AngleEnergy DihedralEnergy "
    "SpecialEnergy")


def read_frames(path):
    """Frames of a LAMMPS dump by plain splitting: (step, box, {column: words by id})."""
    lines, frames, at = path.read_text().split("\n"), [], 0
    while at < len(lines) - 1:
        count = int(lines[at + 3])
        names = lines[at + 8].split()[2:]
        rows = sorted((line.split() for line in lines[at + 9:at + 9 + count]),
                      key=lambda row: int(row[names.index("id")]))
        frames.append((int(lines[at + 1]), lines[at + 5:at + 8], dict(zip(names, zip(*rows), strict=True))))
        at += 9 + count
    return frames


def trajectory_2_2(frames):
    """Wrapped positions, 6 digits, no step 0."""
    return "".join(_frame(f, "id type x y z", True) for f in frames if f[0] > 0)


def trajectory_2_0(frames, names="id type q x y z xu yu zu vx vy vz"):
    """Also unwrapped positions and velocities, with step 0."""
    return "".join(_frame(f, names, False) for f in frames)


def _frame(frame, names, short):
    step, box, columns = frame
    def number(name, word):
        return f"{np.float32(float(word)):g}" if short and name in "xyz" else word
    rows = zip(*([number(n, w) for w in columns[n]] for n in names.split()), strict=True)
    body = "".join(" ".join(r) + "\n" for r in rows)
    return (f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(columns['id'])}\n"
            "ITEM: BOX BOUNDS pp pp pp\n" + "\n".join(box) + f"\nITEM: ATOMS {names}\n{body}")


def control(**changes):
    """A control file as text; changes by dotted keys with __ for dots, None removes."""
    data = {
        "init_configuration": {"read_data": {"file": "rbmd.data", "unit": "REAL", "atom_style": "full",
                                             "velocity_type": "GAUSS"}},
        "hyper_parameters": {"force_field": {"type": "CVFF", "bond_type": "Harmonic"},
                             "neighbor": {"type": "VERLETLIST", "cut_off": 6.0},
                             "extend": {"fix_shake": False, "special_bonds": [0, 0, 0]}},
        "execution": {"ensemble": "NVT", "temperature": [300.0, 300.0, 100.0], "timestep": 0.5,
                      "num_steps": 400},
        "outputs": {"thermo_out": {"interval": 10}, "trajectory_out": {"interval": 10}}}
    for key, value in changes.items():
        *path, last = key.split("__")
        place = data
        for name in path:
            place = place.setdefault(name, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    text = json.dumps(data, indent=2)
    return "\ufeff// written for a test\n" + text.replace('"execution"', '/* the run */ "execution"')


def energy_rows(rows):
    """Rows of energy.rbmd: (step, vdwl, near, far, kinetic, bond, angle) by atom, bond, angle."""
    lines = [ENERGY_HEAD]
    for step, vdwl, near, far, kinetic, bond, angle in rows:
        mixed = vdwl + near + far + bond + angle  # what RBMD adds up
        values = [vdwl, near, far, 0.0, kinetic, mixed, mixed + kinetic, 1.5 * step,
                  vdwl + near + far, bond, angle, 0.0, 0.0]
        lines.append(f"{step} {0.01 * step:g} " + " ".join(f"{v:.6g}" for v in values))
    return "\n".join(lines) + "\n"
