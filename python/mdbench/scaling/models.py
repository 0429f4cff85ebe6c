"""The model in every form that a variant takes, made once, and the fp64 reference."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from mdbench import plugin_folder
from mdbench.core import PointResult, evaluate_atoms
from mdbench.errors import EvaluationError, MdbenchError, ModelError
from mdbench.model import call_worker, convert, inspect, load_evaluator, metadata
from mdbench.programs import version
from mdbench.scaling.results import Model

if TYPE_CHECKING:
    from ase import Atoms

BUNDLED = "graphene-water"
RANDOM = ("small", "medium")
_SUFFIX = {"mace": ".mace", "pt": "-lammps.pt", "model": ".model"}
_AGREEMENT = 1e-6
"""Of the reference with mace-torch in double precision, relative to the typical force."""


@dataclass(frozen=True)
class Forms:
    """Files of one model: as given, and converted."""

    source: Path
    sha256: str
    files: dict[str, Path] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a form cannot be had."""
    random: str = ""
    """Shape of random weights."""

    @property
    def identity(self) -> str:
        """What must be equal for timings to go on."""
        return f"random {self.random}" if self.random else self.sha256


def bundled() -> Path:
    """The bundled model's file: the one that all forms are made from, else the native one."""
    folder = Path(plugin_folder()) / "models"
    found = [folder / f"{BUNDLED}{_SUFFIX[form]}" for form in ("model", "mace")]
    return next((p for p in found if p.exists()), found[-1])


def random_weights(shape: str, atoms: Atoms, folder: Path) -> Path:
    """A model of that shape for the elements of a structure, made once.

    Raises:
        ModelError: when mace-torch is not installed.
    """
    elements = sorted({int(z) for z in atoms.numbers})
    versions = f"{version('mace-torch')} {version('torch')}"
    mark = hashlib.sha256(f"{shape} {elements} {versions}".encode()).hexdigest()[:8]
    path = folder / f"random-{shape}-{mark}.model"
    if not path.exists():
        structure = folder / "base.extxyz"
        atoms.write(structure)
        part = path.with_suffix(".part")
        request = {"shape": shape, "elements": elements, "structure": str(structure)}
        call_worker("random", {**request, "output": str(part)})
        part.rename(path)
    return path


def forms_of(source: Path, atoms: Atoms, folder: Path, wanted: set[str], random: str = "") -> Forms:
    """Convert a model into what variants need; results are kept in a folder by SHA-256.

    Args:
        source: ``*.model``, ``*.mace`` or TorchScript file.
        atoms: Structure whose elements native files keep.
        folder: Where conversions are kept.
        wanted: Forms: mace, pt, model.
        random: Shape, when the weights are random.

    Raises:
        ModelError: when the source cannot be read, or does not know an element.
    """
    found = inspect(source)
    kind = "model" if not found.is_converted else "mace"
    if found.is_converted and "TorchScript" in found.description:
        kind = "pt"
    forms = Forms(source, found.sha256, {kind: source}, {}, random)
    # the reference runs the native form, or else TorchScript
    for form in sorted({*wanted, "mace"} - {kind}):
        beside = source.with_name(source.name.removesuffix(_SUFFIX[kind]) + _SUFFIX[form])
        if source.parent == Path(plugin_folder()) / "models" and beside.exists():
            forms.files[form] = beside
        elif kind != "model":
            forms.reasons[form] = (
                f"'{source.name}' cannot be turned into a *{_SUFFIX[form]} file: "
                "give the *.model file instead"
            )
        else:
            _convert(forms, form, atoms, folder)
    return forms


def _convert(forms: Forms, form: str, atoms: Atoms, folder: Path) -> None:
    elements = sorted({chemical_symbols[z] for z in atoms.numbers})
    mark = f"{forms.sha256[:12]}-{'-'.join(elements)}"
    path = folder / f"{mark}{_SUFFIX[form]}"
    try:
        if not path.exists():
            convert(forms.source, path, elements=elements if form == "mace" else None)
    except MdbenchError as problem:
        forms.reasons[form] = str(problem)
    else:
        forms.files[form] = path


