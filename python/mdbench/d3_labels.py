"""Adds D3 dispersion to the labels of a data set, or takes it out."""

from __future__ import annotations

import lzma
import os
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from mdbench.d3 import D3Engine, d3_words
from mdbench.errors import SettingError, StructureError
from mdbench.labelled_frames import LabelledFrame, open_frames, read_frames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Verb = Literal["add", "subtract"]

CUTOFF_ANG, CN_ANG = 50.27, 21.17
"""Hard cutoffs of 95 and 40 Bohr, those of Grimme's program, from which codes have theirs."""
MARK = "d3"
"""Key of the comment line that says what was done."""
_DONE = {"add": "added", "subtract": "subtracted"}
_PREFIXES = ("REF_", "", "DFT_", "dft_")
_NAMES = {
    "energy": ("energy",),
    "forces": ("forces", "force"),
    "stress": ("stress",),
    "virials": ("virials", "virial"),
}
_LIST_KEYWORDS = ("skin", "every", "delay", "check")
_STEP = re.compile("(added|subtracted) (zero|bj|zerom|bjm) [a-z0-9]+ [a-z0-9 .+-]*$")
_VOIGT = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)


@dataclass(frozen=True)
class Keys:
    """Names of the labels in the file; ``None``: those that are usual."""

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virials: str | None = None


@dataclass
class Summary:
    """What was changed."""

    frames: int = 0
    atoms: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    """Frames that have each label."""
    energy_sum_ev: float = 0.0  # over frames, of |dE| an atom
    largest_force_ev_ang: float = 0.0

    @property
    def mean_energy_ev(self) -> float:
        """Mean over the frames of the change of the energy an atom, without its sign."""
        return self.energy_sum_ev / max(1, self.frames)

    def line(self) -> str:
        """One line."""
        counts = ", ".join(f"{label} of {count:,}" for label, count in self.labels.items())
        return (
            f"{self.frames:,} frames ({counts}): mean |dE| {1000 * self.mean_energy_ev:.4g} "
            f"meV/atom, largest |dF| {1000 * self.largest_force_ev_ang:.4g} meV/A"
        )


def label_words(
    method: str, functional: str, parameters: Sequence[str], lengths: Mapping[str, float | None]
) -> tuple[str, ...]:
    """All settings of D3, with the cutoffs of data sets where none are given.

    Args:
        method: ``bj``, ``zero``, ``bjm`` or ``zerom``.
        functional: A name, or ``custom``.
        parameters: Words of ``custom``: name value ...
        lengths: ``cutoff``, ``switch``, ``cn`` and ``atm``, Angstrom; ``None`` is the default.

    Raises:
        SettingError: naming what is wrong.
    """
    if len(parameters) % 2:
        raise SettingError(f"parameters '{' '.join(parameters)}': give names, each with its value")
    chosen = {k: v for k, v in lengths.items() if v is not None}
    named = dict(zip(parameters[::2], parameters[1::2], strict=True))
    defaults = {"cutoff": CUTOFF_ANG, "switch": 0.0, "cn": CN_ANG, "skin": 0.0}
    return tuple(d3_words(method, functional, {**named, **defaults, **chosen}))


@dataclass(frozen=True)
class Change:
    """What is to be done to labels."""

    verb: Verb
    words: tuple[str, ...]
    """Settings, of :func:`label_words`."""
    keys: Keys = Keys()
    threads: int = 0
    """CPU threads; 0 leaves the choice to OpenMP."""

    @property
    def sign(self) -> float:
        """Of D3 in the change."""
        return 1.0 if self.verb == "add" else -1.0

    @property
    def done(self) -> str:
        """The verb in marks."""
        return _DONE[self.verb]

    @property
    def settings(self) -> str:
        """What changes the result, for the mark."""
        rest = iter(self.words[2:])
        pairs = [f"{k} {v}" for k, v in zip(rest, rest, strict=True) if k not in _LIST_KEYWORDS]
        return " ".join([*self.words[:2], *pairs])


def change_labels(change: Change, source: Path, target: Path, *, force: bool = False) -> Summary:
    """Add D3 to the labels of an extended XYZ file, or subtract it, frame by frame.

    Args:
        change: What to do.
        source: Extended XYZ, perhaps compressed (``.gz``, ``.xz``, ``.bz2``).
        target: Appears when all has gone well.
        force: Replace a target that exists, be it the source itself.

    Raises:
        StructureError: naming file, frame and line of what is wrong; the target is then as it was.
        SettingError: for settings that are not understood.
    """
    if target.exists() and not force:
        raise StructureError(f"'{target}' exists: name another file, or give --force")
    partial = target.with_name(f".{os.getpid()}.{target.name}")  # the suffix says what it is
    summary = Summary()
    try:
        with open_frames(source, "r") as file, open_frames(partial, "w") as out:
            for frame in _changed(file, change, summary):
                out.write(frame.text())
        _refuse_unused(change.keys, summary)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    except StructureError as problem:
        raise StructureError(f"'{source}': {problem}") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        name = getattr(problem, "filename", None) or source
        raise StructureError(f"'{name}': {reason}") from None
    finally:
        partial.unlink(missing_ok=True)
    return summary


