"""From a specification to RBMD's control file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mdbench.rbmd.control import Control
from mdbench.units import UNITS

if TYPE_CHECKING:
    from mdbench.molecules.system import MolecularSystem
    from mdbench.rbmd.dialects import Dialect
    from mdbench.spec import RunSpec

DATA_FILE = "rbmd.data"
CONTROL_FILE = "rbmd.json"
POTENTIAL_FILE = "potential.eam"
MODEL_FILE = "model-lammps.pt"
_KINDS = {"lj": "LJ/CUT", "lj-coulomb": "LJ/CUT/COUL/LONG", "cvff": "CVFF", "eam": "EAM"}
_MOMENTUM_STEPS = 1000
"""As in the LAMMPS input: how often the drift is taken out."""
_RDF_BIN_ANG = 0.1
_FS_PER_PS = 1000.0


@dataclass(frozen=True)
class Case:
    """A system and what its potential says about itself."""

    system: MolecularSystem
    elements: tuple[str, ...]
    """Of the atom types."""
    cutoff_ang: float


def time_unit_fs(case: Case) -> float:
    """Femtoseconds in a unit of time of RBMD's files."""
    return 1.0 if case.system.units == "real" else _FS_PER_PS


def pressure_unit_bar(case: Case) -> float:
    """Bar in a unit of pressure of RBMD's files."""
    return UNITS["pressure"]["atm"] if case.system.units == "real" else 1.0


def splitting_per_ang2(spec: RunSpec, cutoff_ang: float) -> float:
    """Alpha; by default exp(-alpha r^2) is ``accuracy`` at the cutoff."""
    given = spec.force_field.alpha_per_ang2
    return given if given is not None else -math.log(spec.force_field.accuracy) / cutoff_ang**2


def wave_vectors(spec: RunSpec, case: Case) -> tuple[int, ...]:
    """Along each axis: beyond them exp(-k^2 / 4 alpha) is less than ``accuracy``."""
    if spec.force_field.kmax is not None:
        return spec.force_field.kmax
    alpha = splitting_per_ang2(spec, case.cutoff_ang)
    reach = math.sqrt(-alpha * math.log(spec.force_field.accuracy)) / math.pi
    return tuple(max(1, math.ceil(length * reach)) for length in case.system.lengths)


def control_of(spec: RunSpec, dialect: Dialect, case: Case, kelvin: float) -> Control:
    """The control file of one run.

    Args:
        spec: A specification that ``refusals`` found nothing wrong with.
        dialect: Of RBMD.
        case: System and cutoff.
        kelvin: Temperature of the run.
    """
    hyper: dict[str, Any] = {
        "force_field": _force_field(spec, case),
        "neighbor": _neighbor(spec, dialect, case.cutoff_ang),
        "extend": _extend(spec),
    }
    if spec.force_field.has_charges:
        hyper["coulomb"] = _coulomb(spec, dialect, case)
    read_data = {
        "file": DATA_FILE,
        "unit": case.system.units.upper(),
        "atom_style": case.system.atom_style,
        "velocity_type": "GAUSS",
    }
    return Control.model_validate(
        {
            "init_configuration": {"read_data": read_data},
            "hyper_parameters": hyper,
            "execution": _execution(spec, dialect, case, kelvin),
            "outputs": _outputs(spec, dialect, case),
        }
    )


def _force_field(spec: RunSpec, case: Case) -> dict[str, Any]:
    if not spec.is_classical:
        return {"type": "MACE", "model_file": MODEL_FILE}
    kind = spec.force_field.kind
    if kind == "eam":
        return {"type": _KINDS[kind], "potential_file": POTENTIAL_FILE}
    if kind != "cvff":
        return {"type": _KINDS[kind]}
    block = {"type": _KINDS[kind], "bond_type": "harmonic", "angle_type": "harmonic"}
    if len(case.system.of("dihedral").kinds):
        block["dihedral_type"] = spec.force_field.dihedral
    if len(case.system.of("improper").kinds):
        block["improper_type"] = spec.force_field.improper
    return block


def core_ang(spec: RunSpec, cutoff_ang: float) -> float:
    """Radius within which random batches take all neighbours."""
    return spec.rbmd.core_ang if spec.rbmd.core_ang is not None else cutoff_ang / 2


