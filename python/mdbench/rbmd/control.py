"""RBMD's control file: what its keys are, in both dialects.

Keys are those of RBMD. What a dialect does not know is left out when the file is written
(``dialects``); what only one of them has is optional here. Unknown keys are kept apart, as RBMD
itself passes over them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field


def _no_word(value: object) -> object:
    """Texts and truth values are no numbers, as in RBMD."""
    if isinstance(value, (str, bool)):
        raise ValueError(f"{ascii(value)[:60]} is not a number: write it without quotes")  # noqa: TRY004 - pydantic collects ValueError
    return value


Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_no_word)]
Whole = Annotated[int, BeforeValidator(_no_word)]
Three = tuple[Whole, Whole, Whole]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _neighbour(value: object) -> object:
    """``VERLETLIST``, ``Verlet-List`` and ``VERLET-LIST`` are one."""
    plain = value.upper().replace("-", "") if isinstance(value, str) else value
    return "VERLETLIST" if plain == "VERLETLIST" else plain


def _three(value: object) -> object:
    """Older files have one number for all axes."""
    return [value] * 3 if isinstance(value, int) and not isinstance(value, bool) else value


Upper = BeforeValidator(_upper)
Lower = BeforeValidator(_lower)


class Block(BaseModel):
    """An object of the file."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    @property
    def unknown(self) -> list[str]:
        """Keys that mdbench does not know."""
        return sorted(self.__pydantic_extra__ or {})


class ReadData(Block):
    """``init_configuration.read_data``."""

    file: str
    unit: Annotated[Literal["LJ", "REAL", "METAL"], Upper]
    atom_style: Annotated[Literal["atomic", "charge", "full"], Lower]
    velocity_type: Annotated[Literal["GAUSS", "ZERO"], Upper] | None = None
    velocity_seed: Whole | None = Field(
        None, validation_alias=AliasChoices("velocity_seed", "seed")
    )
    replicate: Three | None = Field(
        None, validation_alias=AliasChoices("replicate", "replicate_dims")
    )


class InitConfiguration(Block):
    """``init_configuration``."""

    read_data: ReadData


class ForceFieldBlock(Block):
    """``hyper_parameters.force_field``."""

    type: Annotated[Literal["LJ/CUT", "LJ/CUT/COUL/LONG", "CVFF", "EAM", "MACE"], Upper]
    bond_type: Annotated[Literal["harmonic"], Lower] | None = None
    angle_type: Annotated[Literal["harmonic"], Lower] | None = None
    dihedral_type: Annotated[Literal["harmonic", "opls"], Lower] | None = None
    improper_type: Annotated[Literal["harmonic", "cvff"], Lower] | None = None
    potential_file: str | None = None
    model_file: str | None = None


class Neighbor(Block):
    """``hyper_parameters.neighbor``."""

    type: Annotated[Literal["RBL", "VERLETLIST"], BeforeValidator(_neighbour)]
    cut_off: Annotated[Number, Field(gt=0)]
    r_core: Annotated[Number, Field(gt=0)] | None = None
    neighbor_sample_num: Annotated[Whole, Field(gt=0)] | None = None
    skin: Annotated[Number, Field(ge=0)] | None = None
    energy_rbl_flag: Annotated[Literal["yes", "no"], Lower] | None = None


class Coulomb(Block):
    """``hyper_parameters.coulomb``."""

    type: Annotated[Literal["RBE", "EWALD", "RBSOG"], Upper]
    coulomb_sample_num: Annotated[Whole, Field(gt=0)] | None = None
    alpha: Annotated[Number, Field(gt=0)] | None = None
    accuracy: Annotated[Number, Field(gt=0, lt=1)] | None = None
    kmax: Annotated[Three, BeforeValidator(_three)] | None = None
    energy_rbe_flag: Annotated[Literal["yes", "no"], Lower] | None = None
    rbsog_level: Annotated[Whole, Field(ge=0, le=4)] | None = None


class Extend(Block):
    """``hyper_parameters.extend``."""

    fix_shake: bool | None = None
    special_bonds: tuple[Number, Number, Number] | None = None


class HyperParameters(Block):
    """``hyper_parameters``."""

    force_field: ForceFieldBlock
    neighbor: Neighbor
    coulomb: Coulomb | None = None
    extend: Extend = Extend()


class MomentumControl(Block):
    """``execution.momentum_control``."""

    interval: Annotated[Whole, Field(ge=0)]
    linear: Three | None = None
    angular: bool = False
    rescale: bool = False
    group: str = "all"


class Execution(Block):
    """``execution``."""

    ensemble: Annotated[Literal["NVE", "NVT", "NPT"], Upper]
    temperature: tuple[Number, Number, Number] | None = None
    pressure: tuple[Number, ...] | None = Field(None, min_length=3, max_length=4)
    temp_ctrl_type: str | None = None
    press_ctrl_type: str | None = None
    timestep: Annotated[Number, Field(gt=0)]
    num_steps: Annotated[Whole, Field(gt=0)]
    integration_type: Annotated[Literal["vv", "bm"], Lower] | None = None
    momentum_control: MomentumControl | None = None
    group: str = "all"


class Every(Block):
    """An output with an interval."""

    interval: Whole
    enabled: bool = True


class RdfOut(Every):
    """``outputs.rdf_out``."""

    radius: Annotated[Number, Field(gt=0)]
    dr: Annotated[Number, Field(gt=0)]
    statistics_rdf_steps: Whole | None = None
    atoms_pair: tuple[tuple[Whole, Whole], ...] | None = None


class CorrelationOut(Every):
    """``outputs.msd_out`` and ``outputs.vacf_out``."""

    start_step: Whole
    end_step: Whole


class Outputs(Block):
    """``outputs``."""

    thermo_out: Every
    rdf_out: RdfOut | None = None
    msd_out: CorrelationOut | None = None
    vacf_out: CorrelationOut | None = None
    trajectory_out: Every | None = None
    analysis_postprocess: dict[str, Any] | None = None


class Control(Block):
    """A whole control file."""

    init_configuration: InitConfiguration
    hyper_parameters: HyperParameters
    execution: Execution
    outputs: Outputs