def _changed(file: IO[str], change: Change, summary: Summary) -> Iterator[LabelledFrame]:
    """The frames of a file, changed."""
    engine = D3Engine(change.words, change.threads)
    for line, frame in read_frames(file):
        try:
            _change(frame, change, engine, summary)
        except StructureError as problem:
            where = f"frame {summary.frames + 1} (line {line})"
            raise StructureError(f"{where}: {problem}") from None
        yield frame
    if not summary.frames:
        raise StructureError("holds no frame")


def _change(frame: LabelledFrame, change: Change, engine: D3Engine, summary: Summary) -> None:
    """Change one frame and count it."""
    mark = _new_mark(frame, change)
    labels = _labels(frame, change.keys)
    cell, pbc = frame.cell()
    found = engine.evaluate(frame.atomic_numbers(), frame.positions(), cell, pbc)
    for key in labels.get("energy", ()):
        energy = frame.numbers(key, (1,))
        if energy is not None:
            frame.set_numbers(key, energy + change.sign * found.energy)
    for key in labels.get("forces", ()):
        frame.set_column(key, frame.column(key) + change.sign * found.forces)
    for label in ("stress", "virials"):
        for key in labels.get(label, ()):
            _change_tensor(
                frame, key, change.sign * found.virial, cell if label == "stress" else None
            )
    frame.set(MARK, f'"{mark}"' if mark else None)
    summary.frames += 1
    summary.atoms += len(frame)
    for label in labels:
        summary.labels[label] = summary.labels.get(label, 0) + 1
    summary.energy_sum_ev += abs(found.energy) / len(frame)
    largest = float(np.linalg.norm(found.forces, axis=1).max())
    summary.largest_force_ev_ang = max(summary.largest_force_ev_ang, largest)


def _labels(frame: LabelledFrame, keys: Keys) -> dict[str, tuple[str, ...]]:
    """Names in the frame by label.

    Raises:
        StructureError: when there are none, or several for one label.
    """
    found: dict[str, tuple[str, ...]] = {}
    for label, names in _NAMES.items():
        has = frame.has_column if label == "forces" else frame.has
        given = getattr(keys, label)
        tried = [given] if given else [prefix + name for prefix in _PREFIXES for name in names]
        there = [key for key in tried if has(key)]
        if len(there) > 1:
            option = f"--{label}-key"
            raise StructureError(f"it has both '{there[0]}' and '{there[1]}': choose with {option}")
        if there:
            found[label] = tuple(there)
    if not found:
        raise StructureError(
            "it has no labels under their usual names (REF_energy, energy, forces, ...): name them "
            "with --energy-key, --forces-key, --stress-key, --virials-key"
        )
    for key in found.get("energy", ()):  # ASE writes it beside the energy
        free = key.replace("energy", "free_energy")
        if free != key and frame.has(free):
            found["energy"] += (free,)
    return found


def _change_tensor(frame: LabelledFrame, key: str, virial: Floats, cell: Floats | None) -> None:
    """Change a virial or, with a cell, a stress: six numbers in Voigt's order, or nine.

    Raises:
        StructureError: for a stress of a structure that has no volume.
    """
    numbers = frame.numbers(key, (6, 9))
    if numbers is None:
        raise StructureError(f"'{key}' has no value")
    volume = None if cell is None else abs(float(np.linalg.det(cell)))
    if not frame.cell()[1].any() or volume == 0.0:
        if not numbers.any():
            return  # "not known"
        if volume is not None:
            raise StructureError(f"'{key}' has a value, and no volume to refer to")
    change = virial if volume is None else -virial / volume
    frame.set_numbers(key, numbers + (change[_VOIGT] if numbers.size == 6 else change.ravel()))  # noqa: PLR2004


def _new_mark(frame: LabelledFrame, change: Change) -> str:
    """What the frame will say of itself: what was done, in order, what was undone left out.

    Raises:
        StructureError: when it says that D3 is in the labels, or out of them, already.
    """
    text = frame.value(MARK)
    steps = [] if text is None else [s.strip() for s in text.split(";")]
    if (text is None and frame.has(MARK)) or not all(_STEP.match(s) for s in steps):
        raise StructureError(f"'{MARK}' in the comment line is no mark of mdbench: rename it")
    if steps:
        last, _, settings = steps[-1].partition(" ")
        if last == change.done:
            raise StructureError(f"D3 is {change.done} already: '{settings}'")
        if settings == change.settings:
            return "; ".join(steps[:-1])
        if change.verb == "subtract":
            raise StructureError(f"what was added is '{settings}', not '{change.settings}'")
    return "; ".join([*steps, f"{change.done} {change.settings}"])


def _refuse_unused(keys: Keys, summary: Summary) -> None:
    for label in _NAMES:
        name = getattr(keys, label)
        if name and label not in summary.labels:
            raise StructureError(f"no frame has the {label} '{name}'")
