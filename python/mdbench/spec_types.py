"""The types of values in a specification: quantities with units, harmless texts, paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ase.data import atomic_numbers
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mdbench.units import UNITS, parse_quantity

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

_LONGEST_QUANTITY = 64
_LONGEST_PATH = 4096  # PATH_MAX of Linux
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def shown(value: object) -> str:
    """A value in a message: printable, on one line, short."""
    text = ascii(value[:80]) if isinstance(value, str) else ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - fits a line


def conflict(key: str, why: str) -> PydanticCustomError:
    """An error of a key, found where several are compared.

    Args:
        key: The dotted key to change, from the section that reports.
        why: What is wrong with it.
    """
    return PydanticCustomError("conflict", "{key}: {why}", {"key": key, "why": why})


@dataclass(frozen=True)
class Quantity:
    """Marks a number that is written with a unit; it is stored in the first unit of its kind."""

    kind: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Parse before the number's own constraints; JSON gets the unit back."""
        unit = next(iter(UNITS[self.kind]))
        return core_schema.no_info_before_validator_function(
            partial(_parse, kind=self.kind),
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda number: f"{number!r} {unit}", when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What an editor checks."""
        del schema, handler
        text = {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*({'|'.join(UNITS[self.kind])})\s*$"}
        return {"anyOf": [text, {"type": "number"}]} if self.kind == "temperature" else text


def _parse(value: object, kind: str) -> float:
    """A quantity, guarded against texts that take long to match and numbers beyond a float."""
    if isinstance(value, str) and len(value) > _LONGEST_QUANTITY:
        raise ValueError(f"{shown(value)} is no {kind}: it has {len(value)} characters")
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise ValueError(f"{shown(value)} is no {kind}: write a number and its unit in quotes")  # noqa: TRY004 - pydantic collects ValueError
    try:
        return parse_quantity(value, kind)
    except OverflowError:
        raise ValueError(f"{shown(value)} is not a finite {kind}") from None


@dataclass(frozen=True)
class Text:
    """Marks a text of harmless characters: a regular expression, and the same in words."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check after the type."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What an editor checks."""
        del schema, handler
        return {"type": "string", "pattern": f"^({self.pattern})$"}

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text, re.ASCII):
            raise ValueError(f"{shown(text)} is not {self.words}")
        return text


@dataclass(frozen=True)
class Located:
    """Marks the path of a file; a relative one counts from the folder of the specification.

    The folder is ``folder`` in the validation's context; without one the path stays as it is.
    """

    words: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check before the text becomes a path, which would drop a leading ``./``."""
        return core_schema.with_info_before_validator_function(self._locate, handler(source))

    def _locate(self, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        if not value.strip():
            raise ValueError("is empty: name a file")
        if len(value.encode(errors="replace")) > _LONGEST_PATH:
            raise ValueError(f"{shown(value)} has more than {_LONGEST_PATH} bytes")
        if not value.isprintable():
            raise ValueError(f"{shown(value)} holds characters that do not print")
        folder = (info.context or {}).get("folder")
        return value if folder is None or value in self.words else Path(folder, value)


class OneOrMore:
    """Marks a list that may be written as the one value in it."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Make the list before it is checked."""
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, (list, tuple)) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What an editor checks."""
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def _check_element(symbol: str) -> str:
    if symbol not in atomic_numbers or symbol == "X":
        raise ValueError(f"{shown(symbol)} is not the symbol of an element")
    return symbol


def _number_as_text(value: object) -> object:
    return str(value) if type(value) is int and abs(value) < 1e9 else value  # noqa: PLR2004 - a name


class OrOff:
    """Marks a length that may be written as ``off``, which is none."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Make it a length before it is checked."""
        return core_schema.no_info_before_validator_function(
            lambda value: "0 A" if value == "off" else value, handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What an editor checks."""
        return {"anyOf": [{"const": "off"}, handler(schema)]}


TimeFs = Annotated[float, Field(gt=0), Quantity("time")]
TimeOrZeroFs = Annotated[float, Field(ge=0), Quantity("time")]
LengthAng = Annotated[float, Field(gt=0), Quantity("length")]
LengthOrZeroAng = Annotated[float, Field(ge=0), Quantity("length")]
LengthOrOffAng = Annotated[float, Field(ge=0), Quantity("length"), OrOff()]
# Above any temperature of matter with bonds; also keeps names of runs free of exponents.
TemperatureK = Annotated[float, Field(gt=0, le=99_999), Quantity("temperature")]
PressureBar = Annotated[float, Quantity("pressure")]
DensityGcm3 = Annotated[float, Field(gt=0), Quantity("density")]
InverseAreaPerAng2 = Annotated[float, Field(gt=0), Quantity("inverse area")]
ViscosityMpas = Annotated[float, Field(gt=0), Quantity("viscosity")]

Integer = Annotated[int, Field(strict=True)]  # true and "4" are no numbers
Yes = Annotated[bool, Field(strict=True)]
Count = Annotated[Integer, Field(ge=1, le=1000)]
Repeats = tuple[Count, Count, Count]
Seed = Annotated[Integer, Field(ge=1, le=899_999_999)]  # what LAMMPS's generators take
Element = Annotated[
    str,
    AfterValidator(_check_element),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z][a-z]?$"}),
]
AtomsWord = Annotated[
    str,
    BeforeValidator(_number_as_text),
    Text(
        "[A-Z][a-z]?|file|[1-9][0-9]{0,7}(-[1-9][0-9]{0,7})?",
        "an element, numbers of atoms such as 5 or 1-72, or 'file'",
    ),
]
FilePath = Annotated[Path, Located()]
NumberWord = BeforeValidator(_number_as_text)
"""Lets ``cell = 372`` stand for ``cell = "372"``."""


class Section(BaseModel):
    """A table of the specification: unknown keys are errors, values do not change.

    ``model_dump(mode="json")`` gives what a user could have written, and validates again.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", serialize_by_alias=True, use_attribute_docstrings=True
    )
