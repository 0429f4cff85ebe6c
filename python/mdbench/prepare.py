"""From a specification to a run folder that holds all it needs."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdbench import __version__, plugin_folder
from mdbench.engine import boxed, potentials_folder
from mdbench.errors import RunError
from mdbench.lammps_input import STRUCTURE_FILE, InputFacts, render
from mdbench.model import convert, inspect
from mdbench.programs import hardware, usable_cores, versions
from mdbench.reference_field import data_text
from mdbench.run_folder import MANIFEST, SCRIPT, SEGMENTS, RunFolder, sha256_of, write_atomically
from mdbench.systems import species_order, write_data

if TYPE_CHECKING:
    from ase import Atoms

    from mdbench.spec import RunSpec, Variant

BUNDLED_MODEL = Path(plugin_folder()) / "models" / "graphene-water.mace"
_REFERENCE_POTENTIAL = "BNC.tersoff"


@dataclass(frozen=True)
class Origin:
    """Where a specification comes from, and what the command line adds to it."""

    file: str
    sha256: str
    trust_unpinned: bool = False
    jobs: int = 1  # runs at the same time, which share the cores


def model_path(spec: RunSpec) -> Path | None:
    """The file of the model; none for the reference force field."""
    if spec.model.is_reference:
        return None
    return BUNDLED_MODEL if str(spec.model.file) == "bundled" else spec.model.file


def facts_of(spec: RunSpec, atoms: Atoms) -> InputFacts:
    """What the script takes from the structure and the model."""
    path = model_path(spec)
    suffix = ".pt" if path is not None and path.suffix == ".pt" else ".mace"
    elements = ("C", "O", "H") if path is None else tuple(species_order(atoms))
    return InputFacts(elements, boxed(atoms).boundary, len(atoms), f"model{suffix}")


def take_model(spec: RunSpec, facts: InputFacts, folder: Path) -> dict[str, Any]:
    """Copy or convert the model into the run folder; the copy is what is hashed and used.

    Raises:
        RunError: when its hash is not the pinned one.
        ModelError: when it cannot be used.
    """
    source = model_path(spec)
    if source is None:
        shutil.copyfile(potentials_folder() / _REFERENCE_POTENTIAL, folder / _REFERENCE_POTENTIAL)
        return {"file": "reference", "description": "classical reference force field"}
    copy = folder / f"source{source.suffix}"
    shutil.copyfile(source, copy)
    found = inspect(copy)
    pinned = spec.model.sha256
    if pinned and found.sha256 != pinned:
        raise RunError(f"model.sha256: '{source}' has {found.sha256}, not the pinned {pinned}")
    target = folder / facts.model_file
    if found.is_converted:
        copy.replace(target)
    else:
        convert(copy, target, head=spec.model.head, elements=facts.elements)
        copy.unlink()
    return {
        "file": facts.model_file,
        "source": source.name,
        "source_sha256": found.sha256,
        "sha256": sha256_of(target),
        "description": found.description,
    }


def prepare(spec: RunSpec, variant: Variant, atoms: Atoms, path: Path, origin: Origin) -> RunFolder:
    """Write a run folder; its manifest comes last and makes it valid.

    Args:
        spec: The specification.
        variant: Temperature and seed of this run.
        atoms: The structure, as built.
        path: Folder; what an interrupted preparation left in it is removed.
        origin: Of the specification.

    Raises:
        MdbenchError: when anything is wrong; nothing is left then.
    """
    folder = RunFolder(path)
    if path.exists() and not folder.is_prepared:
        shutil.rmtree(path)
    try:
        (path / SEGMENTS).mkdir(parents=True)
        facts = facts_of(spec, atoms)
        model = take_model(spec, facts, path)
        if spec.model.is_reference:
            (path / STRUCTURE_FILE).write_text(data_text(atoms))
        else:
            write_data(path / STRUCTURE_FILE, atoms, list(facts.elements))
        (path / SCRIPT).write_text(render(spec, variant, facts))
        threads = spec.run.threads or max(1, usable_cores() // (spec.run.ranks * origin.jobs))
        manifest = {
            "schema": 1,
            "kind": "mdbench run",
            "name": spec.name,
            "variant": asdict(variant),
            "spec": spec.model_dump(mode="json"),
            "specification": asdict(origin),
            "plan": asdict(spec.plan()),
            "timestep_fs": spec.run.timestep_fs,
            **asdict(facts),
            "format": spec.output.format,
            "ranks": spec.run.ranks,
            "threads": threads,
            "model": model,
            "files": {name: sha256_of(path / name) for name in (STRUCTURE_FILE, SCRIPT)},
            "versions": {"mdbench": __version__, **versions()},
            "hardware": hardware(),
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(path / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    except OSError as problem:
        raise RunError(f"cannot prepare '{path}': {problem.strerror or problem}") from None
    finally:
        if not folder.is_prepared:
            shutil.rmtree(path, ignore_errors=True)
    return folder
