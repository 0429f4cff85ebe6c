import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import pytest
from support import BUNDLED, BUNDLED_LAMMPS, ROOT

from mdbench.model import convert
from models.analytic import save_analytic

CACHE = ROOT / "build" / "test"


@pytest.fixture(scope="session")
def models() -> dict[str, Path]:
    """Model files by name: NAME is the pickled one, NAME.pt the converted one."""
    maker = ROOT / "tests/models/make_models.py"
    version = hashlib.sha256(
        maker.read_bytes() + (ROOT / "tests/models/analytic.py").read_bytes()
        + (ROOT / "python/mdbench/mace_worker.py").read_bytes()
        + BUNDLED.read_bytes()
        + importlib.metadata.version("mace-torch").encode()
        + importlib.metadata.version("torch").encode()
    ).hexdigest()[:12]
    folder = CACHE / f"models-{version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(CACHE / "models.lock"):  # one of the parallel workers makes them
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            subprocess.run([sys.executable, "-W", "ignore", str(maker), str(folder)], check=True)
            save_analytic(str(folder / "analytic.pt"), [1, 6, 8], 4.4)
            convert(BUNDLED, folder / "bundled-double.pt", dtype="float64")
            (folder / "done").touch()
    return {
        "bundled": BUNDLED,
        "bundled.pt": folder / "bundled-double.pt",
        "bundled-single.pt": BUNDLED_LAMMPS,
        "medium": folder / "medium.model",
        "medium.pt": folder / "medium-lammps.pt",
        "two_heads": folder / "two_heads.model",
        "two_heads.pt": folder / "two_heads-lammps.pt",
        "analytic.pt": folder / "analytic.pt",
    }
