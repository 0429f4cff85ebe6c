"""What a dialect of RBMD cannot do with a specification, found before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import SpecError
from mdbench.rbmd.settings import core_ang
from mdbench.rbmd.velocities import free_directions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mdbench.molecules.system import MolecularSystem
    from mdbench.rbmd.dialects import Dialect
    from mdbench.rbmd.settings import Case
    from mdbench.spec import RunSpec

_MOST_LINES = 10


def refuse(problems: Iterable[str]) -> None:
    """Raise what was found, a line each, the first ten.

    Raises:
        SpecError: when there is anything.
    """
    lines = list(dict.fromkeys(" ".join(p.split()) for p in problems))
    more = len(lines) - _MOST_LINES
    if lines:
        rest = [f"and {more} more"] if more > 0 else []
        raise SpecError("\n".join(lines[:_MOST_LINES] + rest))


def of_settings(spec: RunSpec, dialect: Dialect) -> list[str]:
    """Problems that the specification shows by itself: ``field: what, and what to do instead``."""
    found = [*_ensemble(spec, dialect), *_random_batches(spec, dialect)]
    return [*found, *(_force_field(spec, dialect) if spec.is_classical else _mace(spec, dialect))]


def of_case(spec: RunSpec, dialect: Dialect, case: Case) -> list[str]:
    """Problems of the system that the specification leads to."""
    found = [*_size(spec, dialect, case), *_velocities(spec, case.system)]
    if spec.force_field.kind == "cvff":
        found += _topology(spec, dialect, case.system)
    return found


def _or(words: Iterable[str]) -> str:
    return " or ".join(f"'{w}'" for w in words)


def _ensemble(spec: RunSpec, dialect: Dialect) -> Iterator[str]:
    held, name = spec.ensemble, dialect.name
    if held.kind not in dialect.ensembles:
        why = dialect.reasons.get(held.kind, "it has none")
        yield f"ensemble.kind: {name} cannot '{held.kind}', {why}: use {_or(dialect.ensembles)}"
    if held.kind != "nve" and held.thermostat not in dialect.thermostats:
        why = dialect.reasons.get(held.thermostat, "it has none")
        yield (
            f"ensemble.thermostat: {name} has no '{held.thermostat}', {why}: use "
            f"{_or(dialect.thermostats)}"
        )
    elif held.kind == "npt":
        yield from _npt(spec, dialect)
    if held.thermostat == "berendsen" and held.tdamp_fs < spec.run.timestep_fs:
        yield (
            f"ensemble.tdamp: {held.tdamp_fs:g} fs is less than a time step, and RBMD takes the "
            "root of a negative number then: use 100 time steps"
        )
    if held.fixed:
        yield f"ensemble.fixed: {name} moves all atoms: leave it out"
    if held.kind == "nve" and spec.plan().equilibration:
        yield (
            "run.equilibration: RBMD has one ensemble a run, and nothing holds the temperature in "
            "NVE: equilibrate in a run of its own, kind = 'nvt', and set '0 fs' here"
        )


def _npt(spec: RunSpec, dialect: Dialect) -> Iterator[str]:
    held, name = spec.ensemble, dialect.name
    if held.coupling != "iso":
        yield (
            f"ensemble.coupling: RBMD scales all lengths of the box alike, not '{held.coupling}': "
            "use 'iso'"
        )
    if spec.force_field.kind == "eam":
        yield (
            "ensemble.kind: RBMD's pressure does not count the forces of EAM for certain: use 'nvt'"
        )
    if (held.thermostat, held.barostat) not in dialect.baths:
        pairs = " or ".join(f"thermostat '{t}' with barostat '{b}'" for t, b in dialect.baths)
        yield f"ensemble.barostat: in NPT {name} knows {pairs} only: use one of these"
    elif held.barostat == "berendsen" and name == "rbmd-2.0":
        if spec.force_field.units == "real":
            yield (
                "ensemble.barostat: rbmd-2.0's 'berendsen' takes a wrong factor for pressures in "
                "unit REAL: use 'nose-hoover' for both"
            )
        if spec.force_field.shake:
            yield (
                "ensemble.barostat: rbmd-2.0 leaves SHAKE out with 'berendsen': use 'nose-hoover' "
                "for both"
            )


def _random_batches(spec: RunSpec, dialect: Dialect) -> Iterator[str]:
    chosen, name = spec.rbmd, dialect.name
    if chosen.skin_ang is not None and name == "rbmd-2.2":
        yield "rbmd.skin: rbmd-2.2 makes its lists anew every step: leave it out"
    if chosen.neighbor == "rbl" and spec.ensemble.kind == "nve" and name == "rbmd-2.0":
        yield (
            "rbmd.neighbor: rbmd-2.0 changes velocities to mend the energy when lists are 'rbl', "
            "which is no NVE: use 'verlet'"
        )
    if not spec.force_field.has_charges:
        return
    if chosen.coulomb not in dialect.coulomb:
        yield f"rbmd.coulomb: {name} has no '{chosen.coulomb}': use {_or(dialect.coulomb)}"
    if chosen.coulomb == "rbsog":
        for key, value in (
            ("alpha", spec.force_field.alpha_per_ang2),
            ("kmax", spec.force_field.kmax),
        ):
            if value is not None:
                yield f"force_field.{key}: 'rbsog' chooses it by rbmd.rbsog_level: leave it out"


def _force_field(spec: RunSpec, dialect: Dialect) -> Iterator[str]:
    field = spec.force_field
    if field.kind != "eam" and field.mixing != "arithmetic":
        yield (
            f"force_field.mixing: RBMD mixes 'arithmetic' only, not '{field.mixing}': nothing else "
            "gives the same energies"
        )
    fractions = [n for n in field.special_bonds if n not in (0, 1)]
    if dialect.whole_special_bonds and fractions:
        yield (
            f"force_field.special_bonds: {dialect.name} reads whole numbers, and {fractions[0]:g} "
            "would become 0: use 0 and 1, or rbmd-2.0"
        )
    if field.shake and spec.ensemble.kind == "nve" and "nve" in dialect.ensembles:
        yield f"force_field.shake: {dialect.name} leaves SHAKE out in NVE: use kind = 'nvt'"


def _mace(spec: RunSpec, dialect: Dialect) -> Iterator[str]:
    if spec.model.is_reference:
        yield (
            "model.file: RBMD has no potential like the 'reference' force field: give a MACE model "
            "or a [force_field]"
        )
        return
    if not dialect.mace:
        yield (
            f"model.file: {dialect.name} reads no MACE models; RBMD's branch for them is of the "
            "other line: use rbmd-2.0"
        )
    if spec.dispersion.method != "none":
        yield (
            f"dispersion.method: RBMD has no dispersion '{spec.dispersion.method}' beside a model: "
            "use 'none', or a model whose labels hold it"
        )
    if spec.ensemble.kind != "nvt":
        yield (
            "ensemble.kind: RBMD's MACE branch has NVT only, it computes no virial: use kind = "
            "'nvt'"
        )
    if spec.rbmd.neighbor != "verlet":
        yield (
            "rbmd.neighbor: random batches of neighbours go with pair potentials; a MACE model "
            "needs them all: use 'verlet'"
        )


def _size(spec: RunSpec, dialect: Dialect, case: Case) -> Iterator[str]:
    system, name = case.system, dialect.name
    most = dialect.most_charged_atoms
    if most is not None and spec.force_field.has_charges and len(system) > most:
        yield (
            f"system.supercell: {name} sums charges of {most:,} atoms at most, and these are "
            f"{len(system):,}: take fewer copies, or rbmd-2.0"
        )
    where = {"none": "model.file", "eam": "force_field.potential_file"}.get(
        spec.force_field.kind, "force_field.cutoff"
    )
    shortest = float(system.lengths.min())
    if case.cutoff_ang > shortest / 2:
        yield (
            f"{where}: the cutoff of {case.cutoff_ang:g} A is more than half of the shortest edge "
            f"of the box, {shortest:.4g} A, and RBMD takes the nearest image only: give a larger "
            "box, for example with system.supercell"
        )
    core = core_ang(spec, case.cutoff_ang)
    if spec.rbmd.neighbor == "rbl" and core >= case.cutoff_ang:
        yield (
            f"rbmd.core: {core:g} A is not less than the cutoff of {case.cutoff_ang:g} A: half of "
            "that is usual"
        )
    if spec.force_field.kind == "eam" and len(system.masses) > 1:
        yield (
            f"system.file: names {len(system.masses)} atom types, and RBMD's EAM takes all atoms "
            "for one: give a file with one type"
        )


def _velocities(spec: RunSpec, system: MolecularSystem) -> Iterator[str]:
    if spec.run.velocities == "file" and system.velocities is None:
        yield "run.velocities: the structure has none: use 'new'"
    if free_directions(system, rigid=spec.force_field.shake) < 1:
        yield f"system: {len(system)} atom has no temperature: give more atoms"


def _topology(spec: RunSpec, dialect: Dialect, system: MolecularSystem) -> Iterator[str]:
    field, name = spec.force_field, dialect.name
    if name == "rbmd-2.2" and not all(len(system.of(n).kinds) for n in ("bond", "angle")):
        yield (
            "force_field.kind: rbmd-2.2 computes 'cvff' with bonds and angles, and the data file "
            "lacks one of them: use 'lj-coulomb' if there are none"
        )
    if len(system.of("dihedral").kinds) and field.dihedral not in dialect.dihedrals:
        yield (
            f"force_field.dihedral: {name} has no '{field.dihedral}': use "
            f"{_or(dialect.dihedrals)}, or rbmd-2.0"
        )
    if len(system.of("improper").kinds) and field.improper not in dialect.impropers:
        yield (
            f"force_field.improper: {name} has no impropers and would leave the "
            f"{len(system.of('improper').kinds):,} of the data file out: use rbmd-2.0"
        )
    if field.shake and not _is_rigid_water(system):
        yield (
            "force_field.shake: RBMD counts a constraint for every atom, which is right when each "
            "atom is in one molecule of three with an angle and two bonds, as in water: set it to "
            "false"
        )


def _is_rigid_water(system: MolecularSystem) -> bool:
    """Whether the atoms are those of the angles, each in one, and the bonds are their sides."""
    angles, bonds = system.of("angle").atoms, system.of("bond").atoms
    sides = np.concatenate([angles[:, :2], angles[:, 1:]])
    return bool(
        len(angles) * 3 == len(system)
        and len(np.unique(angles)) == len(system)
        and len(sides) == len(bonds)
        and {frozenset(b) for b in bonds.tolist()} == {frozenset(s) for s in sides.tolist()}
    )
