"""The tests in C++, under sanitizers; those of CUDA on the emulation."""

import os
import subprocess

import pytest
from support import build

TESTS = ("-DMDBENCH_TESTS=ON", "-DMDBENCH_CUDA=EMULATE")


def run(program, *arguments, **environment):
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("target", ["mdbench_cuda_tests", "mdbench_native_tests_baseline",
                                    "mdbench_tests"])
def test_cpp_tests_under_sanitizers(target):
    program = build("sanitized", target, *TESTS, "-DMDBENCH_SANITIZE=address,undefined",
                    "-DCMAKE_BUILD_TYPE=Sanitized", "-DCMAKE_CXX_FLAGS_SANITIZED=-O1 -g1")
    # threads and blocks of CUDA take turns by chance; tests of kernels ask for other orders too
    run(program, MDBENCH_EMULATION_ORDER="3")


@pytest.mark.slow
def test_cuda_kernels_have_no_races():
    program = build("races", "mdbench_cuda_tests", *TESTS, "-DMDBENCH_CUDA_RACES=ON")
    run(program, "-cuda_")
    # of those of whole evaluations, which take minutes, these: what kernels share shows there
    run(program, "cuda_graph_follows", "cuda_in_passes")
