"""The README.md beside an exported run: how to run it, and what differs from LAMMPS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench import __version__
from mdbench.rbmd.agreement import Agreement
from mdbench.rbmd.settings import (
    CONTROL_FILE,
    DATA_FILE,
    splitting_per_ang2,
    wave_vectors,
)

if TYPE_CHECKING:
    from mdbench.rbmd.contract import ContractReport
    from mdbench.rbmd.dialects import Dialect
    from mdbench.rbmd.settings import Case
    from mdbench.spec import RunSpec, Variant

_COMMANDS = {
    "rbmd-2.2": (
        "rbmd -j rbmd.json            # one core\n"
        "rbmd cuda -j rbmd.json       # GPU; 'rbmd mpi -j rbmd.json' for ranks"
    ),
    "rbmd-2.0": "rbmd -j rbmd.json            # needs a GPU (CUDA or ROCm)",
}

_EXIT_CODE = (
    "RBMD exits with 0 also after an error: look at its last lines and at the last step of "
    "`rbmd.trj`."
)


def readme_text(  # noqa: PLR0913 - what it tells of
    spec: RunSpec,
    dialect: Dialect,
    variant: Variant,
    case: Case,
    checked: ContractReport | Agreement | None,
    *,
    relaxed: bool,
) -> str:
    """The text, in Markdown.

    Args:
        spec: The specification.
        dialect: Of RBMD.
        variant: Temperature and seed of this run.
        case: What is simulated.
        checked: How the files were compared with the specification.
        relaxed: Whether LAMMPS has relaxed the structure.
    """
    plan, dt = spec.plan(), spec.run.timestep_fs
    kinds = {"none": "MACE", "lj": "LJ", "lj-coulomb": "LJ + Coulomb", "cvff": "CVFF", "eam": "EAM"}
    notes = [
        *_of_the_run(spec, variant, relaxed=relaxed),
        *_of_random_batches(spec, case),
        *_of_outputs(spec, dialect),
    ]
    parts = [
        f"# {spec.name}, {variant.temperature_k:g} K, seed {variant.seed}, for {dialect.name}",
        f"{len(case.system):,} atoms, {kinds[spec.force_field.kind]}, "
        f"{spec.ensemble.kind.upper()}, {plan.total:,} steps of {dt:g} fs. Written by mdbench "
        f"{__version__}: `{CONTROL_FILE}`, `{DATA_FILE}`"
        + {"none": ", `model-lammps.pt`", "eam": ", `potential.eam`"}.get(spec.force_field.kind, "")
        + "; `export.json` holds the specification.",
        "## Run",
        "In this folder, because RBMD looks for files in the one that it is started in:",
        f"```\n{_COMMANDS[dialect.name]}\n```",
        _EXIT_CODE,
        "## Analyse",
        "```\nmdbench analyze .\n```",
        "## What differs from the LAMMPS run of the same specification",
        "\n".join(f"- {note}" for note in notes),
    ]
    if isinstance(checked, Agreement):
        parts += ["## Checked", _of_lammps(checked)]
    elif checked is not None:
        parts += ["## Model", _of_model(checked)]
    return "\n\n".join(parts) + "\n"


def _of_the_run(spec: RunSpec, variant: Variant, *, relaxed: bool) -> list[str]:
    plan, held = spec.plan(), spec.ensemble
    notes = []
    if plan.equilibration:
        notes.append(
            f"The first {plan.equilibration:,} steps are the equilibration. LAMMPS uses a Langevin "
            f"thermostat in them, RBMD its `{held.thermostat}` from the first step; `mdbench "
            "analyze` leaves them out in both."
        )
    if spec.run.velocities == "file":
        notes.append("Velocities are those of the structure file.")
    else:
        rigid = (
            ", with what would stretch the rigid molecules taken out; 3 N - 3 - N degrees of "
            "freedom count"
            if spec.force_field.shake
            else "; 3 N - 3 degrees of freedom count"
        )
        notes.append(
            f"Velocities are Gaussian, of exactly {variant.temperature_k:g} K and no momentum, "
            f"drawn by mdbench from seed {variant.seed}{rigid}. LAMMPS draws others from the seed."
        )
    if spec.force_field.shake and not relaxed:
        notes.append(
            f"`{DATA_FILE}` holds the rigid molecules as the structure has them; LAMMPS moves them "
            "to the lengths and angles of their coefficients in its first step."
        )
    if relaxed:
        notes.append(
            "The structure is the one that the LAMMPS run begins with, relaxed by LAMMPS: RBMD has "
            "no minimiser."
        )
    if held.kind != "nve" and held.thermostat != "nose-hoover":
        notes.append(
            f"`{held.thermostat}` acts in every step and gives no canonical ensemble: "
            "fluctuations, and what is computed from them, are wrong."
        )
    if spec.run.ranks > 1:
        notes.append(f"`run.ranks = {spec.run.ranks}` is for LAMMPS: see the commands above.")
    return notes


def _of_random_batches(spec: RunSpec, case: Case) -> list[str]:
    notes = []
    coulomb = spec.rbmd.coulomb if spec.force_field.has_charges else "ewald"
    if spec.rbmd.neighbor == "rbl" or coulomb != "ewald":
        notes.append(
            "Random batches are noise that heats the system: the thermostat must take it out. "
            "Compare temperature, RDF and diffusion together; the RDF alone hides it."
        )
    if spec.force_field.has_charges and coulomb != "rbsog":
        alpha, kmax = splitting_per_ang2(spec, case.cutoff_ang), wave_vectors(spec, case)
        given = "alpha given" if spec.force_field.alpha_per_ang2 else "alpha = -ln(accuracy) / rc^2"
        notes.append(
            f"Electrostatics: alpha = {alpha:.6g} 1/A^2 (LAMMPS's g_ewald squared; {given}) and "
            f"kmax = {list(kmax)} "
            + (
                "as given."
                if spec.force_field.kmax
                else "= ceil(L sqrt(-alpha ln(accuracy)) / pi) along each edge L."
            )
        )
    if spec.force_field.kind not in ("none", "eam"):
        notes.append(
            "Lennard-Jones is cut at the cutoff, neither shifted nor with a tail; unlike pairs mix "
            "arithmetically."
        )
    return notes


def _of_outputs(spec: RunSpec, dialect: Dialect) -> list[str]:
    notes = [
        f"Frames are text in `rbmd.trj`, whatever `output.format` says ({spec.output.format})."
    ]
    if spec.output.velocities_fs is not None and not dialect.velocities_in_trajectory:
        notes.append(
            f'`output.velocities`: {dialect.name} writes no velocities; `rbmd.reports = ["vacf"]` '
            "gives its own correlation function."
        )
    if spec.output.velocities_fs is not None and dialect.velocities_in_trajectory:
        notes.append(
            "`output.velocities`: velocities come with the frames, at their interval only."
        )
    return notes


def _of_lammps(agreement: Agreement) -> str:
    return (
        f"LAMMPS was run on `{DATA_FILE}` and on the structure of the specification: energies "
        f"differ by {agreement.energy_error:.1e} (relative), forces by {agreement.force_error:.1e} "
        "at the most."
    )


def _of_model(contract: ContractReport) -> str:
    checks = ", ".join(
        f"{c.name} {c.value:.1e} {c.unit} (limit {c.limit:.0e})" for c in contract.checks
    )
    types = ", ".join(f"{t.type} {t.element} {t.mass_u:.7g} u" for t in contract.types)
    return (
        "Only RBMD's MACE branch, which is in none of its releases, reads "
        "`model-lammps.pt` (TorchScript, double precision; it is code). It finds elements by mass: "
        f"{types}. Its exact call was made on {contract.num_atoms:,} atoms with "
        f"{contract.num_edges:,} edges and compared with the Python calculator: {checks}."
    )