def reference(forms: Forms, atoms: Atoms) -> tuple[PointResult, str]:
    """Energy and forces of the base cell in double precision, and what computed them.

    Raises:
        ModelError: when no form can.
        StructureError: when the model does not know an element.
    """
    for form in ("mace", "pt"):
        if form in forms.files:
            evaluator = load_evaluator(forms.files[form], precision="double", device="cpu")
            kernel = evaluator.info["kernel"]
            return evaluate_atoms(evaluator, atoms), f"{kernel}, double precision, cpu"
    reason = forms.reasons.get("mace", "no form of the model can be evaluated in double precision")
    raise ModelError(reason)


def check_reference(forms: Forms, atoms: Atoms, found: PointResult, folder: Path) -> str:
    """Compare the reference with mace-torch itself, once; returns how well they agree.

    Raises:
        EvaluationError: when they do not.
    """
    if "model" not in forms.files or version("mace-torch") is None:
        return ""
    answer = _by_mace_torch(forms, atoms, folder)
    forces = np.array(answer["forces"])
    difference = float(np.abs(forces - found.forces).max())
    if not difference <= _AGREEMENT * max(1.0, float(np.sqrt(np.square(forces).mean()))):
        raise EvaluationError(
            f"the reference differs from mace-torch in double precision by {difference:.1e} eV/A: "
            f"nothing is timed; see 'mdbench verify {forms.source}'"
        )
    return f"mace-torch {version('mace-torch')} in double precision agrees to {difference:.0e} eV/A"


def _by_mace_torch(forms: Forms, atoms: Atoms, folder: Path) -> dict[str, Any]:
    """Energy and forces by mace-torch's calculator; kept, because starting it takes 10 s."""
    structure = hashlib.sha256(atoms.positions.tobytes()).hexdigest()[:12]
    kept = folder / f"{forms.sha256[:12]}-{structure}-{version('mace-torch')}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    frame = folder / "base.extxyz"
    atoms.write(frame)
    request = {"model": str(forms.files["model"]), "structure": str(frame), "head": None}
    frames = call_worker("reference", {**request, "dtype": "float64"})["frames"]
    kept.write_text(json.dumps(frames[0]))
    return dict(frames[0])


def describe(forms: Forms) -> Model:
    """The model for the result file."""
    path = forms.files.get("mace") or forms.files.get("pt")
    info = load_evaluator(path, precision="double", device="cpu").info if path else {}
    layers = info.get("num_layers", 0)
    text = f"{layers} layers" if layers else "unknown"
    if "mace" in forms.files:
        text = f"{_shape(forms.files['mace'])}, {text}"
    return Model(
        file=forms.source.name,
        sha256=forms.sha256,
        architecture=text,
        r_max_ang=info.get("cutoff_ang", 1.0),
        random_weights=bool(forms.random),
    )


def _shape(native: Path) -> str:
    """Hidden features and orders, from the header of a native file."""
    data = metadata(native)
    degree = max(layer["output_l"] for layer in data["layers"])
    irreps = "+".join(f"{data['channels']}x{k}{'eo'[k % 2]}" for k in range(degree + 1))
    correlation = max(layer["correlation"] for layer in data["layers"])
    elements = ",".join(chemical_symbols[z] for z in data["elements"])
    return f"{irreps}, max_ell {data['max_ell']}, correlation {correlation}, elements {elements}"


def versions() -> dict[str, str]:
    """Versions of what evaluates models."""
    packages = ("cuequivariance", "cuequivariance-torch", "symmetrix-xl", "e3nn", "nvidia-ml-py")
    ops = [
        d.name
        for d in importlib.metadata.distributions()
        if d.name and d.name.startswith("cuequivariance-ops")
    ]
    return {name: v for name in (*packages, *sorted(ops)) if (v := version(name))}
