"""Folders to start from: a commented specification and what to do with it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from mdbench.errors import SpecError

NAMES = ("graphene-water", "water", "spce", "licl", "hea", "lgps")
_COPIES = "([1-9][0-9]?|100)"
_FILES = Path(__file__).parent / "template_files"


@dataclass(frozen=True)
class _Size:
    """Lines of ``[system]``, and what they give."""

    atoms: int
    lines: str
    equilibration: str = "2 ps"


_SIZES = {
    "128": _Size(128, 'cell = "128"                    # equilibrated; also 372, lattice\n'),
    "372": _Size(372, 'cell = "372"                    # equilibrated; also 128, lattice\n'),
    # 192 C + 282 H2O: 1.47 molecules a carbon atom, 1.39 in the cell of 372
    "1038": _Size(
        1038,
        'cell = "lattice"                # molecules on a grid: needs the longer equilibration\n'
        "cells = [8, 6]                  # of 4 carbon atoms, 2.492 A x 4.316 A\n"
        "num_water = 282\n"
        '# height = "19 A"               # of the cell; default: that of zero normal pressure\n',
        "5 ps",
    ),
}


def init(system: str, folder: Path | None = None, *, size: str | None = None) -> Path:
    """Make a folder with ``run.toml``, ``README.md`` and the data file that it may need.

    Args:
        system: One of ``NAMES``.
        folder: What to make; by default one of the system's name, here. May exist if empty.
        size: For ``graphene-water``: atoms (128, 372, 1038, 2976) or ``NxMxL`` copies of the 372.

    Returns:
        The folder.

    Raises:
        SpecError: for another name or size, or when the folder holds something already.
    """
    if system not in NAMES:
        raise SpecError(f"no template {system[:40]!a}: choose one of {', '.join(NAMES)}")
    if size is not None and system != "graphene-water":
        raise SpecError(f"--size goes with graphene-water: edit [system] in run.toml of {system}")
    chosen = _size("372" if size is None else size)
    folder = folder or Path(system)
    values = {
        "name": system,
        "atoms": str(chosen.atoms),
        "system": chosen.lines,
        "equilibration": chosen.equilibration,
    }
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SpecError(f"'{folder}' exists already and is not empty: name another folder")
        folder.mkdir(parents=True, exist_ok=True)
        for source in sorted((_FILES / system).iterdir()):
            text = Template(source.read_text("utf-8")).substitute(values)
            with (folder / source.name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as problem:
        raise SpecError(f"cannot write '{folder}': {problem.strerror}") from None
    return folder


def _size(size: str) -> _Size:
    """Of graphene with water."""
    cell, copies = size, [1, 1, 1]
    if size not in _SIZES:
        cell = "372"
        found = re.fullmatch(rf"{_COPIES}x{_COPIES}x{_COPIES}", "2x2x2" if size == "2976" else size)
        if not found:
            choices = (
                f"{', '.join(_SIZES)}, 2976, or copies of the 372 atoms as 2x2x1 (100 at most)"
            )
            raise SpecError(f"size {size[:40]!a}: choose {choices}")
        copies = [int(n) for n in found.groups()]
    chosen = _SIZES[cell]
    line = f"{'' if max(copies) > 1 else '# '}supercell = {copies}"
    atoms = chosen.atoms * math.prod(copies)
    return _Size(atoms, f"{chosen.lines}{line:<32}# copies along x, y, z\n", chosen.equilibration)
