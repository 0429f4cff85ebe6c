"""A Python variant in its own process: LAMMPS's Python module, forces through fix external.

Usage: ``python -m mdbench.scaling.external REQUEST.json``; what LAMMPS prints goes to standard
output, the rest into ``answer.json`` beside the request.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from mdbench.engine import open_lammps
from mdbench.python_engine import PythonModel, attach
from mdbench.scaling.script import LAMMPS_SCREEN

if TYPE_CHECKING:
    from mdbench.python_engine import PythonEngine


def _model(request: dict[str, Any]) -> tuple[Any, PythonModel | None]:
    """What to attach."""
    if request["variant"] == "symmetrix-xl":
        from mdbench.scaling.symmetrix_xl import calculator  # noqa: PLC0415 - rarely there

        return calculator(request), None
    return request["model"], PythonModel(
        form=request["variant"],
        precision=request["precision"],
        device=request["device"],
        skin_ang=request["skin_ang"],
        threads=request["threads"],
    )


def _kernel(engine: PythonEngine, request: dict[str, Any]) -> str:
    if request["variant"] == "symmetrix-xl":
        from mdbench.scaling.symmetrix_xl import kernel  # noqa: PLC0415

        return kernel(engine.evaluator.calculator)
    return f"{engine.kernel}, {request['precision']}, {request['device']}"


def _gpu_mib(device: str) -> float | None:
    """Most that torch held of the GPU's memory."""
    torch = sys.modules.get("torch")
    if device == "cpu" or torch is None:
        return None
    return float(torch.cuda.max_memory_reserved()) / 2**20


def work(request: dict[str, Any], answer: dict[str, Any], path: Path) -> None:
    """All of it; the answer is on disk before anything is timed."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(request["cache"]) / "inductor")
    lmp = open_lammps("-nocite", "-screen", str(path.with_name(LAMMPS_SCREEN)))
    lmp.commands_string(request["structure"])
    model, settings = _model(request)
    engine = attach(lmp, model, request["elements"], settings, virial=False)
    lmp.commands_string(request["agreement"])
    began = psutil.Process().create_time()
    answer |= {
        "kernel": _kernel(engine, request),
        "edges": engine.evaluator.num_edges or None,
        "setup_s": time.time() - began,
    }
    path.write_text(json.dumps(answer))
    for part in ("gate", "timing"):
        script = path.with_name(f"in.{part}")
        script.write_text(request[part])
        lmp.file(str(script))  # loops need a file
    answer["kernel"] = _kernel(engine, request)  # a late fallback would show here
    answer["gpu_mib"] = _gpu_mib(request["device"])
    lmp.close()  # what it printed is in the file then
    answer["rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run one request."""
    request_path = Path(sys.argv[1])
    path = request_path.with_name("answer.json")
    answer: dict[str, Any] = {}
    code = 0
    try:
        work(json.loads(request_path.read_text()), answer, path)
    except Exception as problem:  # noqa: BLE001 - any failure becomes a reason
        text = str(problem).strip().splitlines() or [repr(problem)]
        answer["error"] = text[0].removeprefix("ERROR: ")[:300]
        code = 1
    path.write_text(json.dumps(answer))
    os._exit(code)  # libraries that complain on the way out change nothing any more


if __name__ == "__main__":
    main()
