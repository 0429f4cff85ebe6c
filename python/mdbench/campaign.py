"""All runs of a specification: one a temperature and seed, in turn or side by side."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mdbench.check import refuse_errors
from mdbench.errors import MdbenchError, RunError
from mdbench.input_facts import InputFacts
from mdbench.lammps_input import render
from mdbench.prepare import Origin, prepare
from mdbench.progress import Display
from mdbench.run import Control, run_to_end
from mdbench.run_folder import MANIFEST, SCRIPT, RunFolder, read_json, sha256_of, write_atomically
from mdbench.spec import RunSpec
from mdbench.spec_file import load_spec
from mdbench.subject import load_subject, model_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mdbench.spec import Variant
    from mdbench.spec_file import LoadedSpec

DEFAULT_NAME = "run.toml"
RUNS = "runs"
_MAY_CHANGE = {"run.production", "run.segment"}
"""Between a run and its continuation; and everything about the analysis."""
_FILES = {"system.file", "model.file", "force_field.potential_file"}
_BEFORE = "files_before"
"""Of the manifest: hashes from before the last change, for when it was cut short."""


@dataclass(frozen=True)
class Options:
    """What the command line adds to a specification."""

    resume: bool = False
    only: str | None = None  # name of one run folder
    jobs: int = 1
    trust_unpinned: bool = False
    quiet: bool = False


def find_spec(path: Path | None, here: Path) -> Path:
    """The specification that is meant: given, in this folder, or in the only folder below.

    Raises:
        RunError: when there is none, or several.
    """
    if path is not None:
        return path / DEFAULT_NAME if path.is_dir() else path
    if (here / DEFAULT_NAME).is_file():
        return here / DEFAULT_NAME
    below = sorted(here.glob(f"*/{DEFAULT_NAME}"))
    if len(below) == 1:
        return below[0]
    if not below:
        raise RunError(f"no {DEFAULT_NAME} here: 'mdbench init graphene-water' makes one")
    raise RunError(f"name one of {', '.join(str(p.relative_to(here)) for p in below)}")


def run_path(loaded: LoadedSpec, variant: Variant) -> Path:
    """Folder of one run, beside its specification."""
    stem = loaded.path.stem
    prefix = "" if loaded.path.name == DEFAULT_NAME else f"{stem}-"
    return loaded.path.parent / RUNS / f"{prefix}{variant.name}"


def run_campaign(loaded: LoadedSpec, options: Options) -> str:
    """Run a specification; every run goes on as far as it can, whatever happens to the others.

    Returns:
        ``finished``, or ``stopped`` when a signal asked for it.

    Raises:
        MdbenchError: when a run failed, after the others have ended.
    """
    chosen = {run_path(loaded, v): v for v in loaded.spec.variants()}
    if options.only:
        chosen = {p: v for p, v in chosen.items() if p.name == options.only}
        if not chosen:
            raise RunError(f"'{loaded.path}' has no run of the name '{options.only}'")
    with _preparing(loaded.path.parent):
        folders = _prepare_all(loaded, chosen, options)
    plan, control = loaded.spec.plan(), Control()
    with _signals(control), Display(quiet=options.quiet) as display:

        def work(folder: RunFolder) -> str | MdbenchError:
            if control.stop.is_set():
                return "stopped"
            try:
                return run_to_end(folder, plan, display, control).status
            except MdbenchError as problem:
                if len(folders) > 1:
                    display.say(str(problem))
                return problem

        with ThreadPoolExecutor(max_workers=options.jobs) as pool:
            ends = list(pool.map(work, folders))
    problems = [e for e in ends if isinstance(e, MdbenchError)]
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise RunError(f"{len(problems)} of {len(ends)} runs failed; the first: {problems[0]}")
    return "stopped" if "stopped" in ends else "finished"


def resume(folder: Path, options: Options) -> str:
    """Go on with a campaign or one run folder.

    Raises:
        RunError: when it is neither.
    """
    if (folder / MANIFEST).is_file():
        file = read_json(folder / MANIFEST).get("specification", {}).get("file")
        path = folder.resolve().parents[1] / str(file)
        if not path.is_file():
            raise RunError(f"'{folder}': its specification '{path}' is missing")
        return run_campaign(
            load_spec(path), replace(options, resume=True, only=folder.resolve().name)
        )
    path = find_spec(folder, folder)
    return run_campaign(load_spec(path), replace(options, resume=True))


@contextlib.contextmanager
def _signals(control: Control) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into the wish to stop."""

    def ask(*unused: object) -> None:
        del unused
        control.ask()

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _preparing(folder: Path) -> Iterator[None]:
    """One process at a time prepares the runs of a folder; others wait, and find them.

    Without it one would clear away, as what an interrupted preparation left, what the other makes.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as problem:
        raise RunError(f"cannot read '{folder}': {problem.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as problem:
            raise RunError(f"cannot lock '{folder}': {problem.strerror}") from None
        yield
    finally:
        os.close(handle)


def _prepare_all(
    loaded: LoadedSpec, chosen: dict[Path, Variant], options: Options
) -> list[RunFolder]:
    """Folders of all runs, new or found; nothing new is left behind when one cannot be made."""
    found = [p for p in chosen if RunFolder(p).is_prepared]
    if found and not options.resume:
        raise RunError(
            f"'{found[0]}' exists: 'mdbench resume {loaded.path.parent}' goes on with it"
        )
    for path in found:
        _check_unchanged(RunFolder(path), loaded, chosen[path])
    origin = Origin(loaded.path.name, loaded.sha256, options.trust_unpinned, options.jobs)
    new = [p for p in chosen if p not in found]
    if new:
        subject = load_subject(loaded.spec)
        warnings = refuse_errors(loaded.spec, subject, trust_unpinned=options.trust_unpinned)
        for warning in () if options.quiet else warnings:
            print(f"mdbench: {warning}", file=sys.stderr)  # noqa: T201
        made: list[Path] = []
        try:
            for path in new:  # what was made before one fails counts, so no comprehension
                folder = prepare(loaded.spec, chosen[path], subject, path, origin)
                made.append(folder.path)
        except BaseException:
            for path in made:
                shutil.rmtree(path, ignore_errors=True)
            raise
    return [RunFolder(p) for p in chosen]


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _is_moved(before: Any, now: Any, root: Path) -> bool:  # noqa: ANN401
    """Whether a file is named as before, from where the specification is now, and is the same."""
    if not all(isinstance(path, str) and Path(path).is_absolute() for path in (before, now)):
        return False
    old, new = Path(before), Path(now)
    below = [part for part in Path(os.path.relpath(new, root)).parts if part != ".."]
    if [*old.parts[-len(below) :]] != below or not new.is_file():
        return False
    if old.is_file():  # a copy of the campaign
        return sha256_of(old) == sha256_of(new)
    return not Path(*old.parts[: -len(below)]).is_relative_to(root)


def _check_unchanged(folder: RunFolder, loaded: LoadedSpec, variant: Variant) -> None:
    """Whether a run can go on under a specification; a longer production is taken over.

    Raises:
        RunError: when the specification or a file of the run has changed.
    """
    manifest, spec = folder.manifest(), loaded.spec
    # validated again, so that keys which came later have their defaults
    try:
        # but for the analysis, which does not act on the run and may be of an earlier version
        started = RunSpec.model_validate(manifest["spec"] | {"analysis": {}})
    except (KeyError, TypeError, ValidationError):
        raise RunError(f"'{folder.path / MANIFEST}' is damaged: its spec is none") from None
    now, before = (_flat(s.model_dump(mode="json")) for s in (spec, started))
    lists = {"ensemble.temperature", "run.seed"}  # other runs of the campaign
    idle = ["analysis.", "rbmd."]  # what does not act on the run
    if now["dispersion.method"] == before.get("dispersion.method") == "none":
        idle.append("dispersion.")
    changed = sorted(
        k
        for k in now.keys() | before.keys()
        if now.get(k) != before.get(k)
        and k not in lists
        and not k.startswith(tuple(idle))
        # a run has copies of its own; the campaign may have come from another place
        and not (
            k in _FILES and _is_moved(before.get(k), now.get(k), loaded.path.absolute().parent)
        )
    )
    fixed = [k for k in changed if k not in _MAY_CHANGE]
    if fixed:
        raise RunError(
            f"'{folder.path}' was started with another {fixed[0]} ({before.get(fixed[0])}, now "
            f"{now.get(fixed[0])}): give the changed specification a folder of its own"
        )
    try:
        files = {**manifest["files"]}
        if "sha256" in manifest["model"]:
            files[manifest["model"]["file"]] = manifest["model"]["sha256"]
    except (KeyError, TypeError) as problem:
        raise RunError(f"'{folder.path / MANIFEST}' is damaged: {problem!r}") from None
    is_torn = False
    for name, sha256 in files.items():
        path = folder.path / name
        found = sha256_of(path) if path.is_file() else None
        if found and found != sha256 and found == manifest.get(_BEFORE, {}).get(name):
            is_torn = True  # a longer production had come into the manifest, and not yet here
        elif found != sha256:
            raise RunError(f"'{path}' is not the file that the run was started with")
    if changed or is_torn:
        _extend(folder, manifest, spec, variant)


def _extend(folder: RunFolder, manifest: dict[str, Any], spec: RunSpec, variant: Variant) -> None:
    """Take a new length over into manifest and script."""
    if spec.plan().total < folder.state().step:
        raise RunError(f"'{folder.path}' is already longer than run.production")
    known = {f.name: manifest[f.name] for f in fields(InputFacts) if f.name in manifest}
    if "potential" not in known:  # as earlier versions, which ran models only, wrote it
        model = model_of(spec)
        known["potential"] = model.commands(spec, known["elements"])
        known["atom_style"] = model.atom_style
    facts = InputFacts(**known)
    script = render(spec, variant, facts)
    manifest[_BEFORE] = {SCRIPT: sha256_of(folder.path / SCRIPT)}
    manifest["files"][SCRIPT] = hashlib.sha256(script.encode()).hexdigest()
    manifest["spec"], manifest["plan"] = spec.model_dump(mode="json"), asdict(spec.plan())
    write_atomically(folder.path / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    write_atomically(folder.path / SCRIPT, script)
