"""Rules of the house that a program can check."""

import ast
import re
import subprocess
import sys

import pytest
from support import BIN, ROOT

PACKAGE = ROOT / "python/mdbench"
PYTHON = [p for folder in ("python", "tests", "inputs", "models", "benchmarks")
          for p in sorted((ROOT / folder).rglob("*.py"))]
CPP = sorted([*(ROOT / "plugin").rglob("*.[ch]pp"), *(ROOT / "plugin").rglob("*.h"),
              *(ROOT / "tests/cpp").iterdir()])

# What each module or sub-package may import from the package: dependencies point one way.
LAYERS = {
    "__init__": {"calculator"},  # on demand
    "errors": set(),
    "neighbours": {"errors"},
    "core": {"_core", "errors", "neighbours"},
    "native_file": set(),
    "native_probe": set(),
    "native_check": {"errors", "native_probe"},
    "native_export": {"native_probe"},
    "mace_worker": {"core", "errors", "native_check", "native_export", "native_file",
                    "native_probe"},
    "model": {"_core", "core", "errors"},
    "calculator": {"_core", "core", "errors", "model", "neighbours"},
    "engine": {"__init__", "core", "errors"},
    "structure": set(),
    "crystals": {"structure"},
    "reference_field": {"engine"},
    "units": {"errors"},
    "spec_system": {"units"},
    "spec": {"spec_system"},
    "spec_file": {"errors", "spec"},
    "systems": {"crystals", "errors", "reference_field", "spec_system",
                "structure"},
    "templates": {"errors", "model"},
    "check": {"core", "errors", "model", "neighbours", "reference_field", "spec", "systems"},
    "lammps_input": {"errors", "reference_field", "spec"},
    "manifest": {"__init__", "errors", "model", "spec"},
    "segments": {"errors", "lammps_input", "manifest", "output", "progress", "spec"},
    "diagnosis": {"errors", "output"},
    "progress": {"errors", "output"},
    "run": {"check", "diagnosis", "errors", "lammps_input", "manifest", "model", "progress",
            "segments", "spec", "spec_file", "systems"},
    "submit": {"errors", "run", "spec", "spec_file"},
    "frames": set(),
    "output": {"errors", "frames"},
    "analysis": {"errors", "frames"},
    "analyze": {"analysis", "errors", "frames", "output", "spec"},
    "plots": {"analysis", "errors"},
    "report": {"__init__", "analysis", "analyze", "errors", "plots"},
    "verify": {"_core", "core", "engine", "errors", "model"},
    "doctor": {"__init__", "errors", "model"},
    "cli": {"__init__", "cli_driver", "errors", "doctor", "model", "verify"},
    "cli_driver": {"analyze", "check", "errors", "lammps_input", "report", "run", "spec",
                   "spec_file", "submit", "systems", "templates"},
    "__main__": {"cli"},
}


def imports(path):
    """Modules of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mdbench"):
            parts = node.module.split(".")
            names = [parts[1]] if len(parts) > 1 else [a.name for a in node.names]
            found |= {n if n in UNITS else "__init__" for n in names}
    return found


def unit(path):
    """The module, or the sub-package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(PACKAGE.rglob("*.py"))
UNITS = {unit(p) for p in MODULES} | {"_core"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_python_dependencies_point_one_way(path):
    assert imports(path) - {unit(path)} <= LAYERS[unit(path)]


def test_cpp_dependencies_point_one_way():
    for path in (ROOT / "plugin/evaluator").rglob("*.[ch]*"):
        text = path.read_text()
        assert not re.search(r'#include "(pair|atom|lammps|mace_settings|run_timings)', text), path
        if path.name != "torchscript.cpp":
            assert not re.search(r"#include <(torch|ATen|c10|caffe2)", text), path
    for path in (ROOT / "plugin/lammps").glob("*.[ch]*"):
        assert not re.search(r"#include <(torch|ATen|c10|caffe2)", path.read_text()), path


def test_starting_lmp_imports_nothing_heavy():
    code = "import sys, mdbench; mdbench.plugin_folder(); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("torch", "numpy", "ase", "mace"):
        assert f"'{heavy}'" not in done.stdout


def test_only_the_worker_imports_mace():
    for path in MODULES:
        if path.stem != "mace_worker":
            assert not re.search(r"^\s*(import|from) mace\b", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize("path", PYTHON + CPP, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path):
    limit = 300 if path.suffix == ".py" else 400
    if "tests" not in path.parts:
        assert len(path.read_text().splitlines()) <= limit


def test_ruff():
    folders = ["python", "inputs", "models"]
    subprocess.run([str(BIN / "ruff"), "check", "-q", *folders], check=True, cwd=ROOT)


def test_mypy():
    subprocess.run([str(BIN / "mypy"), "--cache-dir", str(ROOT / "build/mypy")], check=True, cwd=ROOT)


def test_clang_format():
    subprocess.run([str(BIN / "clang-format"), "--dry-run", "-Werror", *map(str, CPP)], check=True)


@pytest.mark.parametrize("target", ["mdbench_tests", "mdbench_native_tests_baseline"])
def test_cpp_tests_under_sanitizers(target):
    build = ROOT / "build/sanitized"
    subprocess.run(
        ["cmake", "-S", str(ROOT), "-B", str(build), f"-DPython_EXECUTABLE={sys.executable}",
         "-DMDBENCH_TESTS=ON", "-DMDBENCH_TORCH=OFF", "-DMDBENCH_PYTHON=OFF",
         "-DMDBENCH_SANITIZE=address,undefined", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
        check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(build), "-j2", "--target", target], check=True,
                   capture_output=True)
    done = subprocess.run([str(build / target)], capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
