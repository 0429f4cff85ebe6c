"""A run's folder on disk: manifest, record of finished segments, lock. Every write is atomic."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mdbench.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = "manifest.json"
STATE = "state.json"
SEGMENTS = "segments"
FAILED = "failed"
SCRIPT = "run.in"
_LOCK = ".lock"
_LOCK_PATIENCE_S = 5.0


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that at any time the old or the new one is there, on the disk."""
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as problem:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise RunError(f"cannot write '{path}': {problem.strerror}") from None


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RunError: when it cannot be read.
    """
    try:
        data = json.loads(path.read_text())
    except OSError as problem:
        raise RunError(f"cannot read '{path}': {problem.strerror}") from None
    except ValueError:
        raise RunError(f"'{path}' is damaged: it is no JSON") from None
    if not isinstance(data, dict):
        raise RunError(f"'{path}' is damaged: it holds no object")
    return data


@dataclass(frozen=True)
class StoredFile:
    """A file as it was when its segment was recorded."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Segment:
    """A finished segment: steps ``first`` to ``last`` and its files by kind."""

    first: int
    last: int
    wall_s: float
    files: dict[str, StoredFile]


@dataclass
class State:
    """What is finished. Files of segments that are not in here do not count."""

    status: str = "prepared"  # running, finished, stopped, failed
    segments: list[Segment] = field(default_factory=list)

    @property
    def step(self) -> int:
        """Step from which to go on."""
        return self.segments[-1].last if self.segments else 0


@dataclass(frozen=True)
class RunFolder:
    """Paths and records of one run."""

    path: Path

    @property
    def is_prepared(self) -> bool:
        """Whether preparation came to its end: the manifest is written last."""
        return (self.path / MANIFEST).is_file()

    def manifest(self) -> dict[str, Any]:
        """Everything needed to repeat the run.

        Raises:
            RunError: when it is missing or damaged.
        """
        return read_json(self.path / MANIFEST)

    def segment_file(self, first: int, kind: str) -> Path:
        """File of the segment that starts at a step; ``kind`` is its suffix."""
        return self.path / SEGMENTS / f"{first:09d}.{kind}"

    def files_of(self, first: int) -> dict[str, Path]:
        """What a segment left on disk, by kind."""
        found = sorted((self.path / SEGMENTS).glob(f"{first:09d}.*"))
        return {p.name.partition(".")[2]: p for p in found}

    def state(self) -> State:
        """The record of segments.

        Raises:
            RunError: when it is damaged.
        """
        path = self.path / STATE
        if not path.exists():
            self.refuse_orphans(STATE)
            return State()
        data = read_json(path)
        try:
            segments = [
                Segment(
                    int(s["first"]),
                    int(s["last"]),
                    float(s["wall_s"]),
                    {k: StoredFile(int(f["bytes"]), f["sha256"]) for k, f in s["files"].items()},
                )
                for s in data["segments"]
            ]
            return State(str(data["status"]), segments)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise RunError(f"'{path}' is damaged: {problem!r}") from None

    def refuse_orphans(self, missing: str) -> None:
        """Keep what a record that is missing would have protected.

        Raises:
            RunError: when there are segments.
        """
        if any((self.path / SEGMENTS).glob("*.restart")):
            raise RunError(
                f"'{self.path}' holds segments and no {missing}: put it back from a copy, or move "
                "the folder away to start anew"
            )

    def save(self, state: State) -> None:
        """Record the state."""
        segments = [asdict(s) for s in state.segments]
        data = {"schema": 1, "status": state.status, "segments": segments}
        write_atomically(self.path / STATE, json.dumps(data, indent=1) + "\n")

    def discard_unfinished(self, state: State) -> None:
        """Remove files of segments that were never recorded."""
        known = {s.first for s in state.segments}
        for path in (self.path / SEGMENTS).iterdir():
            stem = path.name.partition(".")[0]
            if path.is_file() and not (stem.isdigit() and int(stem) in known):
                path.unlink()

    def set_aside(self, first: int) -> Path:
        """Move a failed segment's files to ``failed/``; returns their new folder."""
        parent = self.path / FAILED
        parent.mkdir(exist_ok=True)
        number = 1 + max((int(p.name[:3]) for p in parent.glob("[0-9]*-step-*")), default=0)
        target = parent / f"{number:03d}-step-{first:09d}"
        target.mkdir()
        for path in self.files_of(first).values():
            shutil.move(path, target / path.name)
        return target

    @contextlib.contextmanager
    def lock(self) -> Iterator[int]:
        """Hold the run for this process and the programs that inherit the descriptor.

        Raises:
            RunError: when another process works here.
        """
        try:
            handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as problem:
            raise RunError(f"cannot write in '{self.path}': {problem.strerror}") from None
        try:
            patience = time.monotonic() + _LOCK_PATIENCE_S  # an orphan needs a moment to die
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > patience:
                        raise RunError(
                            f"another process is running '{self.path}': stop it, or wait"
                        ) from None
                    time.sleep(0.1)
            yield handle
        finally:
            os.close(handle)