def _neighbor(spec: RunSpec, dialect: Dialect, cutoff_ang: float) -> dict[str, Any]:
    batches = spec.rbmd.neighbor == "rbl"
    block: dict[str, Any] = {
        "type": "RBL" if batches else "VERLETLIST",
        "cut_off": cutoff_ang,
    }
    if batches or dialect.name == "rbmd-2.2":  # which reads them always
        block["r_core"] = core_ang(spec, cutoff_ang)
        block["neighbor_sample_num"] = spec.rbmd.neighbor_samples
    if dialect.name == "rbmd-2.0":
        block["skin"] = spec.rbmd.skin_ang
        block["energy_rbl_flag"] = "yes" if batches else None
    return block


def _coulomb(spec: RunSpec, dialect: Dialect, case: Case) -> dict[str, Any]:
    kind = spec.rbmd.coulomb
    block: dict[str, Any] = {"type": kind.upper()}
    if kind != "ewald" or dialect.name == "rbmd-2.2":  # which reads it always
        block["coulomb_sample_num"] = spec.rbmd.coulomb_samples
    if kind == "rbsog":
        return {**block, "rbsog_level": spec.rbmd.rbsog_level}
    block["alpha"] = splitting_per_ang2(spec, case.cutoff_ang)
    block["kmax"] = wave_vectors(spec, case)
    if kind == "rbe" and dialect.name == "rbmd-2.0":
        block["energy_rbe_flag"] = "yes"
    return block


def _extend(spec: RunSpec) -> dict[str, Any]:
    field = spec.force_field
    if field.kind != "cvff":
        return {}
    block: dict[str, Any] = {"special_bonds": field.special_bonds}
    return {"fix_shake": True, **block} if field.shake else block


def _execution(spec: RunSpec, dialect: Dialect, case: Case, kelvin: float) -> dict[str, Any]:
    held, time_fs = spec.ensemble, time_unit_fs(case)
    thermostat, barostat = dialect.thermostats.get(held.thermostat), "NOSE_HOOVER"
    if held.kind == "npt":
        thermostat, barostat = dialect.baths[held.thermostat, held.barostat]
    block: dict[str, Any] = {
        "ensemble": held.kind.upper(),
        "timestep": spec.run.timestep_fs / time_fs,
        "num_steps": spec.plan().total,
    }
    if held.kind != "nve":
        block["temperature"] = [kelvin, kelvin, held.tdamp_fs / time_fs]
        block["temp_ctrl_type"] = thermostat
    if held.kind == "npt" or dialect.name == "rbmd-2.2":  # which reads them always
        bar = pressure_unit_bar(case)
        bath = [held.pressure_bar / bar, held.pressure_bar / bar, held.pdamp_fs / time_fs]
        block["pressure"] = [*bath, held.bulk_modulus_bar / bar]
        block["press_ctrl_type"] = barostat
    if dialect.name == "rbmd-2.0":
        block["integration_type"] = "vv"
        if thermostat == "NOSE_HOOVER" and held.kind != "nve":
            block["momentum_control"] = {"interval": _MOMENTUM_STEPS, "linear": [1, 1, 1]}
    return block


def _outputs(spec: RunSpec, dialect: Dialect, case: Case) -> dict[str, Any]:
    plan = spec.plan()
    span = {"start_step": plan.equilibration, "end_step": plan.total}
    blocks: dict[str, Any] = {
        "thermo_out": {"interval": plan.thermo},
        "trajectory_out": {"interval": plan.frames},
    }
    if "rdf" in spec.rbmd.reports:
        blocks["rdf_out"] = {
            "interval": plan.frames,
            "radius": spec.analysis.rdf_range_ang,
            "dr": _RDF_BIN_ANG,
            "statistics_rdf_steps": plan.total,
            "atoms_pair": type_pairs(spec, dialect, case),
        }
    if "msd" in spec.rbmd.reports:
        blocks["msd_out"] = {"interval": plan.frames, **span}
    if "vacf" in spec.rbmd.reports:
        blocks["vacf_out"] = {"interval": plan.velocities or plan.frames, **span}
    return blocks


def type_pairs(spec: RunSpec, dialect: Dialect, case: Case) -> list[tuple[int, int]]:
    """Pairs of atom types, as the dialect counts them, of the RDFs that the analysis wants."""
    kinds = range(len(case.elements))
    pairs = [(i, j) for i in kinds for j in kinds if i <= j]
    if spec.analysis.rdf is not None:
        wanted = {frozenset(pair.split("-")) for pair in spec.analysis.rdf}
        pairs = [p for p in pairs if frozenset(case.elements[i] for i in p) in wanted]
    return [(i + dialect.first_type, j + dialect.first_type) for i, j in pairs]
