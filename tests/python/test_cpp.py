"""The tests in C++, under AddressSanitizer and UBSan; the CUDA kernels on the emulation."""

import os
import subprocess

import pytest
from support import build


@pytest.mark.slow
@pytest.mark.parametrize("target", ["mdbench_cuda_tests", "mdbench_native_tests_baseline",
                                    "mdbench_tests"])
def test_cpp_tests_under_sanitizers(target):
    program = build("sanitized", target, "-DMDBENCH_TESTS=ON", "-DMDBENCH_CUDA=EMULATE",
                    "-DMDBENCH_SANITIZE=address,undefined", "-DCMAKE_BUILD_TYPE=Sanitized",
                    "-DCMAKE_CXX_FLAGS_SANITIZED=-O1 -g1")
    # threads and blocks of CUDA take turns by chance; tests of kernels ask for the plain order too
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False,
                          env={**os.environ, "MDBENCH_EMULATION_ORDER": "1"})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
