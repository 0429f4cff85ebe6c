"""Does LAMMPS compute what the MACE Python model computes? One structure, side by side."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.io import read, write

from mdbench.core import PointResult, evaluate_atoms
from mdbench.engine import single_point
from mdbench.errors import ModelError
from mdbench.model import DTYPES, call_worker, convert, inspect, load_evaluator, metadata
from mdbench.structure_file import read_structure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

    from mdbench._core import Evaluator


@dataclass(frozen=True)
class Limits:
    """Largest differences that pass."""

    energy_ev_per_atom: float
    force_ev_per_ang: float
    virial_ev_per_atom: float
    difference_step_ang: float
    difference_force_ev_per_ang: float
    difference_stress_ev_per_ang3: float


LIMITS = {
    "float64": Limits(1e-9, 1e-8, 1e-8, 1e-3, 1e-6, 1e-7),
    # Site energies carry 24 bits: a wider step keeps their rounding out of the differences.
    "float32": Limits(5e-4, 5e-4, 5e-4, 1e-2, 1e-2, 1e-4),
}


_STEEP_EV_PER_ANG = 10.0
"""Forces above it, which strained cells have, may differ in proportion."""


@dataclass(frozen=True)
class Check:
    """One comparison."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def passed(self) -> bool:
        """Whether the value is below its limit; NaN and infinity never are."""
        return bool(np.isfinite(self.value) and self.value <= self.limit)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "passed": self.passed}


def compare(
    name: str, a: PointResult, b: PointResult, limits: Limits, *, with_virial: bool
) -> list[Check]:
    """Energy, forces and, if asked for, the virial of ``a`` against those of ``b``.

    The forces' limit grows with the largest force of ``b`` above 10 eV/A.
    """
    count = len(a.forces)
    # tables are exact to 1e-9 of their largest value, which counts from 10 eV/A on
    steep = max(1.0, float(np.abs(b.forces).max()) / _STEEP_EV_PER_ANG)
    checks = [
        Check(
            f"{name}: energy",
            abs(a.energy - b.energy) / count,
            limits.energy_ev_per_atom,
            "eV/atom",
        ),
        Check(
            f"{name}: forces",
            float(np.abs(a.forces - b.forces).max()),
            limits.force_ev_per_ang * steep,
            "eV/A",
        ),
    ]
    if with_virial:
        virial = float(np.abs(a.virial - b.virial).max()) / count
        checks.append(Check(f"{name}: virial", virial, limits.virial_ev_per_atom, "eV/atom"))
    return checks


def _derivative(evaluator: Evaluator, atoms: Atoms, move: Any, step: float) -> float:  # noqa: ANN401
    """dE/dh of ``move(atoms, h)`` by the four-point formula (error h^4)."""
    total = 0.0
    for k, weight in ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12)):
        moved = atoms.copy()
        move(moved, k * step)
        total += weight * evaluate_atoms(evaluator, moved).energy
    return total / step


def difference_force_error(
    evaluator: Evaluator, atoms: Atoms, step_ang: float, num_atoms: int = 3
) -> float:
    """Largest difference (eV/A) of forces from finite differences, over a few atoms."""
    forces = evaluate_atoms(evaluator, atoms).forces
    chosen = np.random.default_rng(1).permutation(len(atoms))[:num_atoms]
    worst = 0.0
    for i in chosen:
        for axis in range(3):

            def move(moved: Atoms, h: float, i: int = int(i), axis: int = axis) -> None:
                moved.positions[i, axis] += h

            slope = _derivative(evaluator, atoms, move, step_ang)
            worst = max(worst, abs(slope + float(forces[i, axis])))
    return worst


