"""The building blocks of a specification: quantities with units, and the systems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ase.data import atomic_numbers
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
)
from pydantic_core import CoreSchema, core_schema

from mdbench.units import UNITS, parse_quantity

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


@dataclass(frozen=True)
class Quantity:
    """Marks a number that is written with a unit; it is stored in the first unit of its kind."""

    kind: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Parse before the number's own constraints."""
        parse = partial(parse_quantity, kind=self.kind)
        return core_schema.no_info_before_validator_function(parse, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What an editor is told."""
        del schema, handler
        units = ", ".join(UNITS[self.kind])
        return {"type": ["string", "number"], "description": f"{self.kind}: number and {units}"}


TimeFs = Annotated[float, Field(gt=0), Quantity("time")]
TimeOrZeroFs = Annotated[float, Field(ge=0), Quantity("time")]
LengthAng = Annotated[float, Field(gt=0), Quantity("length")]
TemperatureK = Annotated[float, Field(gt=0), Quantity("temperature")]
PressureBar = Annotated[float, Quantity("pressure")]
DensityGcm3 = Annotated[float, Field(gt=0), Quantity("density")]
ViscosityMpas = Annotated[float, Field(gt=0), Quantity("viscosity")]


def _check_element(symbol: str) -> str:
    if symbol not in atomic_numbers or symbol == "X":
        raise ValueError(f"{symbol!r} is not the symbol of an element")
    return symbol


def _check_path(path: Path) -> Path:
    if not str(path).isprintable():
        raise ValueError("the path holds characters that do not print")
    return path


def listed(value: Any) -> Any:  # noqa: ANN401
    """A single value as a list of one."""
    return value if isinstance(value, (list, tuple)) else [value]


Element = Annotated[str, AfterValidator(_check_element)]
Count = Annotated[int, Field(ge=1, le=1000)]
Seed = Annotated[int, Field(ge=1, le=899_999_999)]  # what LAMMPS's generators take
PrintablePath = Annotated[Path, AfterValidator(_check_path)]


class Section(BaseModel):
    """A table of the specification: unknown keys are errors, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FileSystem(Section):
    """A structure from any file that ASE reads; LAMMPS data files too."""

    builder: Literal["file"] = "file"
    file: PrintablePath
    elements: tuple[Element, ...] | None = None
    """Of the atom types of a LAMMPS data file without masses, in order."""
    supercell: tuple[Count, Count, Count] = (1, 1, 1)


class GrapheneWater(Section):
    """Graphene with water between it and its periodic image."""

    builder: Literal["graphene-water"]
    cell: Literal["372", "128", "lattice"] = "372"
    """An equilibrated cell of that many atoms, or molecules on a lattice (options below)."""
    cells: tuple[Count, Count] = (6, 3)
    num_water: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    height_ang: LengthAng | None = Field(None, alias="height")
    supercell: tuple[Count, Count, Count] = (1, 1, 1)


class Water(Section):
    """A cubic box of water."""

    builder: Literal["water"]
    num_water: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    density_gcm3: DensityGcm3 = Field(1.0, alias="density")
    supercell: tuple[Count, Count, Count] = (1, 1, 1)


class LithiumChloride(Section):
    """LiCl, a rock-salt crystal expanded to the melt's density; melts in the equilibration."""

    builder: Literal["licl"]
    cells: Count = 4
    density_gcm3: DensityGcm3 = Field(1.46, alias="density")
    """Molten LiCl at 900 K and 1 bar (Janz, NSRDS-NBS 15: 1.8842 - 4.328e-4 T/K)."""
    supercell: tuple[Count, Count, Count] = (1, 1, 1)


class Alloy(Section):
    """A random solid solution on a bcc or fcc lattice."""

    builder: Literal["hea"]
    elements: tuple[Element, ...] = ("Nb", "Al", "Mo", "Ti", "Zr")
    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] | None = None
    """Of the elements, in order; equal unless given."""
    lattice: Literal["bcc", "fcc"] = "bcc"
    lattice_constant_ang: LengthAng = Field(3.26, alias="lattice_constant")
    cells: tuple[Count, Count, Count] = (4, 4, 4)
    arrangement_seed: Seed = 1


class Lgps(Section):
    """Li10GeP2S12, the tetragonal superionic conductor (50 atoms a cell)."""

    builder: Literal["lgps"]
    supercell: tuple[Count, Count, Count] = (2, 2, 1)
    arrangement_seed: Seed = 1
    """Of the choice among half-occupied sites."""


AnySystem = Annotated[
    FileSystem | GrapheneWater | Water | LithiumChloride | Alloy | Lgps, Discriminator("builder")
]
