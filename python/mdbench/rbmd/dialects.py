"""What the two dialects of RBMD can do, and how they spell it: facts, no code of RBMD."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mdbench.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

DialectName = Literal["rbmd-2.2", "rbmd-2.0"]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Dialect:
    """One of the two lines of RBMD."""

    name: DialectName
    verlet: str
    """Word for a list of all neighbours."""
    capitals: bool
    """``Harmonic`` instead of ``harmonic``, for bonds and the like."""
    ensembles: tuple[str, ...]
    """By our names."""
    thermostats: Mapping[str, str]
    """Ours and RBMD's."""
    baths: Mapping[Pair, Pair]
    """Thermostat and barostat that go together in NPT, ours and RBMD's."""
    coulomb: tuple[str, ...]
    dihedrals: tuple[str, ...]
    impropers: tuple[str, ...]
    whole_special_bonds: bool
    """They are read as integers."""
    mace: bool
    """There is a branch that reads MACE models."""
    first_type: int
    """How atom types count in ``atoms_pair``."""
    most_charged_atoms: int | None
    """Beyond which sums over charges overflow."""
    needs_image_flags: bool
    velocities_in_trajectory: bool
    unknown_keys: frozenset[str]
    """Of the model in ``control``, by block; they are left out."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why it lacks what one may expect of it, by our name."""


_NOSE_HOOVER = {("nose-hoover", "nose-hoover"): ("NOSE_HOOVER", "NOSE_HOOVER")}
_BERENDSEN = {("berendsen", "berendsen"): ("BERENDSEN", "BERENDSEN")}
_NO_CSVR = "RBMD has no stochastic velocity rescaling"

DIALECTS: dict[DialectName, Dialect] = {
    "rbmd-2.2": Dialect(
        name="rbmd-2.2",
        verlet="VERLETLIST",
        capitals=True,
        ensembles=("nvt", "npt"),
        thermostats={
            "nose-hoover": "NOSE_HOOVER",
            "berendsen": "BERENDSEN",
            "rescale": "TEMP_RESCALE",
        },
        baths={**_NOSE_HOOVER, **_BERENDSEN},
        coulomb=("rbe", "ewald"),
        dihedrals=("harmonic",),
        impropers=(),
        whole_special_bonds=True,
        mace=False,
        first_type=0,
        most_charged_atoms=46_340,
        needs_image_flags=False,
        velocities_in_trajectory=False,
        unknown_keys=frozenset(
            {
                "read_data.velocity_seed",
                "read_data.replicate",
                "force_field.improper_type",
                "force_field.model_file",
                "neighbor.skin",
                "neighbor.energy_rbl_flag",
                "coulomb.accuracy",
                "coulomb.energy_rbe_flag",
                "coulomb.rbsog_level",
                "execution.integration_type",
                "execution.momentum_control",
                "trajectory_out.enabled",
                "outputs.analysis_postprocess",
            }
        ),
        reasons={
            "nve": "its NVE is an empty stub",
            "langevin": "its Langevin thermostat is an empty stub",
            "csvr": _NO_CSVR,
        },
    ),
    "rbmd-2.0": Dialect(
        name="rbmd-2.0",
        verlet="Verlet-List",
        capitals=False,
        ensembles=("nvt", "npt", "nve"),
        thermostats={
            "nose-hoover": "NOSE_HOOVER",
            "berendsen": "BERENDSEN",
            "rescale": "RESCALE",
        },
        baths={**_NOSE_HOOVER, **_BERENDSEN},
        coulomb=("rbe", "ewald", "rbsog"),
        dihedrals=("harmonic", "opls"),
        impropers=("harmonic", "cvff"),
        whole_special_bonds=False,
        mace=True,
        first_type=1,
        most_charged_atoms=None,
        needs_image_flags=True,
        velocities_in_trajectory=True,
        unknown_keys=frozenset(),
        reasons={
            "langevin": "its Langevin thermostat computes in LJ units whatever the file is in",
            "csvr": _NO_CSVR,
        },
    ),
}


def dialect_of(name: str) -> Dialect:
    """The dialect of a name.

    Raises:
        SettingError: when there is none.
    """
    for known, dialect in DIALECTS.items():
        if known == name:
            return dialect
    raise SettingError(f"engine {name[:40]!a} is not one of {', '.join(DIALECTS)}")
