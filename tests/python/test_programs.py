"""Where LAMMPS, its MPI library and the plugin are taken from."""

import os
import subprocess
from pathlib import Path

from support import BIN, ROOT

from mdbench import plugin_folder

EDITABLE = """
import sys
from importlib.util import spec_from_file_location

class Redirect:
    def find_spec(self, name, path=None, target=None):
        return spec_from_file_location(name, sys.argv[1]) if name == "mdbench._core" else None

sys.meta_path.insert(0, Redirect())
import mdbench
assert mdbench.__file__.startswith(sys.argv[2])
print(mdbench.plugin_folder())
assert "mdbench._core" not in sys.modules
from mdbench.engine import open_lammps
assert open_lammps().has_style("pair", "mace")
"""


def test_editable_installation():
    """Scikit-build-core keeps what is built in site-packages, and imports sources from elsewhere."""
    (core,) = Path(plugin_folder()).glob("_core.*.so")
    done = subprocess.run([str(BIN / "python"), "-c", EDITABLE, str(core), str(ROOT / "python")],
                          env={**os.environ, "PYTHONPATH": str(ROOT / "python")}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(core.parent)
