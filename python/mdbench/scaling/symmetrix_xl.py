"""Symmetrix-XL as a peer: its ASE calculator, compiled for this machine and kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mdbench.errors import ModelError

_DTYPES = {"single": "float32", "double": "float64"}


def calculator(request: dict[str, Any]) -> Any:  # noqa: ANN401 - symmetrix has no types
    """Its calculator for a ``*.model`` file; the first one of a shape compiles for minutes.

    Raises:
        ModelError: when it does not take the model, or has no backend for this GPU.
    """
    cache = Path(request["cache"])
    compiled = cache / "symmetrix-jit"
    compiled.mkdir(parents=True, exist_ok=True, mode=0o700)
    # before the import, which reads them
    os.environ.update(
        {
            # of a GPU's backends it takes the one of the GPU's architecture
            "SYMMETRIX_BACKEND": "cpu" if request["device"] == "cpu" else "auto",
            "SYMMETRIX_JIT_CACHE": str(compiled),
            "KOKKOS_DISABLE_WARNINGS": "1",
        }
    )
    import symmetrix  # noqa: PLC0415 - see above

    symmetrix.load_backend()
    backend = symmetrix.selected_backend()["backend"]
    if (backend == "cpu") != (request["device"] == "cpu"):
        raise ModelError(f"symmetrix-xl runs on '{backend}' here, not on {request['device']}")
    return symmetrix.Symmetrix(
        str(_extracted(Path(request["model"]), cache)),
        dtype=_DTYPES[request["precision"]],
        streamed_edges="direct",
        execution_profile="capacity",
        neighbor_skin=request["skin_ang"],
    )


def kernel(made: Any) -> str:  # noqa: ANN401
    """What ran, after the first evaluation.

    Raises:
        ModelError: when it fell back to its uncompiled kernels.
    """
    if made.evaluator.factorized_fallback_evaluation_count:
        raise ModelError("symmetrix-xl fell back to its uncompiled kernels")
    return f"symmetrix-xl {importlib.metadata.version('symmetrix-xl')}, compiled here"


def _extracted(model: Path, cache: Path) -> Path:
    """The model in its JSON form, made once."""
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:16]
    path = cache / f"symmetrix-{digest}.json"
    if path.exists():
        return path
    part = path.with_suffix(".part")
    command = [sys.executable, "-W", "ignore", "-m", "symmetrix.cli.extract_mace"]
    command += ["--model", str(model), "--output", str(part)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not part.exists():
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"symmetrix-xl does not take this model: {last}")
    part.rename(path)
    return path
