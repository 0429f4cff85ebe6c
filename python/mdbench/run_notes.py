"""What a reader of a run's numbers must know of its trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols

from mdbench.analysis.bonds import hydrogens
from mdbench.analysis.thermo import degrees_of_freedom
from mdbench.analysis.trajectories import atoms_at_rest
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.output.run_data import RunData


def notes_of(run: RunData, start_ps: float) -> list[str]:
    """What is missing or held in a trajectory, of which production begins at ``start_ps``."""
    return [*_ends_early(run), *_part(run), *_fixed(run, start_ps), *_reacted(run, start_ps)]


def _ends_early(run: RunData) -> list[str]:
    """Whether frames are missing at the end, as after a crash or a copy of a run that went on."""
    assert run.trajectory is not None  # noqa: S101 - the caller's
    times_ps = run.trajectory.times_ps
    if run.thermo is None or not len(run.thermo) or len(times_ps) < 2:  # noqa: PLR2004
        return []
    last_ps, frame_ps = float(run.thermo.times_ps[-1]), float(times_ps[-1] - times_ps[-2])
    if last_ps - times_ps[-1] < 2 * frame_ps:
        return []
    return [f"the trajectory ends at {times_ps[-1]:g} ps, the log at {last_ps:g} ps"]


def is_part(run: RunData) -> bool:
    """Whether the trajectory is of some atoms only, as a dump of a group is."""
    assert run.trajectory is not None  # noqa: S101 - the caller's
    return len(run.trajectory.numbers) < int(run.provenance["num_atoms"])


def _part(run: RunData) -> list[str]:
    assert run.trajectory is not None  # noqa: S101 - the caller's
    here, num_atoms = len(run.trajectory.numbers), run.provenance["num_atoms"]
    why = "diffusion is not relative to the centre of mass of all, which they do not tell"
    return [f"the trajectory holds {here} of {num_atoms} atoms: {why}"] if is_part(run) else []


def _fixed(run: RunData, start_ps: float) -> list[str]:
    """Atoms that were held in place, and what that means for the numbers."""
    assert run.trajectory is not None  # noqa: S101 - the caller's
    held = np.count_nonzero(atoms_at_rest(run.trajectory, start_ps))
    if not held:
        return []
    notes = [f"{held} atoms are held in place"]
    columns, atoms = run.thermo.columns if run.thermo else {}, run.provenance["num_atoms"]
    if "Press" in columns:
        notes.append("the pressure counts the forces on atoms that are held in place")
    counted = degrees_of_freedom(columns, atoms)
    knows = "Temp" in columns and ("KinEng" in columns or {"PotEng", "TotEng"} <= columns.keys())
    if knows and counted > 3 * (atoms - held) + 1:
        notes.append(
            f"the log's temperature counts atoms that are held in place: that of the others is "
            f"{counted / (counted - 3 * held + 3):.3g} times as high"
        )
    return notes


def _reacted(run: RunData, start_ps: float) -> list[str]:
    """Whether atoms have other numbers of hydrogens in the end: chemistry, wanted or of the model.

    Hydrogen that hops from molecule to molecule leaves as many of each kind. What is the same in
    two late frames is no collision.
    """
    source = run.trajectory
    assert source is not None  # noqa: S101 - the caller's
    first, last = int(np.searchsorted(source.times_ps, start_ps - 1e-9)), len(source.times_ps) - 1
    if is_part(run) or not (source.numbers == 1).any() or first >= last:
        return []
    looks = (first, first + 9 * (last - first) // 10, last)
    try:
        found = [hydrogens(source, next(iter(source.frames(i, i + 1)))) for i in looks]
    except AnalysisError:  # what is wrong with a frame is said by those who need it
        return []
    notes = []
    for number in np.unique(source.numbers[source.numbers != 1]):
        before, *late = (_census(h[source.numbers == number]) for h in found)
        if before not in late:
            symbol = chemical_symbols[number]
            times = (f"{source.times_ps[i]:g} ps" for i in (first, last))
            told = "; ".join(f"at {t}: {c}" for t, c in zip(times, (before, late[-1]), strict=True))
            notes.append(f"molecules reacted, {symbol} by its hydrogens {told}")
    return notes


def _census(hydrogens_of_atoms: NDArray[np.int64]) -> str:
    """Such as ``2 with 0, 98 with 2``."""
    counts = np.bincount(hydrogens_of_atoms)
    return ", ".join(f"{n} with {k}" for k, n in enumerate(counts) if n)
