"""Tasks that need mace-torch, each run in a process of its own.

Opening a ``*.model`` file runs code in it, and ``import mace`` weakens torch's loading for the
whole process: neither may happen in the driver.

Usage: ``python -m mdbench.mace_worker TASK ANSWER`` with the request as JSON on standard input; the
answer is written to a file, so that prints of libraries cannot disturb it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench.errors import MdbenchError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SUPPORTED = ("MACE", "ScaleShiftMACE")


def load_model(path: str, description: str) -> Any:  # noqa: ANN401 - mace has no types
    """Open a pickled MACE model.

    Raises:
        Refused: when it is not one that LAMMPS can run.
    """
    try:
        import mace.modules  # noqa: F401 - the pickle names its classes
        import torch

        from mdbench.mace_state import other_inputs
    except ImportError as missing:
        raise Refused(f"{missing.name} is not installed: pip install 'mdbench[mace]'") from None
    try:
        model = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as problem:  # noqa: BLE001 - a damaged pickle raises anything
        first = str(problem).strip().splitlines()[0] if str(problem).strip() else repr(problem)
        raise Refused(f"'{path}' is {description} and torch cannot open it: {first}") from None
    kind = type(model).__name__
    if kind not in SUPPORTED:
        raise Refused(
            f"'{path}' holds a {kind}, which LAMMPS cannot run: give a model of class "
            f"{' or '.join(SUPPORTED)} (the *.model file that MACE training wrote)"
        )
    if others := other_inputs(model):
        raise Refused(f"'{path}' needs {', '.join(others)} besides positions: not supported")
    if any("cuequivariance" in type(part).__module__ for part in model.modules()):
        raise Refused(f"'{path}' was saved with cuEquivariance kernels: convert it to e3nn first")
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise Refused(f"'{path}' holds weights that are not finite numbers: training diverged")
    return model


def choose_head(model: Any, asked: str | None, path: str) -> tuple[list[str], str]:  # noqa: ANN401
    """All heads of a model and the one to use."""
    heads = [str(h) for h in getattr(model, "heads", None) or ["Default"]]
    if asked is None and len(heads) > 1:
        raise Refused(f"'{path}' has several heads ({', '.join(heads)}): choose with --head NAME")
    if asked is not None and asked not in heads:
        raise Refused(f"'{path}' has no head '{asked}': it has {', '.join(heads)}")
    return heads, asked or heads[0]


def convert(request: dict[str, Any]) -> dict[str, Any]:
    """Write a TorchScript file for LAMMPS."""
    model = load_model(request["model"], request["description"])
    import mace
    import torch

    from mdbench.mace_probe import head_probes
    from mdbench.mace_script import script
    from mdbench.mace_state import fix_state

    heads, head = choose_head(model, request["head"], request["model"])
    if type(model.radial_embedding.bessel_fn).__name__ == "ChebychevBasis":
        raise Refused(
            f"'{request['model']}' has a Chebyshev basis, which torch cannot differentiate: its "
            "forces would be wrong; convert it to a native file instead (-o NAME.mace)"
        )
    if request["dtype"]:
        model = model.to(getattr(torch, request["dtype"]))
    model = model.to("cpu").eval()
    model.heads = heads
    state = fix_state(model, request.get("state", {}), request["model"])
    metadata = {
        "format": "mdbench-torchscript-1",
        "elements": [int(z) for z in model.atomic_numbers],
        "cutoff_ang": float(model.r_max),
        "num_layers": int(model.num_interactions),
        "heads": heads,
        "head": head,
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        **({"state": state} if state else {}),
        "labels_include_dispersion": request["labels_include_dispersion"],
        "source_sha256": request["source_sha256"],
        "mace_torch": mace.__version__,
        "torch": torch.__version__,
    }
    probes = head_probes(model, metadata["elements"], heads.index(head))
    extra = {"mdbench.json": json.dumps(metadata)}
    script(model, head).save(request["output"], _extra_files=extra)
    return {"metadata": metadata, "probes": {head: probes}}


def kept_species(model: Any, asked: list[int] | None, path: str) -> list[int]:  # noqa: ANN401
    """The model's species of the atomic numbers asked for, in the model's order; default all."""
    numbers = [int(z) for z in model.atomic_numbers]
    missing = set(asked or []) - set(numbers)
    if missing:
        raise Refused(f"'{path}' does not know atomic numbers {sorted(missing)}")
    return [k for k, z in enumerate(numbers) if not asked or z in asked]


def native(request: dict[str, Any]) -> dict[str, Any]:
    """Write a native model file."""
    model = load_model(request["model"], request["description"])
    import mace
    import torch

    from mdbench import native_check, native_export
    from mdbench.mace_probe import head_probes
    from mdbench.mace_state import fix_state
    from mdbench.native_file import write
    from mdbench.native_probe import chebyshev

    torch.set_default_dtype(torch.float64)  # of constants that mace makes on the way
    source_dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    model = model.to("cpu").double().eval()
    model.heads = [str(h) for h in getattr(model, "heads", None) or ["Default"]]
    several = len(model.heads) > 1
    if request["head"] or not several:
        choose_head(model, request["head"], request["model"])
    state = fix_state(model, request.get("state", {}), request["model"])
    native_check.check(model)
    kept = kept_species(model, request["elements"], request["model"])
    tensors, metadata = native_export.export(model, kept)
    metadata |= {
        "head": request["head"] or ("" if several else model.heads[0]),
        "source_dtype": source_dtype,
        **({"state": state} if state else {}),
        "labels_include_dispersion": request["labels_include_dispersion"],
        "source_sha256": request["source_sha256"],
        "mace_torch": mace.__version__,
    }
    write(Path(request["output"]), tensors, metadata)
    basis = model.radial_embedding.bessel_fn
    if type(basis).__name__ == "ChebychevBasis":
        basis.forward = lambda x: chebyshev(x, basis.n.numel())
    probes = {h: head_probes(model, metadata["elements"], k) for k, h in enumerate(model.heads)}
    for probe in (p for of_head in probes.values() for p in of_head):
        probe["species"] = [kept.index(z) for z in probe["species"]]
    return {"metadata": metadata, "probes": probes}


def reference(request: dict[str, Any]) -> dict[str, Any]:
    """Energy, forces and virial of each frame of a file, by mace-torch's own ASE calculator.

    ``per_atom`` adds site energies and atomic virials.
    """
    model = load_model(request["model"], "a model file")
    from ase.io import read
    from mace.calculators import MACECalculator

    from mdbench.core import DEFAULT_STATE

    state = {**DEFAULT_STATE, **request.get("state", {})}
    _, head = choose_head(model, request["head"], request["model"])
    frames = read(request["structure"], ":")
    missing = {int(z) for f in frames for z in f.numbers} - {int(z) for z in model.atomic_numbers}
    if missing:
        raise Refused(f"'{request['model']}' does not know atomic numbers {sorted(missing)}")
    per_atom = request.get("per_atom", False)
    calculator = MACECalculator(
        model_paths=request["model"],
        device="cpu",
        default_dtype=request["dtype"],
        head=head,
        compute_atomic_stresses=per_atom,
    )
    results = []
    for atoms in frames:
        atoms.info |= state
        atoms.calc = calculator
        virial = np.zeros((3, 3))
        if atoms.pbc.all():
            virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
        result = {
            "energy": float(atoms.get_potential_energy()),
            "forces": atoms.get_forces().tolist(),
            "virial": virial.tolist(),
        }
        if per_atom:
            names = ("energies", "stresses", "virials")
            result |= {name: calculator.results[name].tolist() for name in names}
        results.append(result)
    return {"frames": results}


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Write the probe structure of a model to a file and describe the model."""
    model = load_model(request["model"], "a model file")
    from mdbench.mace_probe import probe_structure

    numbers = [int(z) for z in model.atomic_numbers]
    probe_structure(numbers).write(request["structure"], format="extxyz")
    return {"elements": numbers}


def random(request: dict[str, Any]) -> dict[str, Any]:
    """Write a model with random weights."""
    try:
        from mdbench import random_model
    except ImportError as missing:
        raise Refused(f"{missing.name} is not installed: pip install 'mdbench[mace]'") from None
    from ase.io import read

    atoms = read(request["structure"])
    random_model.make(request["shape"], request["elements"], atoms, Path(request["output"]))
    return {}


TASKS = {
    "convert": convert,
    "native": native,
    "reference": reference,
    "probe": probe,
    "random": random,
}


def serve(tasks: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
    """Run the task that the command line names."""
    task, answer = sys.argv[1:]
    try:
        result = tasks[task](json.load(sys.stdin))
    except (Refused, MdbenchError) as reason:
        result = {"error": str(reason)}
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    serve(TASKS)
