"""The tests in C++, under sanitizers; those of CUDA on the emulation."""

import os
import subprocess

import pytest
from support import build

TESTS = ("-DMDBENCH_TESTS=ON", "-DMDBENCH_CUDA=EMULATE")
# every kernel by itself, and of the evaluator a step and one in passes: the rest takes long
RACES = ("columns", "contraction", "cuda_graph_follows", "cuda_in_passes", "dense", "edge",
         "features", "finish", "gradients", "integers", "lists", "moments", "races", "readout",
         "scan", "search", "sums", "tiles")


def run(program, *names, **environment):
    done = subprocess.run([str(program), *names], capture_output=True, text=True, check=False,
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
    run(build("races", "mdbench_cuda_tests", *TESTS, "-DMDBENCH_CUDA_RACES=ON"), *RACES)
