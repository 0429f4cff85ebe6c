"""Reference data to draw beside ours: CSV files whose header names the quantity."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import OutputError
from mdbench.plots.series import Curve, same_temperature

if TYPE_CHECKING:
    from pathlib import Path

QUANTITIES = {
    "rdf": ("r_ang", "g", "g_error"),
    "density_profile": ("z_ang", "number_per_nm3", "number_error"),
    "msd": ("lag_ps", "msd_ang2", "msd_error"),
    "density_temperature": ("temperature_k", "density_gcm3", "density_error"),
    "arrhenius": ("temperature_k", "diffusion_1e-9m2s", "diffusion_error"),
}
"""Columns of x, y and, if there are any, errors."""
KEYED = {"rdf": "pair", "msd": "element", "arrhenius": "element"}
_PAIR = re.compile(r"(?<![A-Za-z])([A-Z][a-z]?-[A-Z][a-z]?)(?![A-Za-z])")
_ELEMENT = re.compile(r"(?<![A-Za-z])([A-Z][a-z]?)(?![A-Za-z-])")
_LABEL = re.compile(r"label:\s*(.+)", re.IGNORECASE)
_KELVIN = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*K\b")
MAX_BYTES = 20_000_000


@dataclass(frozen=True)
class Reference:
    """One curve from elsewhere."""

    quantity: str  # a key of QUANTITIES
    key: str  # pair or element, empty where the quantity has none
    label: str
    temperature_k: float | None
    curve: Curve

    @property
    def name(self) -> str:
        """What it is, for a sentence."""
        return f"{self.label} ({' '.join([self.quantity.replace('_', ' '), self.key]).strip()})"


def select(
    references: list[Reference], quantity: str, key: str, temperature_k: float | None
) -> list[Reference]:
    """References for one panel; one without a temperature fits every panel."""
    return [
        r
        for r in references
        if (r.quantity, r.key) == (quantity, key)
        and (
            r.temperature_k is None
            or temperature_k is None
            or same_temperature(r.temperature_k, temperature_k)
        )
    ]


def read_reference(path: Path) -> list[Reference]:
    """Read a CSV of one or, with a column ``series``, several curves.

    Comment lines begin with ``#``; ``# rdf O-O 298 K label: SPC/Fw`` names what no column names.
    The CSV files of a report are such files.

    Raises:
        OutputError: naming file and line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise OutputError(f"{path}: larger than {MAX_BYTES // 10**6} MB: no reference curve")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise OutputError(f"{path}: is no text: give a CSV file") from None
    except OSError as problem:
        raise OutputError(f"{path}: {problem.strerror or problem}") from None
    comments = [line.lstrip("# ") for line in lines if line.startswith("#")]
    data = [(i, ln) for i, ln in enumerate(lines, 1) if ln.strip() and not ln.startswith("#")]
    if not data:
        raise OutputError(f"{path}: holds no data: write a header and rows of numbers")
    header = [name.strip() for name in next(csv.reader([data[0][1]]))]
    return _curves(path, header, data, " ".join(comments))


def _curves(
    path: Path, header: list[str], data: list[tuple[int, str]], comment: str
) -> list[Reference]:
    """The curves below a header."""
    quantity = _quantity(path, data[0][0], header)
    names = QUANTITIES[quantity]
    wanted = [n for n in names if n in header]
    groups: dict[tuple[str, ...], list[list[float]]] = {}
    labels = [n for n in ("series", KEYED.get(quantity, "")) if n in header]
    for line, text in data[1:]:
        cells = [c.strip() for c in next(csv.reader([text]))]
        if len(cells) != len(header):
            raise OutputError(f"{path}:{line}: {len(cells)} cells under {len(header)} columns")
        cell = dict(zip(header, cells, strict=True))
        row = [_cell(path, line, n, cell[n], n in names[:2]) for n in wanted]
        groups.setdefault(tuple(cell[n] for n in labels), []).append(row)
    if not groups:
        raise OutputError(f"{path}:{data[0][0]}: no rows of numbers below the header")
    return [
        _reference(path, quantity, dict(zip(labels, group, strict=True)), comment, rows)
        for group, rows in groups.items()
    ]


def _quantity(path: Path, line: int, header: list[str]) -> str:
    """The quantity that a header names."""
    for quantity, columns in QUANTITIES.items():
        if set(columns[:2]) <= set(header):
            return quantity
    known = "; ".join(",".join(columns[:2]) for columns in QUANTITIES.values())
    raise OutputError(f"{path}:{line}: header {','.join(header)[:80]!r} is none of: {known}")


def _cell(path: Path, line: int, name: str, text: str, needed: bool) -> float:  # noqa: FBT001
    """A number; an error may be left empty."""
    if not text and not needed:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        raise OutputError(f"{path}:{line}: {name} is {text[:40]!r}, not a number") from None
    if needed and not np.isfinite(value):
        raise OutputError(f"{path}:{line}: {name} is {text!r}, not a finite number")
    return value


def _reference(
    path: Path, quantity: str, names: dict[str, str], comment: str, rows: list[list[float]]
) -> Reference:
    """One curve with its names, from its columns, the comment or the file's name."""
    label = _LABEL.search(comment)
    told = comment[: label.start()] if label else comment
    kind = KEYED.get(quantity, "")
    key = names.get(kind, "")
    pattern = _PAIR if kind == "pair" else _ELEMENT
    for text in (_KELVIN.sub("", told), path.stem.replace("_", " ")):  # 298 K: no potassium
        if kind and not key and (match := pattern.search(text)):
            key = match[1]
    if kind and not key:
        example = "O-O" if kind == "pair" else "O"
        raise OutputError(f"{path}:1: which {kind}? write for example: # {example} label: my data")
    columns = np.array(sorted(rows)).T
    kelvin = _KELVIN.search(told) or _KELVIN.search(names.get("series", ""))
    title = label[1].strip() if label else ""
    series = names.get("series", "")
    error = columns[2] if len(columns) > 2 else np.full(columns.shape[1], np.nan)  # noqa: PLR2004
    return Reference(
        quantity,
        key,
        ", ".join(t for t in (title, series) if t) or path.stem,
        float(kelvin[1]) if kelvin else None,
        Curve(columns[0], columns[1], error),
    )
