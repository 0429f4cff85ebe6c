"""RBMD's control file as a dialect spells it: plain JSON in the order in which people read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdbench.rbmd.control import Control
    from mdbench.rbmd.dialects import Dialect

_WORDS = ("bond_type", "angle_type", "dihedral_type", "improper_type")
_DEFAULTS = {"execution.group"}
"""Left out: what they say holds anyway."""


def to_json(control: Control, dialect: Dialect) -> str:
    """The text of a control file; keys that the dialect or mdbench does not know are left out."""
    data = _known(control)
    force_field = data["hyper_parameters"]["force_field"]
    for key in _WORDS:
        if key in force_field:
            word = force_field[key]
            force_field[key] = word.capitalize() if dialect.capitals else word
    neighbor = data["hyper_parameters"]["neighbor"]
    if neighbor["type"] == "VERLETLIST":
        neighbor["type"] = dialect.verlet
    extend = data["hyper_parameters"]["extend"]
    if dialect.whole_special_bonds and "special_bonds" in extend:
        extend["special_bonds"] = [int(n) for n in extend["special_bonds"]]
    for block in ("thermo_out", "rdf_out", "msd_out", "vacf_out"):
        data["outputs"].get(block, {}).pop("enabled", None)
    _drop(data, dialect.unknown_keys | _DEFAULTS)
    return _text(data) + "\n"


def _known(control: Control) -> dict[str, Any]:
    """What the model declares and the file sets, as plain data."""
    return _declared(control) or {}


def _declared(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    fields = getattr(type(value), "model_fields", None)
    if fields is None:
        return list(value) if isinstance(value, tuple) else value
    found = {name: _declared(getattr(value, name)) for name in fields}
    return {name: inner for name, inner in found.items() if inner is not None}


def _drop(data: dict[str, Any], names: frozenset[str]) -> None:
    """Remove ``block.key`` wherever that block is."""
    for block, inner in data.items():
        if isinstance(inner, dict):
            for key in list(inner):
                if f"{block}.{key}" in names:
                    del inner[key]
            _drop(inner, names)


def _text(value: Any, indent: str = "") -> str:  # noqa: ANN401 - plain data of any shape
    """JSON with one key a line, and lists on one line."""
    if not isinstance(value, dict):
        return json.dumps(value)
    if not value:
        return "{}"
    deeper = indent + "  "
    lines = [f"{deeper}{json.dumps(k)}: {_text(v, deeper)}" for k, v in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
