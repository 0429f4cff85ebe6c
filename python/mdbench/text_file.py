"""Text files that people wrote, read so that no file can do harm."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from mdbench.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path


def printable(text: str) -> str:
    """On one line, without characters that move a terminal's cursor."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def read_bytes(path: Path, largest: int, noun: str, suffixes: tuple[str, ...] = ()) -> bytes:
    """What a file of limited size holds.

    Args:
        path: A regular file.
        largest: Bytes that it may have.
        noun: What it is to be, in messages.
        suffixes: That its name may end in; any by default.

    Raises:
        SpecError: when it cannot be read, is larger or is no file.
    """
    name = printable(str(path))
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = f"a folder: name the {noun} in it" if stat.S_ISDIR(mode) else "not a file"
            raise SpecError(f"{name}: is {what}")
        if suffixes and path.suffix.lower() not in suffixes:
            raise SpecError(f"{name}: the name of a {noun} ends in {', '.join(suffixes)}")
        with path.open("rb") as file:
            raw = file.read(largest + 1)
    except OSError as problem:
        raise SpecError(f"{name}: {problem.strerror}") from None
    except ValueError as problem:  # a path with a NUL
        raise SpecError(f"{name}: {problem}") from None
    if len(raw) > largest:
        raise SpecError(f"{name}: is larger than {largest} bytes: no {noun} is")
    return raw


def decode(raw: bytes, name: str) -> str:
    """UTF-8 text, without a byte-order mark.

    Raises:
        SpecError: with the line, where it is in another encoding.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise SpecError(f"{name}:{line}: not UTF-8 text: save it in that encoding") from None