def difference_stress_error(evaluator: Evaluator, atoms: Atoms, step: float) -> float:
    """Largest difference (eV/A^3) of virial/volume from finite strains, six components."""
    virial = evaluate_atoms(evaluator, atoms).virial
    worst = 0.0
    for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):

        def move(moved: Atoms, h: float, a: int = a, b: int = b) -> None:
            strain = np.eye(3)
            strain[a, b] += 0.5 * h
            strain[b, a] += 0.5 * h
            moved.set_cell(moved.cell.array @ strain, scale_atoms=True)

        slope = _derivative(evaluator, atoms, move, step)
        worst = max(worst, abs(slope + float(virial[a, b])) / atoms.get_volume())
    return worst


def verify(  # noqa: PLR0913 - one parameter an option
    model: Path,
    *,
    structure: Path | None = None,
    lammps_file: Path | None = None,
    head: str | None = None,
    state: Mapping[str, int] | None = None,
    dtype: str = "float64",
) -> list[Check]:
    """Compare LAMMPS, the core and the Python model on one structure.

    Args:
        model: A ``*.model`` file, or a converted one (then without the Python model).
        structure: Any file that ASE reads; a small crystal of the model's elements if left out.
        lammps_file: Conversion of a ``*.model`` to test; made anew from it if left out.
        head: Head of a model that has several.
        state: Charge and spin to convert for, as :func:`mdbench.model.convert` takes them.
        dtype: ``float64`` or ``float32``.

    Raises:
        MdbenchError: when something cannot be read or run.
    """
    limits = LIMITS[dtype]
    is_converted = inspect(model).is_converted
    if lammps_file:
        if is_converted:
            raise ModelError(f"'{model}' is converted itself: leave --lammps-file out")
        inspect(lammps_file)
    with tempfile.TemporaryDirectory(prefix="mdbench-") as folder:
        probe = Path(folder) / "structure.xyz"
        if structure:
            write(str(probe), read_structure(structure), format="extxyz")
        elif is_converted:
            raise ModelError(f"'{model}' is already converted: name a --structure to test it on")
        else:
            call_worker("probe", {"model": str(model), "structure": str(probe)})
        converted = model if is_converted else lammps_file or Path(folder) / "model.mace"
        if not (is_converted or lammps_file):
            convert(model, converted, head=head, state=state)
        elif state:
            raise ModelError(f"'{converted}' is converted: leave charge and spin out, it has them")
        atoms = read(str(probe))
        style = f"precision {DTYPES[dtype]}" + (f" head {head}" if head else "")
        evaluator = load_evaluator(converted, precision=DTYPES[dtype], head=head)
        in_core = evaluate_atoms(evaluator, atoms)  # first: its messages name no temporary file
        in_lammps = single_point(atoms, converted, style)
        checks = compare("LAMMPS against the core", in_lammps, in_core, limits, with_virial=True)
        if not is_converted:
            held = metadata(converted).get("state")
            python = python_points(model, [atoms], dtype=dtype, head=head, state=held)[0]
            checks += compare(
                "LAMMPS against Python", in_lammps, python, limits, with_virial=all(atoms.pbc)
            )
    step = limits.difference_step_ang
    force = difference_force_error(evaluator, atoms, step)
    checks.append(
        Check("forces against differences", force, limits.difference_force_ev_per_ang, "eV/A")
    )
    if all(atoms.pbc):
        stress = difference_stress_error(evaluator, atoms, step)
        checks.append(
            Check(
                "stress against differences", stress, limits.difference_stress_ev_per_ang3, "eV/A^3"
            )
        )
    return checks


def python_points(
    model: Path,
    frames: list[Atoms],
    *,
    dtype: str,
    head: str | None = None,
    state: Mapping[str, int] | None = None,
) -> list[PointResult]:
    """Structures evaluated by mace-torch's own calculator, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="mdbench-") as folder:
        file = Path(folder) / "frames.traj"  # text formats round coordinates
        write(str(file), frames)
        request = {"model": str(model), "structure": str(file), "dtype": dtype, "head": head}
        answer = call_worker("reference", {**request, "state": dict(state or {})})
    return [
        PointResult(f["energy"], np.array(f["forces"]), np.array(f["virial"]))
        for f in answer["frames"]
    ]
