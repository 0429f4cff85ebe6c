"""The CUDA back end without a GPU: its kernels by the compiler. Their tests: test_cpp.py."""

import json
import os
import shutil
import sys

import pytest
from support import ROOT, output_of

SCRIPT = ROOT / "benchmarks/cuda_resources.py"
RECORD = json.loads((ROOT / "benchmarks/results/cuda_resources.json").read_text())


def spilled(rows):
    """Kernels of floats that keep registers in memory."""
    floats = [row for row in rows if "float" in row["kernel"] or "double" not in row["kernel"]]
    assert len(floats) * 2 >= len(rows)
    return [row for row in floats if row["spilled_bytes"] or row["stack_bytes"]]


def test_every_source_is_compiled():
    listed = (ROOT / "cmake/Cuda.cmake").read_text()
    for pattern in ("plugin/kernels/cuda/*.cu", "plugin/evaluator/cuda/*.cpp", "tests/cuda/*.c*"):
        for path in ROOT.glob(pattern):
            assert str(path.relative_to(ROOT)) in listed


def test_record_is_of_these_kernels_and_nothing_spills(monkeypatch):
    """Made by SCRIPT where kernels change: all architectures take minutes to compile."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from cuda_resources import digest, sources  # noqa: PLC0415

    assert {"edge_lanes.hpp", "harmonics.hpp"} <= {path.name for path in sources()}
    assert RECORD["sources"] == digest(), "python benchmarks/cuda_resources.py"
    rows = RECORD["rows"]
    assert {row["architecture"] for row in rows} == {80, 90, 100}
    files = {path.name for path in (ROOT / "plugin/kernels/cuda").glob("*.cu")}
    assert {row["file"] for row in rows} == files
    assert spilled(rows) == []


def test_gpu_session_takes_no_variable_of_cuda_images(tmp_path):
    """Some of these export CUDA as a version or a folder."""
    compiler = tmp_path / "cmake"
    compiler.write_text('#!/bin/sh\necho "asked: $*"\n')
    compiler.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CUDA": "13.0.1",
                   "PARTS": "build", **{name: str(tmp_path / name.lower())
                                        for name in ("OUT", "BUILD", "SITE", "PACKAGES")}}
    for asked, expected in (({}, "ON"), ({"GPU_SESSION_CUDA": "EMULATE"}, "EMULATE")):
        output_of("bash", ROOT / "benchmarks/gpu_session.sh", env=environment | asked)
        log = (tmp_path / "build/configure.log").read_text()
        assert f" -DMDBENCH_CUDA={expected} " in log


@pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")
@pytest.mark.slow
def test_library_compiles_without_warnings_and_as_recorded(tmp_path):
    """For one architecture, and without spills; CUDA's runtime is in it."""
    output = tmp_path / "resources.json"
    print(output_of(sys.executable, SCRIPT, "--architecture", "90", "--output", output,
                    "--build", tmp_path))
    found = json.loads(output.read_text())
    assert spilled(found["rows"]) == []
    recorded = [row for row in RECORD["rows"] if row["architecture"] == 90]
    assert len(found["rows"]) == len(recorded)
    if found["nvcc"] == RECORD["nvcc"]:  # each nvcc has registers of its own
        assert found["rows"] == recorded
    needed = output_of("ldd", "-r", tmp_path / "mdbench_native_cuda.so")
    assert "libcudart" not in needed
    assert "not found" not in needed and "undefined symbol" not in needed


@pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")
@pytest.mark.slow
def test_tests_compile_with_cudas_own_headers():
    """Without a GPU they only ever see the emulation's."""
    folders = ("plugin/evaluator", "plugin/evaluator/native", "plugin/evaluator/cuda",
               "plugin/kernels", "plugin/kernels/cuda", "tests/cpp", "tests/cuda")
    includes = [f"-I{ROOT / folder}" for folder in folders]
    files = sorted((ROOT / "tests/cuda").glob("test_*.cpp"))
    assert len(files) > 10
    for path in files:
        output_of("nvcc", "-std=c++20", "-Xcompiler", "-fsyntax-only,-fopenmp,-Wall,-Wextra,-Werror",
                  *includes, "-c", "-o", "/dev/null", path)
