"""Trajectory files of any known format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.errors import OutputError
from mdbench.output.binary import XTC_MAGIC, DcdFile, XtcFile
from mdbench.output.contents import open_bytes
from mdbench.output.dump_text import DumpText
from mdbench.output.extxyz import ExtXyz

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.output.contents import Reader


def open_reader(path: Path, *, velocities: bool = False) -> Reader:
    """Open a trajectory file; its first bytes, not its name, tell the format.

    Args:
        path: XTC, DCD, text dump or extended XYZ; the last two may be gzipped.
        velocities: Read velocities, in the units of the file, instead of positions.

    Raises:
        OutputError: when it cannot be read, or holds no complete frame.
    """
    try:
        with open_bytes(path) as file:
            head = file.read(64)
        if head[:4] in XTC_MAGIC or head[4:8] == b"CORD":
            if velocities:
                raise OutputError(f"'{path}' holds no velocities")
            return XtcFile(path) if head[:4] in XTC_MAGIC else DcdFile(path)
        if head.startswith(b"ITEM: "):
            return DumpText(path, velocities=velocities)
        if head.split(b"\n", 1)[0].strip().isdigit():
            return ExtXyz(path, velocities=velocities)
    except (OSError, EOFError) as problem:
        raise OutputError(f"'{path}' cannot be read: {problem}") from None
    what = "is empty" if not head else "is no XTC, DCD, text dump of LAMMPS or extended XYZ"
    raise OutputError(f"'{path}' {what}")
