"""LAMMPS data files that LAMMPS and RBMD both read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdbench.molecules.system import TOPOLOGY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mdbench.molecules.system import MolecularSystem, Terms


def write_molecules(
    path: Path, system: MolecularSystem, elements: Sequence[str], *, coefficients: bool
) -> None:
    """Write a data file that gives every number back to the last bit; atoms are 1 to N.

    RBMD finds the lines of the head by words in them and ends it at ``zlo zhi``: the title holds
    none of its words, and the box comes last.

    Args:
        path: File to write.
        system: What to write.
        elements: Of the types; they become comments behind the masses.
        coefficients: Write those too; LAMMPS then wants its styles before ``read_data``.
    """
    present = {n: system.of(n) for n in TOPOLOGY if len(system.of(n).kinds)}
    lines = [f"LAMMPS data file, units = {system.units}, written by mdbench", ""]
    lines += [f"{len(system)} atoms", *(f"{len(t.kinds)} {n}s" for n, t in present.items())]
    lines += ["", f"{len(system.masses)} atom types"]
    lines += [f"{_num_types(t)} {n} types" for n, t in present.items()]
    lines.append("")
    for low, high, axis in zip(system.low.tolist(), system.high.tolist(), "xyz", strict=True):
        lines.append(f"{low!r} {high!r} {axis}lo {axis}hi")
    lines += ["", "Masses", ""]
    lines += [
        f"{k} {m!r} # {e}" for k, (m, e) in enumerate(zip(system.masses, elements, strict=True), 1)
    ]
    if coefficients:
        numbers = {"Pair Coeffs": system.pair_coefficients}
        numbers |= {f"{n.capitalize()} Coeffs": t.coefficients for n, t in present.items()}
        for title, rows in numbers.items():
            if rows:
                lines += ["", title, "", *(f"{k} {number_words(r)}" for k, r in enumerate(rows, 1))]
    lines += ["", f"Atoms # {system.atom_style}", "", *_atom_lines(system)]
    if system.velocities is not None:
        lines += ["", "Velocities", ""]
        lines += [
            f"{i} {x!r} {y!r} {z!r}" for i, (x, y, z) in enumerate(system.velocities.tolist(), 1)
        ]
    for name, terms in present.items():
        lines += ["", f"{name.capitalize()}s", ""]
        rows = np.column_stack([terms.kinds, terms.atoms + 1]).tolist()
        lines += [f"{i} {' '.join(map(str, row))}" for i, row in enumerate(rows, 1)]
    path.write_text("\n".join(lines) + "\n")


def _num_types(terms: Terms) -> int:
    return max(len(terms.coefficients), int(terms.kinds.max(initial=0)))


def number_words(numbers: Sequence[float]) -> str:
    """Numbers as LAMMPS takes them: whole ones without a point, which some must be."""
    return " ".join(repr(float(n)).removesuffix(".0") for n in numbers)


def _atom_lines(system: MolecularSystem) -> list[str]:
    columns = zip(
        system.molecules.tolist(),
        system.types.tolist(),
        system.charges.tolist(),
        system.positions.tolist(),
        system.images.tolist(),
        strict=True,
    )
    marks = {"atomic": "{t}", "charge": "{t} {q!r}", "full": "{m} {t} {q!r}"}[system.atom_style]
    return [
        f"{i} {marks.format(m=m, t=t, q=q)} {x!r} {y!r} {z!r} {a} {b} {c}"
        for i, (m, t, q, (x, y, z), (a, b, c)) in enumerate(columns, 1)
    ]
