"""The CUDA back end without a GPU: its tests on the emulation, its kernels by the compiler."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from support import ROOT

CONFIGURE = ["cmake", "-S", str(ROOT), f"-DPython_EXECUTABLE={sys.executable}",
             "-DMDBENCH_TESTS=ON", "-DMDBENCH_TORCH=OFF", "-DMDBENCH_PYTHON=OFF"]
NVCC = pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")


def run(command, **settings):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_source_is_compiled():
    listed = (ROOT / "cmake/Cuda.cmake").read_text()
    for pattern in ("plugin/kernels/cuda/*.cu", "plugin/evaluator/cuda/*.cpp", "tests/cuda/*.c*"):
        for path in ROOT.glob(pattern):
            assert str(path.relative_to(ROOT)) in listed


@pytest.mark.slow
def test_kernels_on_the_emulation_under_sanitizers():
    build = ROOT / "build/emulated"
    run([*CONFIGURE, "-B", str(build), "-DMDBENCH_CUDA=EMULATE",
         "-DMDBENCH_SANITIZE=address,undefined", "-DCMAKE_BUILD_TYPE=Debug"])
    run(["cmake", "--build", str(build), "-j2", "--target", "mdbench_cuda_tests"])
    # threads and blocks take turns by chance; the tests of kernels ask for other orders too
    print(run([str(build / "mdbench_cuda_tests")],
              env={**os.environ, "MDBENCH_EMULATION_ORDER": "3"}))


@pytest.mark.slow
def test_kernels_have_no_races():
    build = ROOT / "build/races"
    run([*CONFIGURE, "-B", str(build), "-DMDBENCH_CUDA=EMULATE", "-DMDBENCH_CUDA_RACES=ON"])
    run(["cmake", "--build", str(build), "-j2", "--target", "mdbench_cuda_tests"])
    print(run([str(build / "mdbench_cuda_tests")]))


@NVCC
@pytest.mark.slow
def test_kernels_compile_without_warnings_or_spills(tmp_path):
    """For the GPUs that the library is compiled for, and PTX."""
    output = tmp_path / "resources.json"
    print(run([sys.executable, str(ROOT / "benchmarks/cuda_resources.py"), "--output", str(output)]))
    rows = json.loads(output.read_text())["rows"]
    assert {row["architecture"] for row in rows} == {80, 90, 100}
    files = {path.name for path in (ROOT / "plugin/kernels/cuda").glob("*.cu")}
    assert {row["file"] for row in rows} == files
    floats = [row for row in rows if "float" in row["kernel"] or "double" not in row["kernel"]]
    assert len(floats) * 2 >= len(rows)
    assert [row for row in floats if row["spilled_bytes"] or row["stack_bytes"]] == []


@NVCC
@pytest.mark.slow
def test_library_links(tmp_path):
    """By CMake; CUDA's runtime is in it."""
    run([*CONFIGURE, "-B", str(tmp_path), "-DMDBENCH_CUDA=ON",
         "-DMDBENCH_CUDA_ARCHITECTURES=90-virtual"])  # PTX: no time goes into ptxas
    run(["cmake", "--build", str(tmp_path), "-j2", "--target", "mdbench_native_cuda"])
    needed = run(["ldd", str(tmp_path / "mdbench_native_cuda.so")])
    assert "libcudart" not in needed
    assert "not found" not in needed
