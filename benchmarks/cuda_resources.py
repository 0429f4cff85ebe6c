"""Compile the CUDA kernels and tell the registers, shared memory and spills of each.

Usage: python benchmarks/cuda_resources.py [--build FOLDER] [--architecture N --output FILE]

Needs nvcc, no GPU. The library is built as CMake builds it, for all its architectures or for one,
but that every warning is an error. Writes benchmarks/results/cuda_resources.json, with the hash of
the kernels that it is of, and the table beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks/results/cuda_resources.json"
MARK = "cuda_resources"
KERNELS = ROOT / "plugin/kernels/cuda"
PAGE = KERNELS / "README.md"
# the compiler of each file says what it needs
FLAGS = "-Werror all-warnings -Xptxas -v"
COMPILED = re.compile(r"^\[\d+/\d+\] .* CUDA object \S+/(\w+\.cu)\.o$", re.MULTILINE)
SHOWN = 90  # the architecture of the page's table
ENTRY = re.compile(r"Compiling entry function '(\S+)' for 'sm_(\d+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
INCLUDE = re.compile(r'^#include "(\S+)"', re.MULTILINE)
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def nvcc() -> str:
    """The compiler; ends the program without one."""
    return shutil.which("nvcc") or sys.exit("nvcc is not on the PATH")


def sources() -> list[Path]:
    """The kernels and the headers that they include, from their folder or the one above."""
    found = sorted(KERNELS.glob("*.cu"))
    for path in found:  # it grows on the way
        for name in INCLUDE.findall(path.read_text()):
            for header in (KERNELS / name, KERNELS.parent / name):
                if header.exists() and header not in found:
                    found.append(header)
    return found


def digest() -> str:
    """A hash of all that the kernels are compiled from."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources())).hexdigest()


def compile_library(folder: Path, architecture: int | None) -> dict[str, str]:
    """What ptxas says of each file."""
    options = {
        "Python_EXECUTABLE": sys.executable,
        "MDBENCH_CUDA": "ON",
        "MDBENCH_TORCH": "OFF",
        "MDBENCH_PYTHON": "OFF",
        "CMAKE_CUDA_FLAGS": FLAGS,
    }
    if architecture:
        options["MDBENCH_CUDA_ARCHITECTURES"] = f"{architecture}-real"
    configure = ["cmake", "-G", "Ninja", "-S", str(ROOT), "-B", str(folder)]
    configure += [f"-D{name}={value}" for name, value in options.items()]
    build = ["cmake", "--build", str(folder), "--target", "mdbench_native_cuda"]
    said = ""
    for command in (configure, build):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed\n{said}")
    parts = re.split(r"^(?=\[\d+/\d+\] )", said, flags=re.MULTILINE)
    return {found[1]: part for part in parts if (found := COMPILED.search(part))}


def demangled(names: list[str]) -> list[str]:
    """Names of kernels with their template arguments, without namespaces and parameters."""
    done = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    )
    short = []
    for line in done.stdout.splitlines():
        name = line.replace("(anonymous namespace)::", "").replace("mdbench::cuda::", "")
        short.append(re.sub(r"\((?!int\)|bool\)).*", "", name.removeprefix("void ")))
    return short


def rows_of(source: str, report: str) -> list[dict[str, Any]]:
    """A row for each kernel and architecture."""
    parts = ENTRY.split(report)[1:]
    found = [parts[i : i + 3] for i in range(0, len(parts), 3)]
    names = demangled([name for name, _, _ in found])
    rows = []
    for name, (_, architecture, text) in zip(names, found, strict=True):
        spills, used, shared = SPILLS.findall(text), USED.search(text), SHARED.search(text)
        if not spills or not used:
            sys.exit(f"{source}: cannot read what ptxas says of {name}: {text}")
        rows.append(
            {
                "file": source,
                "kernel": name,
                "architecture": int(architecture),
                "registers": int(used[1]),
                "shared_bytes": int(shared[1]) if shared else 0,
                "stack_bytes": max(int(stack) for stack, _, _ in spills),
                "spilled_bytes": sum(int(store) + int(load) for _, store, load in spills),
            }
        )
    return rows


def measure(folder: Path, architecture: int | None) -> list[dict[str, Any]]:
    """Rows of all kernels."""
    reports = compile_library(folder, architecture)
    rows = [row for file, report in reports.items() for row in rows_of(file, report)]
    return sorted(rows, key=lambda r: (r["file"], r["kernel"], r["architecture"]))


def table(result: dict[str, Any]) -> str:
    """The page's table: the largest figures of each kernel over its template arguments."""
    lines = [
        (
            f"| kernel (sm_{SHOWN}) | variants | registers, float | double | shared memory, B "
            "| spilled, float, B | double |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    of_kernel: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        if row["architecture"] == SHOWN:
            name = f"{row['file']}: {row['kernel'].split('<')[0]}"
            of_kernel.setdefault(name, []).append(row)
    for name, rows in of_kernel.items():
        doubles = [r for r in rows if "double" in r["kernel"] and "float" not in r["kernel"]]
        floats = [r for r in rows if r not in doubles]

        def most(key: str, rows: list[dict[str, Any]]) -> str:
            return str(max((r[key] for r in rows), default="-"))

        lines.append(
            f"| `{name}` | {len(rows)} | {most('registers', floats)} "
            f"| {most('registers', doubles)} | {most('shared_bytes', rows)} "
            f"| {most('spilled_bytes', floats)} | {most('spilled_bytes', doubles)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Compile and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, help="folder to build in; default: a temporary one")
    parser.add_argument("--architecture", type=int, help="this one alone, e.g. 90")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.architecture and options.output == RESULT:
        parser.error("the record is of all architectures: --output FILE for that of one")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options.build or Path(folder), options.architecture)
    version = subprocess.run([nvcc(), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"release [\d.]+, V([\d.]+)", version.stdout)
    result = {"nvcc": found[1] if found else "", "sources": digest(), "rows": rows}
    if options.output == RESULT:
        from plugin_vs_calculator import machine, replace_block

        result = {"machine": machine(), **result}
        replace_block(MARK, table(result), PAGE)
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
