"""Reading and writing of result files; one that does not fit the schema is refused in one line."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from mdbench.errors import OutputError
from mdbench.scaling.fields import one_line
from mdbench.scaling.results import SCHEMA, Result

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_FILE = 2**28
_PLAIN = {"missing": "is missing", "unexpected_keyword_argument": "unknown key"}
_ADAPTER: TypeAdapter[Result] = TypeAdapter(Result)


def json_schema() -> dict[str, Any]:
    """JSON schema of result files."""
    return _ADAPTER.json_schema()


def to_json(result: Result) -> str:
    """A result as text; reading it gives an equal result."""
    data = _ADAPTER.dump_python(result, mode="json")
    ordered = {"schema": data.pop("schema"), **data}
    return json.dumps(ordered, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_result(result: Result, path: Path) -> None:
    """Write a result; the file is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(to_json(result), encoding="utf-8")
    part.replace(path)


def read_result(path: Path) -> Result:
    """Read a result.

    Raises:
        OutputError: in one line: file, field and what is wrong with it.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise OutputError(f"{path}: too large for a result of mdbench scaling")
        text = path.read_bytes()
    except OSError as problem:
        raise OutputError(f"{path}: {problem.strerror or problem}") from None
    return parse_result(text, str(path))


def parse_result(text: bytes, name: str) -> Result:
    """A result from the contents of a file of that name; see :func:`read_result`."""
    try:
        data = from_json(text)
    except ValueError as problem:
        raise OutputError(f"{name}: no JSON: {problem}") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise OutputError(f"{name}: no result of mdbench scaling that this version can read")
    try:
        return _ADAPTER.validate_json(text, strict=True)
    except ValidationError as problem:
        raise OutputError(f"{name}: {_explain(problem)}") from None


def _explain(problem: ValidationError) -> str:
    """The first of the problems, and how many more there are."""
    errors = problem.errors(include_url=False, include_context=False, include_input=False)
    first = errors[0]
    field = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in first["loc"]).lstrip(".")
    text = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    text = _PLAIN.get(first["type"], text)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return one_line(f"{field[:100] + ': ' if field else ''}{text[:200]}{more}")
