"""`pip install .` into an environment of the user's own, as the README says it."""

import os
import subprocess
import venv

import pytest
from support import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("torch", [False, True])
def test_pip_install_into_an_own_environment(tmp_path, monkeypatch, torch):
    """Pip's isolated build; where torch is installed first, it must not fetch another one."""
    monkeypatch.setenv("PIP_NO_COMPILE", "1")  # what is not imported need not be compiled
    own = tmp_path / "own"
    venv.create(own, with_pip=True)
    (own / ".python").touch()  # the Makefile's step before torch
    if torch:
        subprocess.run(["make", f"VENV={own}", f"{own}/.torch"], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
    command = [str(own / "bin/pip"), "install", "--log", str(tmp_path / "log"), str(ROOT)]
    # make setup has compiled the kernels for each instruction set, and optimized them
    command += [f"--config-settings=cmake.define.{setting}"
                for setting in ("MDBENCH_ISAS=baseline", "CMAKE_CXX_FLAGS_RELEASE=-O0")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout
    assert "Collecting torch" not in (tmp_path / "log").read_text()
    clean = {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"}
    doctor = subprocess.run([str(own / "bin/mdbench"), "doctor"], cwd=tmp_path, env=clean,
                            capture_output=True, text=True, check=False)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert str(own) in doctor.stdout
    script = "print(MACECalculator(sys.argv[1]).get_potential_energy(molecule('H2O')))"
    imports = "import sys; from ase.build import molecule; from mdbench import MACECalculator; "
    model = ROOT / "models/graphene-water/graphene-water.mace"
    subprocess.run([str(own / "bin/python"), "-c", imports + script, str(model)], check=True,
                   cwd=tmp_path, env=clean)
