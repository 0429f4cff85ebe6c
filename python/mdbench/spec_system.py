"""The systems of a specification: a structure file, or one of the builders."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, model_validator

from mdbench.spec_types import (
    Count,
    DensityGcm3,
    Element,
    FilePath,
    Integer,
    LengthAng,
    NumberWord,
    Repeats,
    Section,
    Seed,
    conflict,
)


class FileSystem(Section):
    """A structure from any file that ASE reads; LAMMPS data files too."""

    builder: Literal["file"] = "file"
    """May be left out where there is a file."""
    file: FilePath
    """Relative paths count from the folder of this specification."""
    elements: Annotated[tuple[Element, ...], Field(min_length=1)] | None = None
    """Of the atom types of a LAMMPS data file without masses, in order."""
    supercell: Repeats = (1, 1, 1)
    """Copies along the three cell vectors."""


class GrapheneWater(Section):
    """Graphene with water between it and its periodic image."""

    builder: Literal["graphene-water"]
    """Which system."""
    cell: Annotated[Literal["372", "128", "lattice"], NumberWord] = "372"
    """An equilibrated cell of that many atoms, or molecules on a lattice (options below)."""
    cells: tuple[Count, Count] = (6, 3)
    """Rectangular graphene cells of 4 atoms, 2.492 A x 4.316 A; cell = "lattice" only."""
    num_water: Annotated[Integer, Field(ge=0, le=1_000_000)] = 100
    """Molecules; cell = "lattice" only."""
    height_ang: LengthAng | None = Field(None, alias="height")
    """Of the cell; by default that of zero normal pressure; cell = "lattice" only."""
    supercell: Repeats = (1, 1, 1)
    """Copies along the three cell vectors."""

    @model_validator(mode="after")
    def _options_go_with_lattice(self) -> GrapheneWater:
        fields = type(self).model_fields
        for name in ("cells", "num_water", "height_ang"):
            changed = getattr(self, name) != fields[name].default
            if changed and self.cell != "lattice":
                why = f"goes with cell = 'lattice'; cell = '{self.cell}' is ready-made"
                raise conflict(fields[name].alias or name, why)
        return self


class Water(Section):
    """A cubic box of water."""

    builder: Literal["water"]
    """Which system."""
    num_water: Annotated[Integer, Field(ge=1, le=1_000_000)] = 64
    """Molecules."""
    density_gcm3: DensityGcm3 = Field(1.0, alias="density")
    """With the number of molecules it sets the edge of the box."""
    supercell: Repeats = (1, 1, 1)
    """Copies along the three cell vectors."""


class LithiumChloride(Section):
    """LiCl, a rock-salt crystal expanded to the melt's density; melts in the equilibration."""

    builder: Literal["licl"]
    """Which system."""
    cells: Annotated[Integer, Field(ge=1, le=100)] = 4
    """Cubic cells of 8 atoms along each axis."""
    density_gcm3: DensityGcm3 = Field(1.495, alias="density")
    """Molten LiCl at 900 K and 1 bar (Janz, NSRDS-NBS 15: 1.8842 - 4.328e-4 T/K)."""
    supercell: Repeats = (1, 1, 1)
    """Copies along the three cell vectors."""


class Alloy(Section):
    """A random solid solution on a bcc or fcc lattice."""

    builder: Literal["hea"]
    """Which system."""
    elements: Annotated[tuple[Element, ...], Field(min_length=1)] = ("Nb", "Al", "Mo", "Ti", "Zr")
    """In the order of the atom types."""
    fractions: tuple[Annotated[float, Field(gt=0, le=1, strict=True)], ...] | None = None
    """Of the elements, in order; equal unless given."""
    lattice: Literal["bcc", "fcc"] = "bcc"
    """Of the sites."""
    lattice_constant_ang: LengthAng = Field(3.26, alias="lattice_constant")
    """Edge of the cubic cell; NPT finds its own."""
    cells: Repeats = (4, 4, 4)
    """Cubic cells along each axis: 2 atoms each for bcc, 4 for fcc."""
    arrangement_seed: Seed = 1
    """Of the choice of sites."""

    @model_validator(mode="after")
    def _fractions_go_with_elements(self) -> Alloy:
        if len(set(self.elements)) < len(self.elements):
            raise conflict("elements", "names an element twice")
        if self.fractions is not None:
            if len(self.fractions) != len(self.elements):
                raise conflict("fractions", f"needs {len(self.elements)} numbers, one an element")
            if abs(sum(self.fractions) - 1) > 1e-3:  # noqa: PLR2004 - thirds as people write them
                raise conflict("fractions", f"adds up to {sum(self.fractions):g} instead of 1")
        return self


class Lgps(Section):
    """Li10GeP2S12, the tetragonal superionic conductor (50 atoms a cell)."""

    builder: Literal["lgps"]
    """Which system."""
    supercell: Repeats = (2, 2, 1)
    """Copies along the three cell vectors."""
    arrangement_seed: Seed = 1
    """Of the choice among half-occupied sites."""


AnySystem = Annotated[
    FileSystem | GrapheneWater | Water | LithiumChloride | Alloy | Lgps, Discriminator("builder")
]
