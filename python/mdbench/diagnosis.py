"""Why a segment failed: which atoms, where the last good frame is, the likely cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from mdbench.errors import OutputError
from mdbench.output.formats import open_reader
from mdbench.output.thermo import metal_factor

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mdbench.run_folder import RunFolder
    from mdbench.segments import SegmentFailed

_TOO_CLOSE = 0.6
"""Of the sum of covalent radii."""
_START_STEPS = 50
_FASTEST_H_FS = 1.0
_OUT_OF_MEMORY_CODES = (-9, 137)


@dataclass(frozen=True)
class BlowUp:
    """The state that the script writes when it stops a run."""

    step: int
    ids: NDArray[np.int64]  # rising; some are missing where atoms were lost
    elements: list[str]  # of each atom
    positions: NDArray[np.float64]  # [atoms, 3] Angstrom
    forces: NDArray[np.float64]  # [atoms, 3] in the units of the run
    cell: NDArray[np.float64]


def read_blow_up(path: Path, elements: list[str]) -> BlowUp:
    """Read the dump of the last state.

    Args:
        path: Text dump with columns id type xu yu zu vx vy vz fx fy fz, sorted.
        elements: Of the atom types.

    Raises:
        OutputError: when the file is cut short.
    """
    try:
        lines = path.read_text().splitlines()
        box = [[float(w) for w in line.split()] for line in lines[5:8]]
        table = np.array([line.split() for line in lines[9:]], dtype=float)
        table = table.reshape(int(lines[3]), -1)  # fails when lines are missing
        tilt = [row[2] if len(row) > 2 else 0.0 for row in box]  # noqa: PLR2004
        xy, xz, yz = tilt
        length = [row[1] - row[0] for row in box]
        length[0] -= max(0.0, xy, xz, xy + xz) - min(0.0, xy, xz, xy + xz)
        length[1] -= max(0.0, yz) - min(0.0, yz)
        cell = np.array([[length[0], 0, 0], [xy, length[1], 0], [xz, yz, length[2]]])
        symbols = [elements[int(t) - 1] for t in table[:, 1]]
        ids = table[:, 0].astype(np.int64)
        return BlowUp(int(lines[1]), ids, symbols, table[:, 2:5], table[:, 8:11], cell)
    except (OSError, ValueError, IndexError):
        raise OutputError(f"'{path}' is cut short") from None


def explain(folder: RunFolder, failure: SegmentFailed, manifest: dict[str, Any]) -> str:
    """What happened, in one line; the segment's files are in ``failed/`` afterwards."""
    kept = folder.set_aside(failure.first)
    restart = f"go on from step {failure.first} with 'mdbench resume {folder.path}'"
    if failure.is_blow_up:
        return _explain_blow_up(kept, failure, manifest)
    errors = _errors_of(kept)
    if any("No space left" in e or "File too large" in e for e in errors):
        return f"the disk is full at step {failure.first} or later: make room, then {restart}"
    if failure.code in _OUT_OF_MEMORY_CODES:
        return (
            f"LAMMPS was killed after step {failure.first}, perhaps for memory "
            f"('mdbench check' estimates it): {restart}"
        )
    frame = _last_good_frame(kept, failure, manifest)
    reason = errors[0] if errors else f"{failure}; {restart}"
    return f"LAMMPS stopped after step {failure.first}: {reason}; {frame} (output: {kept})"


def _errors_of(kept: Path) -> list[str]:
    """LAMMPS's error lines."""
    lines: list[str] = []
    for path in sorted(kept.glob("*.screen")):
        lines += path.read_text(errors="replace").splitlines()
    found = [line for line in lines if "ERROR" in line or "No space left" in line]
    return [line.removeprefix("ERROR: ").strip() for line in found]


def _explain_blow_up(kept: Path, failure: SegmentFailed, manifest: dict[str, Any]) -> str:
    last = read_blow_up(next(kept.glob("*.blowup")), manifest["elements"])
    size = np.linalg.norm(np.nan_to_num(last.forces, nan=np.inf), axis=1)
    size *= metal_factor("Fmax", manifest.get("units", "metal"))
    worst = [int(i) for i in np.argsort(-size)[:3]]
    named = ", ".join(f"{last.ids[i]} ({last.elements[i]}, {size[i]:.0f} eV/A)" for i in worst)
    time_ps = last.step * manifest["timestep_fs"] / 1000
    return (
        f"the run blew up at step {last.step} ({time_ps:g} ps): largest forces on atoms {named}; "
        f"{_last_good_frame(kept, failure, manifest, last.step)}; "
        f"likely cause: {_cause(last, worst, manifest)}"
    )


def _last_good_frame(
    kept: Path, failure: SegmentFailed, manifest: dict[str, Any], blown_up: float = np.inf
) -> str:
    """In words; the frame of the step that blew up is none."""
    for path in kept.glob(f"*.{manifest['format']}"):
        try:
            steps = open_reader(path).contents.steps
        except OutputError:
            continue
        good = steps[steps < blown_up]
        if len(good):
            return f"last good frame: step {good[-1]} in {path}"
    return f"no frame was written since step {failure.first}"


def closest_pair(last: BlowUp, around: list[int]) -> tuple[int, int, float]:
    """The closest pair with one of some atoms: indices and distance (Angstrom)."""
    atoms = Atoms(last.elements, last.positions, cell=last.cell, pbc=True)
    best = (around[0], around[0], np.inf)
    for i in around:
        distances = atoms.get_distances(i, range(len(atoms)), mic=True)
        distances[i] = np.inf
        j = int(np.argmin(distances))
        if distances[j] < best[2]:
            best = (i, j, float(distances[j]))
    return best


def _cause(last: BlowUp, worst: list[int], manifest: dict[str, Any]) -> str:
    timestep = manifest["timestep_fs"]
    is_classical = manifest["spec"].get("force_field", {}).get("kind", "none") != "none"
    if not np.isfinite(last.positions).all():
        return f"positions are not finite; a timestep of {timestep:g} fs may be too long"
    i, j, distance = closest_pair(last, worst)
    radii = [covalent_radii[atomic_numbers[last.elements[k]]] for k in (i, j)]
    pair = f"atoms {last.ids[i]} ({last.elements[i]}) and {last.ids[j]} ({last.elements[j]})"
    lost = manifest["num_atoms"] - len(last.elements)
    if lost and manifest.get("boundary", "p p p") != "p p p":
        return f"{lost} atoms left through an open side of the cell"
    if timestep > _FASTEST_H_FS and "H" in last.elements:
        return f"a timestep of {timestep:g} fs is too long for hydrogen: 0.5 fs is usual"
    if last.step <= _START_STEPS:
        return f"the structure at the start: {pair} are {distance:.2f} A apart; see 'mdbench check'"
    if distance < _TOO_CLOSE * sum(radii):
        where = "" if is_classical else ", where the model may never have been trained"
        return (
            f"{pair} came within {distance:.2f} A{where}; "
            "shorten run.timestep to rule out the integrator"
        )
    other = "a model outside the structures it was trained on"
    if is_classical:
        other = "numbers of the force field in other units"
    return f"a timestep of {timestep:g} fs, or {other}"
