"""What is wrong with a specification, in plain words."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, cast, get_args

from mdbench.spec import Ensemble, Output, Run, RunSpec
from mdbench.spec_analysis import Analysis
from mdbench.spec_dispersion import Dispersion
from mdbench.spec_force_field import ForceField, Rbmd
from mdbench.spec_model import Model
from mdbench.spec_system import AnySystem
from mdbench.spec_types import Section, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from mdbench.spec_text import Keys

SYSTEMS: dict[str, type[Section]] = {
    get_args(cls.model_fields["builder"].annotation)[0]: cls
    for cls in get_args(get_args(AnySystem)[0])
}
"""The sections that ``system`` may be, by builder."""

SECTIONS: tuple[type[Section], ...] = (
    *SYSTEMS.values(),
    Model,
    ForceField,
    Dispersion,
    Ensemble,
    Run,
    Output,
    Analysis,
    Rbmd,
)
"""All tables of a specification."""

_PLAIN = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "literal_error": "{shown} is not one of {expected}",
    "union_tag_invalid": "{shown} is not one of {expected_tags}",
    "union_tag_not_found": "needs file = '...' or builder = '...', one of {builders}",
    "model_type": "{shown} is not a table: write its keys below [{field}]",
    "model_attributes_type": "{shown} is not a table: write its keys below [{field}]",
    "string_type": "{shown} is not text: put it into quotes",
    "path_type": "{shown} is not the path of a file: put it into quotes",
    "int_type": "{shown} is not a whole number",
    "int_from_float": "{shown} is not a whole number",
    "bool_type": "{shown} is neither true nor false",
    "float_type": "{shown} is not a number",
    "finite_number": "{shown} is not a finite number",
    "greater_than": "{shown} is not more than {gt:g}",
    "greater_than_equal": "{shown} is less than {ge}",
    "less_than": "{shown} is not less than {lt:g}",
    "less_than_equal": "{shown} is more than {le:.9g}",
    "tuple_type": "{shown} is not a list: write [ ... ]",
    "too_short": "has {actual_length} values; the least is {min_length}",
    "too_long": "has {actual_length} values; the most is {max_length}",
    "value_error": "{error}",
    "conflict": "{why}",
}


def describe(error: ErrorDetails, data: dict[str, Any]) -> tuple[Keys, str]:
    """One problem that pydantic found.

    Args:
        error: Of ``ValidationError.errors()``.
        data: What was validated.

    Returns:
        The keys that lead to the wrong value, and the message, which begins with the field.
    """
    keys, given = _keys(error, data)
    kind = error["type"]
    if kind == "missing" and keys == ("system",):
        kind = "union_tag_not_found"
    elif kind == "missing" and isinstance(keys[-1], int):
        return keys, f"{_field(keys)}: has too few values"
    text = in_words(error, given, _PLAIN.get(kind), field=_field(keys))
    return keys, f"{_field(keys)}: {text}{_advice(error, keys, data, given)}"


def in_words(error: ErrorDetails, given: object, words: str | None = None, field: str = "") -> str:
    """What is wrong with a value, whatever was validated.

    Args:
        error: Of ``ValidationError.errors()``.
        given: The value.
        words: Other words than those for a specification, with the same placeholders.
        field: Name of the key or table.
    """
    return (words or _PLAIN.get(error["type"], "{msg}")).format(
        **error.get("ctx", {}),
        shown=shown(given),
        field=field,
        builders=", ".join(SYSTEMS),
        msg=re.sub(r"^(Input|Value) should be", "must be", error["msg"]),
    )


def _keys(error: ErrorDetails, data: dict[str, Any]) -> tuple[Keys, object]:
    """Keys and value as in the file: no builder's tag, no indices that the user left out."""
    location = error["loc"]
    if location[:1] == ("system",):
        location = (*location[:1], *location[2:])
    if error["type"] == "conflict":
        location = (*location, *error["ctx"]["key"].split("."))
    elif error["type"] == "union_tag_invalid":
        location = (*location, "builder")
    keys: list[str | int] = []
    value: Any = data
    for key in location:
        if isinstance(key, int) and not isinstance(value, list):
            continue  # a single value stands for a list of one
        keys.append(key)
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            value = None
    return tuple(keys), value


def _field(keys: Keys) -> str:
    """The dotted name; values of lists go by their list's."""
    names = [key for key in keys if isinstance(key, str)]
    return ".".join(n if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", n) else shown(n) for n in names)


def _advice(error: ErrorDetails, keys: Keys, data: dict[str, Any], given: object) -> str:
    """What to write instead, where that can be guessed."""
    if error["type"] == "extra_forbidden":
        return _advice_on_key(str(keys[-1]), _section(keys[:-1], data))
    context = error.get("ctx", {})
    choices = re.findall(r"'([^']*)'", context.get("expected", context.get("expected_tags", "")))
    return _did_you_mean(str(given), choices) if choices else ""


def _advice_on_key(key: str, section: type[Section]) -> str:
    known = _known(section)
    guess = (
        f"; did you mean '{known[key]}'?" if key in known else _did_you_mean(key, known.values())
    )
    if guess:
        return guess
    if section in SYSTEMS.values():
        others = [builder for builder, cls in SYSTEMS.items() if key in _known(cls)]
        if others:
            return f"; it goes with builder {' or '.join(map(repr, others))}"
    for name, field in RunSpec.model_fields.items():
        sections = SYSTEMS.values() if name == "system" else [field.annotation]
        for other in sections:
            if isinstance(other, type) and issubclass(other, Section) and key in _known(other):
                return f"; '{_known(other)[key]}' belongs in [{name}]"
    return f"; known are {', '.join(dict.fromkeys(known.values()))}"


def _known(section: type[Section]) -> dict[str, str]:
    """Keys of a section, by themselves and by the names that they have in the code."""
    fields = section.model_fields.items()
    return {k: f.alias or name for name, f in fields for k in (f.alias or name, name)}


def _section(keys: Keys, data: dict[str, Any]) -> type[Section]:
    if not keys:
        return RunSpec
    if keys[0] == "system":
        return SYSTEMS[data["system"].get("builder", "file")]
    annotation = RunSpec.model_fields[str(keys[0])].annotation
    return cast("type[Section]", annotation)


def _did_you_mean(text: str, choices: Iterable[str]) -> str:
    plain = text[:80].lower().replace("-", "_")
    by_plain = {choice.lower().replace("-", "_"): choice for choice in choices}
    found = difflib.get_close_matches(plain, by_plain, n=1)
    return f"; did you mean '{by_plain[found[0]]}'?" if found else ""
