"""A scaling run from request to result: agreement first, variants in turn, resumable."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mdbench.errors import RunError, SettingError
from mdbench.model import inspect
from mdbench.run_folder import RunFolder, write_atomically
from mdbench.scaling import machine, models
from mdbench.scaling.bench import Bench
from mdbench.scaling.capacity import probe
from mdbench.scaling.cases import SYSTEMS, base_cell
from mdbench.scaling.plan import identity, in_turn, make_plan
from mdbench.scaling.results import Measurement, Protocol, Result, System
from mdbench.scaling.rows import measurement, unavailable
from mdbench.scaling.worker import Outcome, pinned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ase import Atoms

    from mdbench.scaling.models import Forms
    from mdbench.scaling.plan import Cell, Plan, Request
    from mdbench.scaling.results import Machine

    Say = Callable[[str], None]

_IDENTITY = "request.json"


def run(request: Request, say: Say) -> Result:
    """Measure what is asked for, going on where an interrupted call of the same request stopped.

    Args:
        request: What to measure.
        say: Takes lines of progress.

    Raises:
        SettingError: for a model that does not go with the system.
        ModelError: when the model cannot be used at all.
        EvaluationError: when the reference itself is wrong.
        RunError: when the folder cannot be used, or another process uses it.
    """
    base = base_cell(request.system)
    try:
        (request.work / "cells").mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise RunError(f"cannot write in '{request.output}': {problem.strerror}") from None
    with RunFolder(request.work).lock() as lock:
        forms = _forms(request, base)
        found = machine.describe()
        exact, evaluator = models.reference(forms, base)
        checked = (
            ""
            if request.is_quick
            else models.check_reference(forms, base, exact, request.work / "models")
        )
        plan = make_plan(request, base, forms)
        _say_plan(plan, found, forms, say)
        _begin_or_go_on(request, identity(request, base, forms, found), say)
        bench = Bench(request, base, exact, forms, lock)
        if request.is_probe:
            measurements, probes = probe(bench, plan, say)
        else:
            measurements, probes = _measure(bench, plan, say), ()
        bench.forget_files()
    model = models.describe(forms)
    return Result(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=request.command,
        machine=found,
        protocol=_protocol(request, f"{evaluator}; {checked}".rstrip("; ")),
        system=System(name=request.system, base_cell=SYSTEMS[request.system], model=model),
        measurements=(*measurements, *(unavailable(*row) for row in plan.unavailable)),
        probes=probes,
    )


def _forms(request: Request, base: Atoms) -> Forms:
    """The model in the forms that the variants need.

    Raises:
        SettingError: when it does not know an element of the system.
    """
    folder = request.work / "models"
    (request.work / "cache").mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    source = request.model or models.bundled()
    if request.random_weights:
        source = models.random_weights(request.random_weights, base, folder)
    inspect(source)
    _check_elements(request, source, base)
    wanted = {v.file for v in request.variants}
    return models.forms_of(source, base, folder, wanted, request.random_weights)


def _check_elements(request: Request, source: Path, base: Atoms) -> None:
    if request.model or request.random_weights or request.system == models.BUNDLED:
        return  # what a given model knows is found when it is converted and evaluated
    elements = ", ".join(sorted(set(base.get_chemical_symbols())))
    raise SettingError(
        f"the bundled model '{source.name}' knows only C, O and H, and {request.system} holds "
        f"{elements}: add --random-weights medium, or --model with one that knows them"
    )


def _say_plan(plan: Plan, found: Machine, forms: Forms, say: Say) -> None:
    say(f"machine: {found}; load {found.load}")
    say(f"model: {forms.source.name}, SHA-256 {forms.sha256[:12]}")
    for variant, settings, reason in plan.unavailable:
        say(f"not here: {variant.name} ({settings.device}, {settings.precision}): {reason}")
    for group in plan.groups:
        names = dict.fromkeys(c.variant.name for c in group)
        say(f"plan: {group[0].size.atoms} atoms ({group[0].size.name}): {', '.join(names)}")


def _begin_or_go_on(request: Request, wanted: dict[str, Any], say: Say) -> None:
    """Keep finished cells of the same request; those of another one go."""
    path, cells = request.work / _IDENTITY, request.work / "cells"
    text = json.dumps(wanted, indent=1) + "\n"
    kept = sorted(cells.glob("*.json"))
    if path.exists() and path.read_text() == text:
        if kept:
            say(f"going on: {len(kept)} processes of this request have finished before")
        return
    if kept:
        say("the request, the model or the programs have changed: starting anew")
    for file in kept:
        file.unlink()
    write_atomically(path, text)


def _measure(bench: Bench, plan: Plan, say: Say) -> tuple[Measurement, ...]:
    """All cells, sizes ascending, variants in turn within a size."""
    outcomes: dict[str, list[Outcome]] = {}
    stopped: dict[str, str] = {}  # series that could not even start, and why
    running: set[str] = set()  # series that did: later errors are those of a size
    rounds = bench.request.rounds
    for group in plan.groups:
        for round_ in range(rounds):
            for cell in in_turn(group, round_):
                before = outcomes.setdefault(cell.key, [])
                if cell.series in stopped or any(o.status != "timed" for o in before):
                    continue
                found = _one(bench, cell, round_, before, say)
                before.append(found)
                if found.status == "timed":
                    running.add(cell.series)
                if found.is_clean and cell.series not in running:
                    stopped[cell.series] = found.reason
    rows = []
    for series, reason in stopped.items():
        first = next(c for c in plan.cells if c.series == series)
        rows.append(unavailable(first.variant, first.settings, reason))
    return (*rows, *(measurement(c, o) for c in plan.cells if (o := _rows(c, outcomes, stopped))))


def _rows(cell: Cell, outcomes: dict[str, list[Outcome]], stopped: dict[str, str]) -> list[Outcome]:
    """Outcomes that make a row: what a series measured before it stopped counts."""
    found = outcomes.get(cell.key, [])
    return [o for o in found if not o.is_clean] if cell.series in stopped else found


def _one(bench: Bench, cell: Cell, round_: int, before: list[Outcome], say: Say) -> Outcome:
    """A process of a cell, finished before or run now, with a line of progress."""
    where = f"{cell}, round {round_ + 1} of {bench.request.rounds}"
    if known := bench.measured(cell, round_):
        say(f"{where}: finished before")
        return known
    found = bench.run(cell, round_, before[0].steps if before else None)
    if found.status == "timed":
        runs = f"{len(found.loop_s)} runs of {found.steps} steps"
        say(f"{where}: {1e3 * found.step_s:.4g} ms a step, {runs}")
    else:
        say(f"{where}: {found.status}: {found.reason}")
    for warning in found.warnings:
        say(f"  warning: {warning}")
    return found


def _protocol(request: Request, reference: str) -> Protocol:
    timing = asdict(request.timing)
    wanted = {k: timing[k] for k in ("steps", "warmup_steps", "repeats", "timestep_fs")}
    rest = {k: timing[k] for k in ("temperature_k", "skin_ang", "seed")}
    wanted["repeats"] *= request.rounds
    return Protocol(
        **wanted,
        **rest,
        ensemble=f"NVT, {request.rounds} fresh process(es) of {timing['repeats']} timed runs each",
        environment=pinned(request.settings[0]),
        reference=reference,
    )
