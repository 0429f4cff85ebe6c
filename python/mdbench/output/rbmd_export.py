"""What ``mdbench export`` left beside the files of an RBMD run: its specification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mdbench.errors import OutputError, SpecError
from mdbench.json_text import read_json_text

if TYPE_CHECKING:
    from pathlib import Path

EXPORT = "export.json"
_SCHEMA = 1
_KIND = "mdbench export"


@dataclass(frozen=True)
class Export:
    """Where a run came from."""

    name: str
    variant: str
    dialect: str
    seed: int
    equilibration: int  # steps
    elements: tuple[str, ...]  # of the atom types
    analysis: dict[str, Any]  # that section of the specification
    ensemble: dict[str, Any]  # and that


def read_export(folder: Path) -> Export | None:
    """The record in a folder, if there is one.

    Raises:
        OutputError: when it is damaged, or of another version.
    """
    path = folder / EXPORT
    if not path.is_file():
        return None
    try:
        data = read_json_text(path).data
        if data.get("schema") != _SCHEMA or data.get("kind") != _KIND:
            raise OutputError(f"'{path}' is not of schema {_SCHEMA}: another version wrote it")
        elements = data["elements"]
        if not isinstance(elements, list):
            raise TypeError("elements")  # noqa: TRY301 - all damage is told alike
        return Export(
            name=str(data["name"]),
            variant=str(data["variant"]["name"]),
            dialect=str(data["dialect"]),
            seed=int(data["variant"]["seed"]),
            equilibration=max(0, int(data["plan"]["equilibration"])),
            elements=tuple(str(e) for e in elements),
            analysis=dict(data["spec"].get("analysis", {})),
            ensemble=dict(data["spec"].get("ensemble", {})),
        )
    except SpecError as problem:
        raise OutputError(str(problem)) from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise OutputError(
            f"'{path}' is damaged: {type(problem).__name__} {problem}: export again"
        ) from None
