"""Classical force fields in a specification, and what only RBMD knows about them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mdbench.spec_types import (
    Count,
    FilePath,
    Integer,
    InverseAreaPerAng2,
    LengthAng,
    LengthOrZeroAng,
    Section,
    Yes,
    conflict,
)

Fraction = Annotated[float, Field(ge=0, le=1, strict=True)]
Samples = Annotated[Integer, Field(ge=1, le=1_000_000)]

WITH_CHARGES = ("lj-coulomb", "cvff")
"""Kinds of force field that have electrostatics."""


class ForceField(Section):
    """A classical force field instead of a model; the data file of the system has its numbers."""

    kind: Literal["none", "lj", "lj-coulomb", "cvff", "eam"] = "none"
    """Lennard-Jones, with charges, with bonds and angles too (cvff), or embedded atom."""
    units: Literal["real", "metal"] = "real"
    """Of the data file, as LAMMPS defines them, and of the run's LAMMPS files."""
    cutoff_ang: LengthAng = Field(10.0, alias="cutoff")
    """Of the pairs: cut, not shifted; eam takes that of its file."""
    mixing: Literal["arithmetic", "geometric"] = "arithmetic"
    """Of unlike Lennard-Jones pairs."""
    special_bonds: tuple[Fraction, Fraction, Fraction] = (0.0, 0.0, 0.0)
    """What remains of pair forces between first, second and third neighbours; cvff only."""
    kspace: Literal["pppm", "ewald"] = "pppm"
    """Long-range electrostatics in LAMMPS."""
    accuracy: Annotated[float, Field(gt=0, lt=1, strict=True)] = 1e-5
    """Of the long-range forces, relative."""
    alpha_per_ang2: InverseAreaPerAng2 | None = Field(None, alias="alpha")
    """Splitting exp(-alpha r^2) of the charges; chosen from ``accuracy`` by default."""
    kmax: tuple[Count, Count, Count] | None = None
    """Wave vectors along each axis; for kspace = "ewald" only, chosen by default."""
    dihedral: Literal["harmonic", "opls"] = "harmonic"
    """Form of the torsions; cvff only."""
    improper: Literal["harmonic", "cvff"] = "harmonic"
    """Form of the impropers; cvff only."""
    shake: Yes = False
    """Bonds and angles of the angle triples, such as water, are rigid; cvff only."""
    potential_file: FilePath | None = None
    """DYNAMO funcfl file of one element; eam only."""

    @property
    def has_charges(self) -> bool:
        """Whether there are electrostatics."""
        return self.kind in WITH_CHARGES

    @property
    def atom_style(self) -> Literal["atomic", "charge", "full"]:
        """Columns of the atoms in LAMMPS and RBMD."""
        by_kind: dict[str, Literal["atomic", "charge", "full"]] = {
            "lj-coulomb": "charge",
            "cvff": "full",
        }
        return by_kind.get(self.kind, "atomic")

    @property
    def term_styles(self) -> dict[str, str]:
        """LAMMPS's style of bonds, angles, dihedrals and impropers."""
        fixed = {"bond": "harmonic", "angle": "harmonic"}
        return {**fixed, "dihedral": self.dihedral, "improper": self.improper}

    @model_validator(mode="after")
    def _keys_go_with_kinds(self) -> ForceField:
        if self.kind == "none":
            if self != ForceField.model_construct():
                raise conflict("kind", "is missing: lj, lj-coulomb, cvff or eam")
            return self
        kinds = {
            "special_bonds": ("cvff",),
            "dihedral": ("cvff",),
            "improper": ("cvff",),
            "shake": ("cvff",),
            "kspace": WITH_CHARGES,
            "accuracy": WITH_CHARGES,
            "alpha": WITH_CHARGES,
            "kmax": WITH_CHARGES,
            "potential_file": ("eam",),
            "mixing": ("lj", "lj-coulomb", "cvff"),
        }
        for name, field in type(self).model_fields.items():
            key = field.alias or name
            if getattr(self, name) != field.default and self.kind not in kinds.get(
                key, (self.kind,)
            ):
                raise conflict(key, f"goes with kind {' or '.join(map(repr, kinds[key]))}")
        if self.kmax is not None and self.kspace != "ewald":
            raise conflict("kmax", "goes with kspace = 'ewald'")
        if self.kind == "eam" and self.potential_file is None:
            raise conflict("potential_file", "is missing: eam reads a DYNAMO funcfl file")
        if self.kind == "eam" and self.units != "metal":
            raise conflict("units", "eam files are in metal units")
        return self


class Rbmd(Section):
    """What ``mdbench export`` writes for RBMD beyond the rest; LAMMPS knows nothing of it."""

    neighbor: Literal["verlet", "rbl"] = "verlet"
    """All neighbours, or random batches of those beyond ``core``."""
    core_ang: LengthAng | None = Field(None, alias="core")
    """Radius within which all neighbours count; rbl only, half the cutoff by default."""
    neighbor_samples: Samples = 100
    """Neighbours drawn beyond ``core``; rbl only."""
    skin_ang: LengthOrZeroAng | None = Field(None, alias="skin")
    """Of the list of neighbours; rbmd-2.0 only."""
    coulomb: Literal["rbe", "ewald", "rbsog"] = "rbe"
    """Long-range electrostatics: random batch Ewald, Ewald, random batch sum of Gaussians."""
    coulomb_samples: Samples = 100
    """Wave vectors drawn a step; rbe and rbsog only."""
    rbsog_level: Annotated[Integer, Field(ge=0, le=4)] = 2
    """Accuracy of rbsog: 0 to 4, the best."""
    reports: tuple[Literal["rdf", "msd", "vacf"], ...] = ()
    """What RBMD analyses itself; ``mdbench analyze`` does not need it."""
