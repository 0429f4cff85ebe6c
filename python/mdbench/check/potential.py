"""The model of a run: may it be used, does it know the elements, does it hold dispersion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from mdbench.check.findings import Problem
from mdbench.check.settings import available_cores
from mdbench.core import DEFAULT_STATE, species_of
from mdbench.d3 import HEAVIEST
from mdbench.errors import ModelError, StructureError
from mdbench.model import ModelFile, inspect, load_evaluator

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from mdbench._core import Evaluator
    from mdbench.spec import RunSpec

_REFERENCE_ELEMENTS = {"C", "O", "H"}


def load(spec: RunSpec, model: Path) -> Evaluator | None:
    """The model as the run will use it; ``None`` for one that must be converted first.

    Raises:
        ModelError: when it cannot be used.
    """
    file = inspect(model)
    if not file.is_converted:
        return None
    precision = spec.model.precision
    if precision == "mixed" and not file.is_native:
        precision = "single"
    threads = spec.run.threads or max(1, available_cores() // spec.run.ranks)
    return load_evaluator(
        model,
        precision=precision,
        head=spec.model.head,
        device=spec.model.device,
        threads=threads,
    )


def problems_of_model(spec: RunSpec, model: Path, atoms: Atoms) -> list[Problem]:
    """Trust, precision, elements, head, charge and spin, dispersion.

    Args:
        spec: The specification.
        model: The model's file.
        atoms: The structure.
    """
    if not model.is_file():
        text = f"'{model}' does not exist: 'mdbench convert YOUR.model' makes a *.mace file"
        return [Problem("error", "model.file", text)]
    try:
        file = inspect(model)
        about = file.metadata()
    except ModelError as problem:
        return [Problem("error", "model.file", str(problem))]
    trust = _trust(spec, file)
    if trust:
        return trust
    labels = str(about.get("labels_include_dispersion", "unknown"))
    return [
        *_precision(spec, file),
        *_elements(about, atoms),
        *_head(spec, about),
        *_state(spec, file, about, atoms),
        *_dispersion(spec, labels),
        *_dispersion_elements(spec, atoms),
    ]


def _trust(spec: RunSpec, file: ModelFile) -> list[Problem]:
    """Files that hold code are pinned; a pin fits its file."""
    pinned = spec.model.sha256
    if pinned and pinned != file.sha256:
        text = f"the file has the hash {file.sha256}: it is not the one that was pinned"
        return [Problem("error", "model.sha256", text)]
    if not file.is_converted and "pickle" not in file.description:
        text = f"'{file.path}' is {file.description}: give a *.mace file from 'mdbench convert'"
        return [Problem("error", "model.file", text)]
    if pinned or file.is_native:
        return []
    text = (
        f"'{file.path}' is {file.description}, which is code: if you trust it, pin it: "
        f'sha256 = "{file.sha256}"'
    )
    return [Problem("error", "model.sha256", text)]


def _precision(spec: RunSpec, file: ModelFile) -> list[Problem]:
    chosen = "precision" in spec.model.model_fields_set and spec.model.precision == "mixed"
    if not chosen or file.is_native or not file.is_converted:
        return []
    text = "'mixed' is for *.mace files: TorchScript computes in single precision then"
    return [Problem("warning", "model.precision", text)]


def _elements(about: dict[str, Any], atoms: Atoms) -> list[Problem]:
    if "elements" not in about:
        return []
    try:
        species_of(atoms.numbers, list(about["elements"]))
    except StructureError as problem:
        return [Problem("error", "system", str(problem))]
    return []


def _head(spec: RunSpec, about: dict[str, Any]) -> list[Problem]:
    heads, head = about.get("heads", []), spec.model.head
    names = ", ".join(heads)
    if head and heads and head not in heads:
        return [Problem("error", "model.head", f"the model has no head '{head}': it has {names}")]
    if len(heads) > 1 and not head and not about.get("head"):
        return [Problem("error", "model.head", f"the model has several heads, choose one: {names}")]
    return []


def _state(spec: RunSpec, file: ModelFile, about: dict[str, Any], atoms: Atoms) -> list[Problem]:
    """Charge and spin: those of a converted file are in its weights.

    Whether a ``*.model`` takes them is not known here, nor without opening it, which runs code.
    """
    given = spec.model.state
    held = dict(about.get("state", {})) if file.is_converted else given
    for name, value in given.items():
        if held.get(name) != value:
            has = f"is for {name} {held[name]}" if name in held else f"takes no {name}"
            text = f"the file {has}: leave it out, or give the *.model file"
            return [Problem("error", f"model.{name}", text)]
    used = held if file.is_converted else DEFAULT_STATE | given
    for name in sorted(used.keys() & atoms.info.keys()):
        if atoms.info[name] != used[name]:
            known = f"for {name} {used[name]}"
            which = known if name in held else f"converted {known} if it takes one"
            text = f"the model is {which}; the structure notes {atoms.info[name]}"
            return [Problem("warning", f"model.{name}", text)]
    if file.is_converted and "charge" not in held and atoms.info.get("charge"):
        text = f"the model knows no charge: that of the structure, {atoms.info['charge']}, is lost"
        return [Problem("warning", "model.file", text)]
    electrons = int(atoms.numbers.sum()) - held.get("charge", 0)
    if "spin" in held and (electrons + held["spin"]) % 2 == 0:
        text = (
            f"{electrons} electrons cannot have the spin multiplicity {held['spin']} (2S + 1, of "
            "all atoms together): the model has learned none that is like this"
        )
        return [Problem("warning", "model.spin", text)]
    return []


def _dispersion(spec: RunSpec, labels: str) -> list[Problem]:
    d3 = spec.dispersion
    if d3.method == "none" or labels == "none" or d3.allow_double_counting:
        return []
    if labels == "unknown":
        text = (
            "the model's file does not say whether its labels hold dispersion, which D3 would then "
            "count twice: convert it with --labels-include-dispersion none if they hold none, or "
            "set dispersion.allow_double_counting = true"
        )
    else:
        text = (
            f"the model's labels hold dispersion already ('{labels}'), so D3 would count it twice: "
            "take method = 'none', or set dispersion.allow_double_counting = true"
        )
    return [Problem("error", "dispersion.method", text)]


def _dispersion_elements(spec: RunSpec, atoms: Atoms) -> list[Problem]:
    heavy = sorted(set(atoms.numbers[atoms.numbers > HEAVIEST]))
    if spec.dispersion.method == "none" or not heavy:
        return []
    text = f"D3 has no data for {chemical_symbols[heavy[0]]}: it ends at plutonium"
    return [Problem("error", "dispersion.method", text)]


def without_dispersion(spec: RunSpec, what: str) -> list[Problem]:
    """The problem of D3 on top of what holds dispersion itself."""
    if spec.dispersion.method == "none":
        return []
    text = f"{what} holds dispersion: D3 goes with models only"
    return [Problem("error", "dispersion.method", text)]


def problems_of_reference(spec: RunSpec, atoms: Atoms) -> list[Problem]:
    """What the reference force field cannot do."""
    problems = [*_reference(atoms), *without_dispersion(spec, "the reference force field")]
    if spec.run.velocities == "file":
        text = "the reference force field draws its velocities anew: take 'new'"
        problems.append(Problem("error", "run.velocities", text))
    return problems


def _reference(atoms: Atoms) -> list[Problem]:
    """What the reference force field can describe."""
    symbols = atoms.get_chemical_symbols()
    others = sorted(set(symbols) - _REFERENCE_ELEMENTS)
    if others:
        text = f"the reference force field is for graphene and water; it knows no {others[0]}"
        return [Problem("error", "system", text)]
    carbon = symbols.count("C")
    if symbols != ["C"] * carbon + ["O", "H", "H"] * ((len(symbols) - carbon) // 3):
        text = "the reference force field takes carbon first, then O H H of each molecule"
        return [Problem("error", "system", text)]
    if not np.all(atoms.pbc):
        text = "the reference force field needs a structure that is periodic in every direction"
        return [Problem("error", "system", text)]
    return []
