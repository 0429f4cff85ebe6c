"""Specifications from files, and what editors need to help in writing them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mdbench.errors import SpecError
from mdbench.spec import RunSpec
from mdbench.spec_messages import SECTIONS, describe
from mdbench.spec_text import parse
from mdbench.text_file import decode, printable, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.spec_types import Section

_LARGEST_BYTES = 100_000
"""A hundred times a long specification; PyYAML reads that in a second."""
_MOST_MESSAGES = 10
_SUFFIXES = (".toml", ".yaml", ".yml")


@dataclass(frozen=True)
class LoadedSpec:
    """A specification and the file that it came from."""

    spec: RunSpec
    path: Path
    text: str
    sha256: str
    """Of the bytes of the file."""


def load_spec(path: Path) -> LoadedSpec:
    """Read a specification; paths in it become absolute, from its folder.

    Args:
        path: A ``*.toml``, ``*.yaml`` or ``*.yml`` file.

    Raises:
        SpecError: when it cannot be read or is wrong: one line a problem, ``file:line: field: ...``
            in the order of the file, the first ten.
    """
    name = printable(str(path))
    raw = read_bytes(path, _LARGEST_BYTES, "specification", _SUFFIXES)
    text = decode(raw, name)
    if not text.strip():
        raise SpecError(f"{name}:1: is empty: 'mdbench init' writes one to start from")
    parsed = parse(text, name, is_toml=path.suffix.lower() == ".toml")
    try:
        spec = RunSpec.model_validate(parsed.data, context={"folder": path.absolute().parent})
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        # a list whose values are wrong counts as empty besides
        errors = [e for e in errors if e["type"] != "too_short" or not e["input"]]
        found = [describe(e, parsed.data) for e in errors]
        located = sorted({(parsed.line(keys), text) for keys, text in found})
        lines = [f"{name}:{line}: {printable(text)}" for line, text in located]
        more = len(lines) - _MOST_MESSAGES
        rest = [f"and {more} more"] if more > 0 else []
        raise SpecError("\n".join(lines[:_MOST_MESSAGES] + rest)) from None
    return LoadedSpec(spec, path, text, hashlib.sha256(raw).hexdigest())


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 7) of a specification, for editors."""
    schema = RunSpec.model_json_schema()
    sections: tuple[type[Section], ...] = (RunSpec, *SECTIONS)
    for cls in sections:
        properties = schema["$defs"].get(cls.__name__, schema)["properties"]
        defaults = cls.model_construct().model_dump(mode="json")
        for key, field in properties.items():
            field.pop("title", None)
            if field.pop("default", None) is not None and not isinstance(defaults[key], dict):
                field["default"] = defaults[key]
    _to_draft_7(schema)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _to_draft_7(node: object) -> None:
    """Lists of fixed length as editors know them; they know no later draft for certain."""
    if isinstance(node, dict):
        if "prefixItems" in node:
            node["items"] = node.pop("prefixItems")
            node["additionalItems"] = False
        node.pop("discriminator", None)
    if isinstance(node, (dict, list)):
        for inner in node.values() if isinstance(node, dict) else node:
            _to_draft_7(inner)
