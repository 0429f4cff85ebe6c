import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import filelock
import pytest
from support import BUNDLED, BUNDLED_LAMMPS, ROOT, STATES

from mdbench.model import convert
from models.analytic import save_analytic

CACHE = ROOT / "build" / "test"
MAKERS = ROOT / "tests/models"
PACKAGE = ROOT / "python/mdbench"


def cached(name, sources, make) -> Path:
    """A folder that `make` fills, once for given sources and versions of mace and torch."""
    parts = [path.read_bytes() for path in sources]
    parts += [importlib.metadata.version(p).encode() for p in ("mace-torch", "torch")]
    folder = CACHE / f"{name}-{hashlib.sha256(b''.join(parts)).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(CACHE / f"{name}.lock"):  # one of the parallel workers makes them
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return folder


def run_maker(script, folder):
    """Run a maker of models in a process of its own; its tensors are too small for threads."""
    subprocess.run([sys.executable, "-W", "ignore", str(script), str(folder)], check=True,
                   env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="session")
def models() -> dict[str, Path]:
    """Model files by name: NAME is the pickled one, NAME.pt the converted one."""

    def make(folder):
        run_maker(MAKERS / "make_models.py", folder)
        save_analytic(str(folder / "analytic.pt"), [1, 6, 8], 4.4)
        convert(BUNDLED, folder / "bundled-double.pt", dtype="float64")
        convert(folder / "gated.model", folder / "gated-lammps.pt", head="spice")
        for name, state in STATES.items():
            convert(folder / f"{name}.model", folder / f"{name}-lammps.pt", state=state,
                    dtype="float64", head="r2scan" if name == "charged_heads" else None)

    sources = [MAKERS / "make_models.py", MAKERS / "analytic.py", *sorted(PACKAGE.glob("mace_*.py")),
               BUNDLED]
    folder = cached("models", sources, make)

    def make_native(native):
        convert(BUNDLED, native / "bundled.mace")
        convert(folder / "medium.model", native / "medium.mace", elements=["H", "C", "O"])
        convert(folder / "two_heads.model", native / "two_heads.mace", head="pbe")
        convert(folder / "gated.model", native / "gated.mace", head="spice")
        for name, state in STATES.items():
            convert(folder / f"{name}.model", native / f"{name}.mace", state=state)

    sources += [PACKAGE / "model.py", *sorted(PACKAGE.glob("native_*.py"))]
    native = cached("converted", sources, make_native)
    return {
        **{f"{n}.mace": native / f"{n}.mace"
           for n in ("bundled", "gated", "medium", "two_heads", *STATES)},
        **{n: folder / f"{n}.model" for n in STATES},
        **{f"{n}.pt": folder / f"{n}-lammps.pt" for n in STATES},
        "bundled": BUNDLED,
        "bundled.pt": folder / "bundled-double.pt",
        "bundled-single.pt": BUNDLED_LAMMPS,
        "gated": folder / "gated.model",
        "gated.pt": folder / "gated-lammps.pt",
        "medium": folder / "medium.model",
        "medium.pt": folder / "medium-lammps.pt",
        "two_heads": folder / "two_heads.model",
        "two_heads.pt": folder / "two_heads-lammps.pt",
        "analytic.pt": folder / "analytic.pt",
    }


@pytest.fixture
def memory_path(tmp_path):
    """A folder for files that are written over thousands of times: disks may wait at each."""
    memory = Path("/dev/shm")  # noqa: S108 - the name within it is a new one
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(params=["pt", "mace"])
def form(request):
    """Suffix of models to run: graphs of several hops, or features that go through the halo."""
    return request.param


@pytest.fixture(scope="session")
def native_models() -> Path:
    """The folder that models/native_models.py fills: a grid of native files and their answers."""
    maker = MAKERS / "native_models.py"
    sources = [maker, MAKERS / "make_models.py", PACKAGE / "mace_worker.py",
               *sorted(PACKAGE.glob("native_*.py"))]
    return cached("native", sources, lambda folder: run_maker(maker, folder))
