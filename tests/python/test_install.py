"""`pip install .` into an environment of the user's own, as the README says it."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support import ROOT, output_of

import mdbench

MODEL = ROOT / "models/graphene-water/graphene-water.mace"
ENERGY = """import sys
from ase.build import molecule
from mdbench import MACECalculator
print(MACECalculator(sys.argv[1]).get_potential_energy(molecule('H2O')))"""


@pytest.mark.slow
def test_pip_install_into_an_own_environment(tmp_path, monkeypatch):
    """Pip's isolated build must not fetch another torch; without torch, the rest goes on."""
    monkeypatch.setenv("PIP_NO_COMPILE", "1")  # what is not imported need not be compiled
    own, clean = tmp_path / "own", {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"}
    venv.create(own, with_pip=True)
    (own / ".python").touch()  # the Makefile's step before torch
    output_of("make", f"VENV={own}", f"{own}/.torch", cwd=ROOT)
    # make setup has compiled the kernels for each instruction set, and optimized them
    settings = [f"--config-settings=cmake.define.{setting}"
                for setting in ("MDBENCH_ISAS=baseline", "CMAKE_CXX_FLAGS_RELEASE=-O0")]
    output_of(own / "bin/pip", "install", "--log", tmp_path / "log", *settings, ROOT)
    assert "Collecting torch" not in (tmp_path / "log").read_text()
    energies = []
    for torch in (True, False):
        if not torch:
            output_of(own / "bin/pip", "uninstall", "--yes", "torch")
        doctor = output_of(own / "bin/mdbench", "doctor", cwd=tmp_path, env=clean)
        assert str(own) in doctor
        energies.append(float(output_of(own / "bin/python", "-c", ENERGY, MODEL,
                                        cwd=tmp_path, env=clean)))
    assert energies[0] == energies[1]
    configured = output_of("cmake", "-S", ROOT, "-B", tmp_path / "build", "-DMDBENCH_PYTHON=OFF",
                           f"-DPython_EXECUTABLE={own}/bin/python")
    assert "torch is not installed: *.mace files only" in configured
    assert "-DMDBENCH_TORCH=FOLDER" in configured


def test_installed_libraries_know_no_folder_of_the_build():
    libraries = sorted(Path(mdbench.plugin_folder()).glob("*.so"))
    assert libraries
    for library in libraries:
        contents = library.read_bytes()
        assert str(ROOT).encode() not in contents, library
        assert sys.prefix.encode() not in contents, library


def test_sdist_is_enough_for_every_option_of_cmake(tmp_path):
    """And what its tests are made of is built by ctest, unless it is part of a build."""
    name = output_of(sys.executable, "-c", "import sys; from scikit_build_core.build import build_sdist"
                     "; print(build_sdist(sys.argv[1]))", tmp_path, cwd=ROOT).split()[-1]
    shutil.unpack_archive(tmp_path / name, tmp_path)
    source, build = tmp_path / name.removesuffix(".tar.gz"), tmp_path / "build"
    assert not (source / "tests/python").exists()
    output_of("cmake", "-S", source, "-B", build, "-DMDBENCH_TESTS=ON", "-DMDBENCH_BENCHMARKS=ON",
              "-DMDBENCH_CUDA=EMULATE", f"-DPython_EXECUTABLE={sys.executable}")
    tests = json.loads(subprocess.run(["ctest", "--show-only=json-v1", "--test-dir", build], check=True,
                                      capture_output=True).stdout)["tests"]
    properties = {test["name"]: {p["name"]: p["value"] for p in test["properties"]} for test in tests}
    for name in ("cuda", "native_baseline"):
        (needed,) = properties[name]["FIXTURES_REQUIRED"]
        assert properties[f"build_{name}"]["FIXTURES_SETUP"] == [needed]
