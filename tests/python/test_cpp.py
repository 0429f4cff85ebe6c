"""The tests in C++, under sanitizers; those of CUDA on the emulation."""

import os
import subprocess

import pytest
from support import build


def run(program, *arguments, **environment):
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("target", ["mdbench_cuda_tests", "mdbench_native_tests_baseline",
                                    "mdbench_tests"])
def test_cpp_tests_under_sanitizers(target):
    program = build("sanitized", target, "-DMDBENCH_SANITIZE=address,undefined")
    # threads and blocks of CUDA take turns by chance; tests of kernels ask for other orders too
    run(program, MDBENCH_EMULATION_ORDER="3")


@pytest.mark.slow
def test_cuda_kernels_have_no_races():
    program = build("emulated", "mdbench_cuda_tests")
    races = {"MDBENCH_EMULATION_RACES": "1"}
    assert "races are looked for" in run(program, "-cuda_", **races)
    # of those of whole evaluations, which take minutes, these: what kernels share shows there
    run(program, "cuda_graph_follows", "cuda_in_passes", **races)
