"""Model files: what they are, their hashes, and conversion for LAMMPS.

A ``*.model`` file is a pickle, that is, code. It is only ever opened in a separate process
(:mod:`mdbench.mace_worker`), and mace-torch is only imported there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers

from mdbench import _core, plugin_folder
from mdbench.core import GraphArrays, evaluate_arrays
from mdbench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mdbench._core import Evaluator

DTYPES = {"float32": "single", "float64": "double"}
DISPERSION_LABELS = ("none", "d3", "functional", "unknown")
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class ModelFile:
    """What a file on disk is."""

    path: Path
    description: str
    sha256: str
    is_converted: bool  # TorchScript or native: what pair_coeff takes

    @property
    def is_native(self) -> bool:
        """Whether it holds numbers only, no code."""
        return self.description == "a safetensors file"

    def metadata(self) -> dict[str, Any]:
        """What a converted file says about itself; nothing in it is run.

        ``plugin/evaluator/native/FORMAT.md`` describes a native file's. Files of other programs
        say nothing.

        Raises:
            ModelError: when it cannot be read.
        """
        try:
            if self.is_native:
                with self.path.open("rb") as file:
                    size = int.from_bytes(file.read(8), "little")
                    header = json.loads(file.read(min(size, _LONGEST_HEADER)))
                return dict(json.loads(header["__metadata__"]["mdbench"]))
            if zipfile.is_zipfile(self.path):
                with zipfile.ZipFile(self.path) as archive:
                    for name in archive.namelist():
                        if name.endswith("/extra/mdbench.json"):
                            return dict(json.loads(archive.read(name)))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as problem:
            reason = f"its metadata cannot be read: {problem}"
            raise ModelError(f"model file '{self.path}': {reason}") from None
        return {}


def inspect(path: Path) -> ModelFile:
    """Classify and hash a model file, checking its checksums.

    Raises:
        ModelError: when it is missing, empty or damaged.
    """
    try:
        description, sha256, is_converted = _core.inspect_model_file(str(path))
    except _core.CoreError as problem:
        raise ModelError(str(problem)) from None
    return ModelFile(path, description, sha256, is_converted)


def metadata(path: Path) -> dict[str, Any]:
    """What a converted file says about itself; see :meth:`ModelFile.metadata`.

    Raises:
        ModelError: when it cannot be read.
    """
    return inspect(path).metadata()


def load_evaluator(  # noqa: PLR0913 - one argument a setting
    path: Path,
    *,
    precision: str = "model",
    head: str | None = None,
    device: str = "cpu",
    threads: int = 0,
    deterministic: bool = True,
) -> Evaluator:
    """Open a converted model.

    Args:
        path: File that ``convert`` wrote.
        precision: ``single``, ``double``, for native files ``mixed``, or ``model``, that of the
            weights.
        head: The one chosen by ``convert`` if left out.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``, a GPU if there is one.
        threads: CPU threads; 0 leaves the choice to the library.
        deterministic: Whether sums on a GPU repeat bit for bit.

    Raises:
        ModelError: when it cannot be used.
    """
    try:
        return _core.load_evaluator(
            str(path),
            device=device,
            precision=precision,
            head=head or "",
            threads=threads,
            deterministic=deterministic,
        )
    except _core.CoreError as problem:
        raise ModelError(str(problem)) from None


def cuda_problem() -> str:
    """Why ``*.mace`` files cannot run on a GPU here; empty when they can."""
    try:
        if _core.cuda_devices() > 0:
            return ""
    except _core.CoreError as problem:
        return str(problem)
    if not (Path(plugin_folder()) / _core.cuda_library).exists():
        return "mdbench was built without CUDA kernels (MDBENCH_CUDA=ON, where nvcc is)"
    return "the CUDA kernels see no GPU: is there one, and is its driver new enough?"


def call_worker(
    task: str, request: dict[str, Any], worker: str = "mdbench.mace_worker"
) -> dict[str, Any]:
    """Run a task of a worker module in its own process; arrays come back as lists.

    Raises:
        ModelError: with the worker's one-line reason.
    """
    with tempfile.TemporaryDirectory(prefix="mdbench-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-W", "ignore", "-m", worker, task, str(answer)]
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, check=False
        )
        if not answer.exists():
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise ModelError(f"the process that reads model files died: {reason}")
        result: dict[str, Any] = json.loads(answer.read_text())
    if "error" in result:
        raise ModelError(result["error"])
    return result


def default_output(model: Path) -> Path:
    """Where ``convert`` writes unless told otherwise: ``X.model`` becomes ``X.mace``."""
    return model.with_name(f"{model.stem}.mace")


def _atomic_numbers(symbols: Sequence[str]) -> list[int]:
    unknown = [s for s in symbols if s not in atomic_numbers]
    if unknown:
        raise ModelError(f"unknown element '{unknown[0]}': give symbols, for example C,H,O")
    return [int(atomic_numbers[s]) for s in symbols]


def _request(output: Path, elements: Sequence[str] | None, dtype: str | None) -> dict[str, Any]:
    """What the suffix of the output asks of the worker.

    Raises:
        ModelError: when there is no such folder, the suffix is unknown, or an option does not go
            with it.
    """
    if not output.parent.is_dir():
        raise ModelError(f"cannot write '{output}': folder '{output.parent}' does not exist")
    if output.suffix == ".mace":
        if dtype:
            raise ModelError(
                f"'{output}' holds double precision whatever the weights have: leave --dtype out"
            )
        return {"task": "native", "elements": _atomic_numbers(elements or [])}
    if output.suffix != ".pt":
        raise ModelError(f"'{output}': end the name in .mace (native) or .pt (TorchScript)")
    if elements:
        raise ModelError(f"'{output}' keeps all elements of the model: only .mace files keep some")
    return {"task": "convert", "dtype": dtype}


def convert(  # noqa: PLR0913 - one parameter an option
    model: Path,
    output: Path,
    *,
    head: str | None = None,
    dtype: str | None = None,
    elements: Sequence[str] | None = None,
    state: Mapping[str, int] | None = None,
    labels_include_dispersion: str = "unknown",
) -> dict[str, Any]:
    """Convert a mace-torch ``*.model`` file for LAMMPS, and check the result.

    Args:
        model: Pickled mace-torch model. Opening it runs code in it: use files you trust.
        output: File to write, ``*.mace`` (native) or ``*.pt`` (TorchScript); appears only once it
            agrees with the Python model.
        head: Head whose energies LAMMPS gets; may be left out when the model has one. A native
            file keeps all heads, and then this is the default.
        dtype: ``float32`` or ``float64``; ``None`` keeps that of the weights. TorchScript only.
        elements: Symbols of the elements to keep; ``None`` keeps all. Native files only.
        state: ``charge`` (e) and ``spin`` (2S + 1) of all atoms together, for models that take
            them, such as MACE-OMOL; 0 and 1 by default. The file holds for them alone.
        labels_include_dispersion: Whether the training labels hold dispersion, one of
            ``DISPERSION_LABELS``; kept in the file for later guards.

    Returns:
        The metadata written into the file.

    Raises:
        ModelError: when the file is no MACE model, or the conversion disagrees with it.
    """
    source = inspect(model)
    if source.is_converted:
        raise ModelError(
            f"'{model}' is already {source.description}: give it to pair_coeff as it is"
        )
    partial = output.with_name(f".{output.name}.{os.getpid()}.part")
    request = {
        **_request(output, elements, dtype),
        "model": str(model),
        "output": str(partial),
        "head": head,
        "state": dict(state or {}),
        "source_sha256": source.sha256,
        "description": source.description,
        "labels_include_dispersion": labels_include_dispersion,
    }
    try:
        answer = call_worker(request.pop("task"), request)
        _compare_with_python(partial, answer)
        partial.replace(output)
    except OSError as problem:
        raise ModelError(f"cannot write '{output}': {problem.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    metadata: dict[str, Any] = answer["metadata"]
    return metadata


def _compare_with_python(file: Path, answer: dict[str, Any]) -> None:
    """Fail unless the written file gives the Python model's energies and edge gradients."""
    native = "dtype" not in answer["metadata"]
    dtype = answer["metadata"].get("dtype", "float64")
    errors = []
    for head, probes in answer["probes"].items():
        evaluator = load_evaluator(file, precision=DTYPES[dtype], head=head)
        for probe in probes:
            energy, gradient = evaluate_arrays(evaluator, GraphArrays.from_lists(probe))
            expected = np.array(probe["edge_gradient"])
            errors += [
                abs(energy.sum() - probe["energy"]) / max(1.0, abs(probe["energy"])),
                np.abs(gradient - expected).max() / max(1.0, float(np.abs(expected).max())),
            ]
    error = np.max(errors)
    # the native evaluator's radial tables are good to 1e-9 of the largest radial function
    tolerance = 5e-9 if native else 1e-10 if dtype == "float64" else 1e-4
    if not error < tolerance:
        raise ModelError(
            f"the converted model differs from the Python model by {error:.1e} (relative): "
            "it was not written; report this with the versions that 'mdbench doctor' shows"
        )
