"""The tests in C++, under sanitizers; those of CUDA on the emulation."""

import os

import pytest
from support import build, output_of


def run(program, *arguments, **environment):
    said = output_of(program, *arguments, env={**os.environ, **environment})
    print(said)
    return said


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
