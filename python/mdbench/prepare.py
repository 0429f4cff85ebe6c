"""From a specification to a run folder that holds all it needs."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mdbench import __version__
from mdbench.errors import RunError
from mdbench.lammps_input import STRUCTURE_FILE, render
from mdbench.programs import hardware, usable_cores, versions
from mdbench.run_folder import MANIFEST, SCRIPT, SEGMENTS, RunFolder, sha256_of, write_atomically

if TYPE_CHECKING:
    from mdbench.spec import RunSpec, Variant
    from mdbench.subject import Subject


@dataclass(frozen=True)
class Origin:
    """Where a specification comes from, and what the command line adds to it."""

    file: str
    sha256: str
    trust_unpinned: bool = False
    jobs: int = 1  # runs at the same time, which share the cores


def prepare(
    spec: RunSpec, variant: Variant, subject: Subject, path: Path, origin: Origin
) -> RunFolder:
    """Write a run folder; its manifest comes last and makes it valid.

    Args:
        spec: The specification.
        variant: Temperature and seed of this run.
        subject: Of the specification.
        path: Folder; what an interrupted preparation left in it is removed.
        origin: Of the specification.

    Raises:
        MdbenchError: when anything is wrong; nothing is left then.
    """
    folder = RunFolder(path)
    if path.exists() and not folder.is_prepared:
        folder.refuse_orphans(MANIFEST)
        shutil.rmtree(path)
    try:
        (path / SEGMENTS).mkdir(parents=True)
        facts = subject.facts(spec)
        model = subject.write(spec, path)
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
