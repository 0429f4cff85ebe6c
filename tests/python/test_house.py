"""Rules of the house that a program can check."""

import ast
import re
import subprocess
import sys

import pytest
from support import BIN, ROOT

PACKAGE = ROOT / "python/mdbench"
PYTHON = [p for folder in ("python", "plugin", "tests", "inputs", "models", "benchmarks")
          for p in sorted((ROOT / folder).rglob("*.py"))]
CPP = sorted([*(ROOT / "plugin").rglob("*.[ch]pp"), *(ROOT / "plugin").rglob("*.h"),
              *(ROOT / "plugin").rglob("*.cu"), *(ROOT / "tests/cpp").iterdir(),
              *(ROOT / "tests/cuda").iterdir()])

# What each module or sub-package may import from the package: dependencies point one way.
LAYERS = {
    "__init__": {"calculator", "d3"},  # on demand
    "errors": set(),
    "neighbours": {"errors"},
    "core": {"_core", "errors", "neighbours"},
    "native_file": set(),
    "native_probe": set(),
    "native_check": {"errors", "native_probe"},
    "native_gates": {"native_probe"},
    "native_export": {"native_check", "native_gates", "native_probe"},
    "mace_probe": {"core"},
    "mace_script": {"errors"},
    "mace_state": {"core", "errors", "mace_probe"},
    "mace_worker": {"core", "errors", "mace_probe", "mace_script", "mace_state", "native_check",
                    "native_export", "native_file", "native_probe", "random_model"},
    "model": {"__init__", "_core", "core", "errors"},
    "shared_calculator": {"errors"},
    "calculator": {"_core", "core", "errors", "model", "neighbours", "shared_calculator"},
    "d3": {"_core", "errors", "neighbours", "shared_calculator"},
    "labelled_frames": {"errors"},
    "d3_labels": {"d3", "errors", "labelled_frames"},
    "cli_d3": {"d3_labels"},
    "programs": {"__init__", "errors"},
    "engine": {"__init__", "core", "errors", "programs"},
    "structure": set(),
    "crystals": {"structure"},
    "structure_file": {"errors"},
    "reference_field": {"engine", "errors"},
    "units": {"errors"},
    "spec_types": {"units"},
    "spec_system": {"spec_types"},
    "spec_dispersion": {"_core", "spec_types"},
    "spec_force_field": {"spec_types"},
    "spec_model": {"spec_types"},
    "spec_analysis": {"spec_types"},
    "spec": {"spec_analysis", "spec_dispersion", "spec_force_field", "spec_model", "spec_system", "spec_types"},
    "spec_text": {"errors"},
    "spec_messages": {"spec", "spec_analysis", "spec_dispersion", "spec_force_field", "spec_model",
                      "spec_system", "spec_text", "spec_types"},
    "text_file": {"errors"},
    "spec_file": {"errors", "spec", "spec_messages", "spec_text", "spec_types", "text_file"},
    "json_text": {"errors", "spec_text", "text_file"},
    "spec_write": {"errors", "spec", "spec_types"},
    "molecules": {"errors", "output", "spec_force_field", "spec_system", "structure_file"},
    "systems": {"__init__", "crystals", "engine", "errors", "spec_system", "structure",
                "structure_file"},
    "templates": {"errors"},
    "classical_input": {"errors", "molecules", "spec_force_field"},
    "fixed_atoms": {"errors", "structure_file"},
    "input_facts": set(),
    "lammps_dynamics": {"input_facts", "output", "spec"},
    "lammps_input": {"__init__", "input_facts", "lammps_dynamics", "output", "spec"},
    "subject": {"__init__", "classical_input", "engine", "errors", "fixed_atoms", "input_facts",
                "lammps_input", "model", "molecules", "reference_field", "run_folder", "spec", "spec_system", "systems"},
    "check": {"_core", "analysis", "classical_input", "core", "d3", "engine", "errors", "fixed_atoms", "model",
              "molecules", "neighbours", "run_once", "spec", "spec_force_field", "structure_file",
              "subject", "systems"},
    "run_folder": {"errors"},
    "segments": {"errors", "lammps_input", "output", "programs", "run_folder",
                 "spec_force_field"},
    "run_once": {"errors", "lammps_input", "output", "programs", "spec", "subject"},
    "diagnosis": {"errors", "output", "run_folder", "segments"},
    "progress": {"output"},
    "prepare": {"__init__", "errors", "lammps_input", "programs", "run_folder", "spec", "subject"},
    "run": {"diagnosis", "errors", "lammps_input", "programs", "progress", "run_folder", "segments",
            "spec"},
    "campaign": {"check", "errors", "input_facts", "lammps_input", "prepare", "progress", "run", "run_folder",
                 "spec", "spec_file", "subject"},
    "submit": {"campaign", "errors", "run_folder", "spec_file"},
    "frames": set(),
    "output": {"errors", "frames", "json_text", "spec_text", "units"},
    "analysis": {"_core", "errors", "frames", "neighbours", "units"},
    "results": {"errors"},
    "combine": {"analysis", "results"},
    "run_notes": {"analysis", "errors", "output"},
    "analyze": {"analysis", "combine", "errors", "output", "results", "run_notes", "spec_analysis"},
    "plots": {"analysis", "errors"},
    "report": {"__init__", "analysis", "errors", "plots", "results"},
    "ase_evaluator": {"core"},
    "torch_pairs": {"ase_evaluator", "neighbours"},
    "python_models": {"ase_evaluator", "core", "errors", "mace_state", "torch_pairs"},
    "python_engine": {"ase_evaluator", "errors", "python_models"},
    "random_model": {"ase_evaluator", "python_models"},
    "scaling": {"__init__", "core", "engine", "errors", "lammps_input", "model", "plots",
                "programs", "python_engine", "report", "run_folder", "spec_system", "systems"},
    "verify": {"_core", "core", "engine", "errors", "model", "structure_file"},
    "doctor": {"__init__", "_core", "errors", "lammps_input", "model", "programs"},
    "cli_compare": {"campaign", "errors", "run_folder", "scaling"},
    "cli_scaling": {"errors", "scaling"},
    "rbmd": {"__init__", "calculator", "check", "errors", "json_text", "mace_worker", "model",
             "molecules", "neighbours", "output", "programs", "run_folder", "run_once", "spec",
             "spec_file", "spec_force_field", "spec_messages", "spec_system", "spec_text",
             "spec_types", "spec_write", "structure_file", "subject", "systems", "text_file",
             "units", "verify"},
    "cli_rbmd": {"campaign", "cli_driver", "rbmd", "spec_file"},
    "cli_verify": {"cli_driver", "errors", "rbmd", "verify"},
    "cli": {"__init__", "cli_compare", "cli_d3", "cli_driver", "cli_rbmd", "cli_scaling", "cli_verify",
            "doctor", "errors", "model"},
    "collect": {"analyze", "campaign", "errors", "output", "results", "run_folder", "spec", "spec_analysis", "spec_file"},
    "cli_driver": {"campaign", "check", "collect", "lammps_input", "report", "results", "scaling",
                   "spec_file", "submit", "subject", "templates", "units"},
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
        assert not re.search(r'#include "(pair|atom|lammps|mace_settings|run_timings)\w*\.h"', text), path
        if path.name != "torchscript.cpp":
            assert not re.search(r"#include <(torch|ATen|c10|caffe2)", text), path
    for path in (ROOT / "plugin/lammps").glob("*.[ch]*"):
        assert not re.search(r"#include <(torch|ATen|c10|caffe2)", path.read_text()), path


def test_starting_lmp_imports_nothing_heavy():
    code = "import sys, mdbench; mdbench.plugin_folder(); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("torch", "numpy", "ase", "mace"):
        assert f"'{heavy}'" not in done.stdout


IMPORT_MACE = {"mace_script", "mace_worker", "random_model", "python_models"}


def test_only_workers_import_mace():
    """And the Python engine, for which that is the point; it is imported on demand."""
    for path in MODULES:
        if path.stem not in IMPORT_MACE:
            assert not re.search(r"^\s*(import|from) mace\b", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize("path", PYTHON + CPP, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path):
    limit = 300 if path.suffix == ".py" else 400
    if "tests" not in path.parts:
        assert len(path.read_text().splitlines()) <= limit


def test_ruff():
    folders = ["python", "plugin", "inputs", "models", "benchmarks"]
    subprocess.run([str(BIN / "ruff"), "check", "-q", *folders], check=True, cwd=ROOT)


def test_mypy():
    subprocess.run([str(BIN / "mypy"), "--cache-dir", str(ROOT / "build/mypy")], check=True, cwd=ROOT)


def test_clang_format():
    subprocess.run([str(BIN / "clang-format"), "--dry-run", "-Werror", *map(str, CPP)], check=True)
