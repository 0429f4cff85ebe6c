"""Dynamics with the bundled model against its own reference force field, on 128 atoms at 298 K.

Usage: python models/graphene-water/compare.py [--steps 200000] [--reference-ps 100]

Writes benchmarks/results/graphene_water_model.json and .png: the O-O RDF, the oxygen density over
the sheet, and the two distances that the model must reproduce.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import freud
import matplotlib as mpl
import numpy as np
from ase.io.lammpsdata import read_lammps_data

from mdbench.engine import boxed, load_structure, open_lammps
from mdbench.model import inspect
from mdbench.reference_field import open_reference, positions

if TYPE_CHECKING:
    from ase import Atoms

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
MODEL = Path(__file__).with_name("graphene-water.mace")
RESULT = ROOT / "benchmarks" / "results" / "graphene_water_model"
TEMPERATURE_K, TIMESTEP_FS, STRIDE, EQUILIBRATION = 298.0, 0.5, 20, 2000
BIN_ANG = 0.1


def sample(lmp: Any, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions [frames, atoms, 3] and [temperature, total energy] every STRIDE steps."""
    lmp.command(f"run {EQUILIBRATION}")
    frames, thermo = [], []
    for _ in range(steps // STRIDE):
        lmp.command(f"run {STRIDE} post no")
        frames.append(positions(lmp))
        thermo.append([lmp.get_thermo("temp"), lmp.get_thermo("etotal")])
    return np.array(frames), np.array(thermo)


def run_model(atoms: Atoms, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """NVT dynamics with the bundled model."""
    lmp = open_lammps()
    load_structure(lmp, boxed(atoms, ["C", "O", "H"]))
    lmp.commands_string(
        f"pair_style mace\npair_coeff * * {MODEL} C O H\n"
        f"velocity all create {TEMPERATURE_K} 7 mom yes rot no dist gaussian\n"
        f"timestep {TIMESTEP_FS / 1000}\n"
        f"fix 1 all nvt temp {TEMPERATURE_K} {TEMPERATURE_K} 0.05"
    )
    return sample(lmp, steps)


def run_reference(atoms: Atoms, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """NVT dynamics with the reference force field."""
    lmp = open_reference(atoms)
    lmp.commands_string(
        f"velocity all create {TEMPERATURE_K} 7 mom yes rot no dist gaussian\n"
        f"fix 1 all nvt temp {TEMPERATURE_K} {TEMPERATURE_K} 50"
    )
    return sample(lmp, steps)


def oxygen_rdf(frames: np.ndarray, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """O-O g(r), normalised by the mean density of the cell (both runs alike)."""
    oxygen = atoms.numbers == 8
    box = freud.box.Box(*atoms.cell.lengths())
    r_max = 0.49 * min(atoms.cell.lengths())
    rdf = freud.density.RDF(
        bins=int(r_max / BIN_ANG), r_max=r_max, normalization_mode="finite_size"
    )
    for frame in frames:
        rdf.compute((box, box.wrap(frame[oxygen])), reset=False)
    return rdf.bin_centers, rdf.rdf


def oxygen_profile(frames: np.ndarray, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Oxygen number density (1/nm^3) against the distance from the sheet, both sides together."""
    lx, ly, lz = atoms.cell.lengths()
    angle = 2 * np.pi * frames[:, atoms.numbers == 6, 2] / lz
    sheet = np.angle(np.exp(1j * angle).mean(axis=1)) * lz / (2 * np.pi)
    height = frames[:, atoms.numbers == 8, 2] - sheet[:, None]
    distance = np.abs((height + lz / 2) % lz - lz / 2).ravel()
    edges = np.arange(0, lz / 2, BIN_ANG)
    counts, _ = np.histogram(distance, edges)
    volume_nm3 = 2 * lx * ly * BIN_ANG / 1000
    return 0.5 * (edges[1:] + edges[:-1]), counts / (len(frames) * volume_nm3)


def first_peak(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """Place of the highest bin in a window, refined by a parabola through ln y of 3 bins."""
    inside = np.flatnonzero((x > low) & (x < high))
    k = inside[np.argmax(y[inside])]
    a, b, c = np.log(y[k - 1 : k + 2])
    return float(x[k] + 0.5 * (x[k + 1] - x[k]) * (a - c) / (a - 2 * b + c))


def block_error(frames: np.ndarray, place: Any, blocks: int = 5) -> float:
    """Standard error of a peak's place from consecutive blocks of a trajectory."""
    values = [place(part) for part in np.array_split(frames, blocks)]
    return float(np.std(values, ddof=1) / np.sqrt(blocks))


def summarise(frames: np.ndarray, thermo: np.ndarray, atoms: Atoms) -> dict[str, Any]:
    """Distances with errors, curves, temperature."""
    rdf_peak = lambda f: first_peak(*oxygen_rdf(f, atoms), 2.4, 3.3)  # noqa: E731
    contact = lambda f: first_peak(*oxygen_profile(f, atoms), 2.6, 4.0)  # noqa: E731
    r, g = oxygen_rdf(frames, atoms)
    z, density = oxygen_profile(frames, atoms)
    return {
        "frames": len(frames),
        "temperature_k": float(thermo[:, 0].mean()),
        "temperature_max_k": float(thermo[:, 0].max()),
        "oo_first_peak_ang": rdf_peak(frames),
        "oo_first_peak_error_ang": block_error(frames, rdf_peak),
        "contact_ang": contact(frames),
        "contact_error_ang": block_error(frames, contact),
        "closest_oxygen_ang": float(z[np.flatnonzero(density)[0]]),
        "r_ang": r.tolist(),
        "g_oo": g.tolist(),
        "z_ang": z.tolist(),
        "oxygen_per_nm3": density.tolist(),
    }


def draw(model: dict[str, Any], reference: dict[str, Any], path: Path) -> None:
    """Both curves of both runs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for run, label, style in ((reference, "reference force field", "k-"), (model, "MACE", "C1--")):
        left.plot(run["r_ang"], run["g_oo"], style, label=label)
        right.plot(run["z_ang"], run["oxygen_per_nm3"], style, label=label)
    left.set(xlabel="r / Å", ylabel="g$_{OO}$(r), cell average", xlim=(2, None))
    left.set_title(
        f"first peak: reference {reference['oo_first_peak_ang']:.3f} Å, "
        f"MACE {model['oo_first_peak_ang']:.3f} Å",
        fontsize=10,
    )
    right.set(xlabel="distance from the sheet / Å", ylabel="oxygen atoms / nm$^3$")
    right.set_title(
        f"contact: reference {reference['contact_ang']:.3f} Å, MACE {model['contact_ang']:.3f} Å",
        fontsize=10,
    )
    left.legend(frameon=False)
    figure.suptitle("Graphene-water, 32 C + 32 H$_2$O, NVT 298 K")
    figure.savefig(path, dpi=130)


def main() -> None:
    """Run both and write the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200000)
    parser.add_argument("--reference-ps", type=float, default=100.0)
    options = parser.parse_args()
    atoms = read_lammps_data(str(ROOT / "inputs/graphene_water_128.data"), atom_style="atomic")
    start = time.perf_counter()
    model = summarise(*run_model(atoms, options.steps), atoms)
    model["wall_s"] = time.perf_counter() - start
    steps = int(options.reference_ps * 1000 / TIMESTEP_FS)
    reference = summarise(*run_reference(atoms, steps), atoms)
    result = {
        "system": "32 C + 32 H2O, NVT 298 K, 0.5 fs",
        "model_sha256": inspect(MODEL).sha256,
        "steps": options.steps,
        "reference_steps": steps,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "oo_first_peak_difference_ang": model["oo_first_peak_ang"] - reference["oo_first_peak_ang"],
        "contact_difference_ang": model["contact_ang"] - reference["contact_ang"],
        "model": model,
        "reference": reference,
    }
    RESULT.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    draw(model, reference, RESULT.with_suffix(".png"))
    for key in ("oo_first_peak", "contact"):
        print(f"{key}: model - reference = {result[f'{key}_difference_ang']:+.3f} A")


if __name__ == "__main__":
    main()
