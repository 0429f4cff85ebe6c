"""A specification as the text of a run.toml: what differs from the defaults, with units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mdbench.errors import SpecError
from mdbench.spec import RunSpec
from mdbench.spec_types import Section, shown

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_COMMENT_COLUMN = 32
_WIDTH = 100
_WORDS = ("bundled", "reference")  # of model.file: no paths


def spec_text(spec: RunSpec, folder: Path) -> str:
    """The text; ``load_spec`` of a file with it in the folder gives the same specification.

    Files below the folder are named by their path from there, others by their whole path.

    Args:
        spec: What to write.
        folder: Where the file will be.

    Raises:
        SpecError: for a path that no specification can hold.
    """
    folder = folder.absolute()
    lines = _lines(spec, folder)
    for name in RunSpec.model_fields:
        section = getattr(spec, name)
        if isinstance(section, Section) and (body := _lines(section, folder)):
            lines += ["", f"[{name}]", *body]
    return "\n".join(lines).lstrip("\n") + "\n"


def _lines(section: Section, folder: Path) -> list[str]:
    """The keys of a section that have other values than by default."""
    dumped = section.model_dump(mode="json", exclude_defaults=True)
    lines: list[str] = []
    for name, field in type(section).model_fields.items():
        key, value = field.alias or name, getattr(section, name)
        if key not in dumped or isinstance(value, Section):
            continue
        if not isinstance(value, tuple):
            lines.append(_commented(f"{key} = {_toml(value, dumped[key], folder)}", field))
            continue
        items = [_toml(v, d, folder) for v, d in zip(value, dumped[key], strict=True)]
        if len(items) == 1 and section.__class__.__name__ in {"Ensemble", "Run"}:
            lines.append(_commented(f"{key} = {items[0]}", field))
        elif len(line := f"{key} = [{', '.join(items)}]") < _WIDTH - _COMMENT_COLUMN:
            lines.append(_commented(line, field))
        else:
            lines += [_commented(f"{key} = [", field), *_rows(items), "]"]
    return lines


def _commented(line: str, field: FieldInfo) -> str:
    """With the first clause of the key's description behind it."""
    about = (field.description or "").replace("\n", " ").replace("``", "").rstrip(".")
    for end in (". ", "; "):
        about = about.partition(end)[0]
    return f"{line.ljust(_COMMENT_COLUMN - 1)} # {about}"


def _rows(items: list[str]) -> list[str]:
    """The items of a list on lines of limited width."""
    rows = [""]
    for item in items:
        if rows[-1] and len(rows[-1]) + len(item) > _WIDTH - 6:
            rows.append("")
        rows[-1] += f" {item},"
    return [f"   {row}" for row in rows]


def _toml(value: object, dumped: object, folder: Path) -> str:
    """A value as TOML writes it.

    Args:
        value: Of the specification.
        dumped: The same as JSON would hold it: with its unit, if it has one.
        folder: That paths count from.
    """
    if isinstance(value, Path):
        return _path(value, folder)
    if isinstance(value, float):  # whole numbers without the ".0" that nobody writes
        number, _, unit = str(dumped).partition(" ")
        number = number.removesuffix(".0")
        return f'"{number} {unit}"' if unit and unit != "K" else number
    return json.dumps(dumped, ensure_ascii=False)


def _path(path: Path, folder: Path) -> str:
    text = str(path)
    if text not in _WORDS and path.is_relative_to(folder):
        text = str(path.relative_to(folder))
        text = f"./{text}" if text in _WORDS else text
    if not text.strip() or not text.isprintable():
        raise SpecError(f"the path {shown(text)} holds characters that do not print: rename it")
    return json.dumps(text, ensure_ascii=False)
