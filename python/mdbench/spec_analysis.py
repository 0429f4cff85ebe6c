"""The analysis in a specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mdbench.spec_types import Element, LengthAng, OneOrMore, Section, Text, ViscosityMpas

if TYPE_CHECKING:
    from collections.abc import Sequence

ElementPair = Annotated[str, Text("[A-Z][a-z]?-[A-Z][a-z]?", "a pair of elements such as O-H")]


class Analysis(Section):
    """What ``mdbench analyze`` computes beyond its defaults."""

    rdf: Annotated[tuple[ElementPair, ...], OneOrMore()] | None = None
    """Pairs such as ``O-H``; all pairs of elements by default."""
    rdf_range_ang: LengthAng = Field(8.0, alias="rdf_range")
    """Largest distance of the RDF."""
    profile: Element | None = None
    """Element of the density profile along z over a sheet; O by default where there is a sheet."""
    sheet: Element = "C"
    """Element of the sheet that heights are measured from."""
    diffusion: Annotated[tuple[Element, ...], OneOrMore()] | None = None
    """Elements; all that are mobile by default."""
    viscosity_mpas: (
        Annotated[tuple[ViscosityMpas, ...], Field(min_length=1, max_length=1000), OneOrMore()]
        | None
    ) = Field(None, alias="viscosity")
    """Turns on the Yeh-Hummer correction of the diffusion coefficient; of several temperatures a
    list, one for each in their order."""

    def of_run(
        self, temperature_k: float | None, temperatures_k: Sequence[float | None]
    ) -> Analysis:
        """The same for one run: of several viscosities its own, none where there is none for it.

        Args:
            temperature_k: Of the run.
            temperatures_k: That the viscosities are of.
        """
        if self.viscosity_mpas is None or temperature_k is None:
            return self
        names = [None if t is None else f"{t:g}" for t in temperatures_k]
        known = len(names) == len(self.viscosity_mpas)
        pairs = zip(names, self.viscosity_mpas, strict=True) if known else ()
        own = tuple(v for name, v in pairs if name == f"{temperature_k:g}")
        return self.model_copy(update={"viscosity_mpas": own})
