"""Which atoms of a structure do not move: what ``ensemble.fixed`` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import StructureError
from mdbench.structure_file import FIXED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

OF_FILE = "file"
"""The word for those that the structure's file fixes."""


def fixed_atoms(atoms: Atoms, words: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each atom is held.

    Args:
        atoms: The whole structure, copies and all.
        words: Elements, ``file``, or numbers of atoms from 1 such as ``5`` and ``1-72``.

    Returns:
        [atoms]

    Raises:
        StructureError: for a word that names no atom, or words that leave none to move.
    """
    held = np.zeros(len(atoms), bool)
    for word in words:
        held |= _named(atoms, word)
    if held.all() and len(words):
        raise StructureError("ensemble.fixed: holds all atoms: leave some out, so that they move")
    return held


def _named(atoms: Atoms, word: str) -> NDArray[np.bool_]:
    """Atoms of one word."""
    if word == OF_FILE:
        found = np.asarray(atoms.arrays.get(FIXED, np.zeros(len(atoms))), bool)
        why = "the structure has no file that fixes any"
    elif word[0].isdigit():
        first, _, last = word.partition("-")
        numbers = np.arange(1, len(atoms) + 1)
        found = (int(first) <= numbers) & (numbers <= int(last or first))
        why = f"the structure has atoms 1 to {len(atoms)}"
        if int(last or first) > len(atoms):
            found = np.zeros(len(atoms), bool)
    else:
        found = np.array([symbol == word for symbol in atoms.get_chemical_symbols()])
        why = f"the structure has {', '.join(sorted(set(atoms.get_chemical_symbols())))}"
    if not found.any():
        raise StructureError(f"ensemble.fixed: '{word}' names no atoms: {why}")
    return found


def as_group(held: NDArray[np.bool_], words: Sequence[str], elements: Sequence[str]) -> str:
    """Atoms as LAMMPS's ``group`` takes them: ``type 1``, or ``id 1:72 80``.

    By type where words are elements: LAMMPS looks at all atoms for each range of ids.

    Args:
        held: [atoms]
        words: That name them.
        elements: Of the atom types.
    """
    if set(words) <= set(elements):
        return " ".join(["type", *(f"{k}" for k, e in enumerate(elements, 1) if e in words)])
    ends = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]])))
    runs = ends.reshape(-1, 2)  # first atom of each run, and the one behind its last
    ranges = [f"{a + 1}" if a + 1 == b else f"{a + 1}:{b}" for a, b in runs.tolist()]
    return " ".join(["id", *ranges])
