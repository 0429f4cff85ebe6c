"""Results as files: analysis.json and a table of every number with an error."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_DIGITS = 7
_DEPTH = 5
"""No estimate lies deeper."""


@dataclass
class Findings:
    """Sections of one run, or of several, as they come in."""

    sections: dict[str, Any] = field(default_factory=dict)
    refused: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, quantity: str, compute: Callable[[], Any]) -> Any:  # noqa: ANN401
        """The result, or ``None`` with the reason on record."""
        try:
            return compute()
        except AnalysisError as reason:
            self.refused.append({"quantity": quantity, "reason": str(reason)})
            return None


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever results hold
    """Results as data for JSON: arrays to lists, NaN and infinity to null, seven digits."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value


def write_analysis(analysis: dict[str, Any], folder: Path) -> Path:
    """Write ``analysis.json``, and ``analysis.csv`` with every number that has an error."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "analysis.json"
    path.write_text(json.dumps(analysis, indent=1) + "\n")
    with (folder / "analysis.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "quantity", "value", "error", "unit", "n_eff", "method"])
        for run in [*analysis["runs"], {"name": "combined", **analysis["combined"]}]:
            for quantity, e in estimates_in(run):
                row = [e["value"], e["error"], e["unit"], e["n_eff"], e["method"]]
                writer.writerow([run["name"], quantity, *row])
    return path


def find_estimates(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:  # noqa: ANN401
    """Keys of all estimates below; what is read from a file may be anything."""
    if not isinstance(data, dict) or len(path) > _DEPTH:
        return
    if {"value", "error", "unit"} <= data.keys():
        if isinstance(data["value"], (int, float)):
            yield path
        return
    for key, value in data.items():
        yield from find_estimates(value, (*path, str(key)))


def estimates_in(section: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every estimate below a section, with its keys as a name."""
    found = []
    for path in find_estimates(section):
        data = section
        for key in path:
            data = data[key]
        found.append((" ".join(path), data))
    return found
