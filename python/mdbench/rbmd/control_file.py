"""RBMD's control file read from disk: what it says, where, and for which dialect it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError

from mdbench.errors import SpecError
from mdbench.json_text import read_json_text
from mdbench.rbmd.control import Block, Control
from mdbench.spec_messages import in_words
from mdbench.text_file import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from mdbench.json_text import ParsedJson
    from mdbench.rbmd.dialects import DialectName
    from mdbench.spec_text import Keys

_MOST_MESSAGES = 10
_WORDS = {
    "missing": "is missing",
    "model_type": "{shown} is not an object: write {{ ... }}",
    "model_attributes_type": "{shown} is not an object: write {{ ... }}",
    "dict_type": "{shown} is not an object: write {{ ... }}",
    "bool_parsing": "{shown} is neither true nor false",
    "string_type": "{shown} is not text: put it into quotes",
}
_IDLE = {"com_bias", "par_a", "par_b", "group"}
"""Keys of RBMD that act on nothing that mdbench computes; ``group`` is checked."""
_ONLY_2_0 = (
    "init_configuration.read_data.velocity_seed",
    "init_configuration.read_data.seed",
    "init_configuration.read_data.replicate",
    "init_configuration.read_data.replicate_dims",
    "init_configuration.read_data.replicate_bond_periodic",
    "hyper_parameters.force_field.potential_elements",
    "hyper_parameters.force_field.improper_type",
    "hyper_parameters.force_field.model_file",
    "hyper_parameters.neighbor.skin",
    "hyper_parameters.neighbor.energy_rbl_flag",
    "hyper_parameters.neighbor.interval",
    "hyper_parameters.coulomb.accuracy",
    "hyper_parameters.coulomb.energy_rbe_flag",
    "hyper_parameters.coulomb.rbsog_level",
    "execution.integration_type",
    "execution.momentum_control",
    "outputs.trajectory_out.enabled",
)


@dataclass(frozen=True)
class ControlFile:
    """A control file that mdbench understands."""

    path: Path
    name: str
    """In messages."""
    parsed: ParsedJson
    control: Control

    def refuse(self, problems: Iterable[tuple[str, str]]) -> None:
        """Report all problems at once; nothing happens without any.

        Args:
            problems: Dotted key, and what is wrong with it and what to do.

        Raises:
            SpecError: with a line for each of the first ten, in the order of the file.
        """
        found = [(self.parsed.line(key), f"{key}: {text}") for key, text in problems]
        if found:
            _refuse(self.name, found)

    def note(self, key: str, text: str) -> str:
        """A remark on a key, in the form of an error."""
        return f"{self.name}:{self.parsed.line(key)}: {key}: {text}"

    def unknown(self) -> list[str]:
        """Dotted names of the keys that mdbench does not know; comments begin with ``_``."""
        return [
            key
            for key in _unknown(self.control, "")
            if not key.rpartition(".")[2].startswith("_") and key.rpartition(".")[2] not in _IDLE
        ]

    def raw(self, dotted: str) -> object:
        """The value of a key as it is written; none where there is none."""
        value: Any = self.parsed.data
        for key in dotted.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def engine(self) -> DialectName | None:
        """The dialect that keys and spellings give away, if any does."""
        neighbor = str(self.raw("hyper_parameters.neighbor.type"))
        bonds = str(self.raw("hyper_parameters.force_field.bond_type"))
        thermostat = str(self.raw("execution.temp_ctrl_type")).upper()
        if "-" in neighbor or thermostat == "RESCALE" or bonds == "harmonic":
            return "rbmd-2.0"
        if any(self.raw(key) is not None for key in _ONLY_2_0):
            return "rbmd-2.0"
        pressure = self.control.execution.pressure or ()
        has_one_kmax = isinstance(self.raw("hyper_parameters.coulomb.kmax"), int)
        if neighbor.upper() == "VERLETLIST" or len(pressure) > 3 or has_one_kmax:  # noqa: PLR2004 - P0, P1, damp
            return "rbmd-2.2"
        return "rbmd-2.2" if bonds == "Harmonic" or thermostat == "TEMP_RESCALE" else None


def read_control(path: Path) -> ControlFile:
    """Read a control file.

    Raises:
        SpecError: when it cannot be read, or for what is wrong in it: a line for each problem.
    """
    parsed = read_json_text(path)
    name = printable(str(path))
    try:
        control = Control.model_validate(parsed.data)
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        found = [_described(error, parsed) for error in errors]
        _refuse(name, [(parsed.line(keys), text) for keys, text in found])
    return ControlFile(path, name, parsed, control)


def _described(error: ErrorDetails, parsed: ParsedJson) -> tuple[Keys, str]:
    """Keys and message of what pydantic found."""
    keys, value = error["loc"], parsed.data
    given: object = None
    for key in keys:
        try:
            given = value = value[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            given = None
            break
    if keys == ("init_configuration", "read_data") and error["type"] == "missing":
        inside = parsed.data.get("init_configuration")
        if isinstance(inside, dict) and "inbuild" in inside:
            text = "holds no structure: write a data file and name it in read_data"
            return (*keys[:1], "inbuild"), f"init_configuration.inbuild: {text}"
    text = in_words(error, given, _WORDS.get(error["type"]))
    if error["type"] == "missing" and isinstance(keys[-1], int):
        text = "has too few values"
    return keys, f"{'.'.join(key for key in keys if isinstance(key, str))}: {text}"


def _refuse(name: str, found: list[tuple[int, str]]) -> NoReturn:
    lines = [f"{name}:{line}: {printable(text)}" for line, text in sorted(set(found))]
    more = len(lines) - _MOST_MESSAGES
    rest = [f"and {more} more"] if more > 0 else []
    raise SpecError("\n".join(lines[:_MOST_MESSAGES] + rest))


def _unknown(block: Block, prefix: str) -> Iterator[str]:
    yield from (f"{prefix}{key}" for key in block.unknown)
    for name in type(block).model_fields:
        inner = getattr(block, name)
        if isinstance(inner, Block):
            yield from _unknown(inner, f"{prefix}{name}.")
