"""Compile the CUDA kernels and tell the registers, shared memory and spills of each.

Usage: python benchmarks/cuda_resources.py [--architectures 80 90 100] [--output FILE]

Needs nvcc, no GPU. Every warning is an error; the last architecture is also compiled to PTX, as
the library has it. Writes benchmarks/results/cuda_resources.json and the table beside the kernels.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks/results/cuda_resources.json"
MARK = "cuda_resources"
PAGE = ROOT / "plugin/kernels/cuda/README.md"
KERNELS = sorted((ROOT / "plugin/kernels/cuda").glob("*.cu"))
# of a template's members that device code alone uses, the host's pass knows no use
OPTIONS = ["-std=c++20", "-O3", "-Werror", "all-warnings", "-diag-suppress=177", "-Xptxas", "-v"]
INCLUDE = ["kernels", "kernels/cuda", "evaluator"]
SHOWN = 90  # the architecture of the page's table
ENTRY = re.compile(r"Compiling entry function '(\S+)' for 'sm_(\d+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def nvcc() -> str:
    """The compiler; ends the program without one."""
    return shutil.which("nvcc") or sys.exit("nvcc is not on the PATH")


def report(source: Path, architectures: list[int]) -> str:
    """What ptxas says of a file."""
    targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in architectures]
    last = architectures[-1]
    targets.append(f"-gencode=arch=compute_{last},code=compute_{last}")
    with tempfile.TemporaryDirectory() as folder:
        command = [nvcc(), *OPTIONS, *targets, "-c", str(source), "-o", f"{folder}/kernel.o"]
        command += [f"-I{ROOT / 'plugin' / name}" for name in INCLUDE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{source.name}: nvcc failed\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


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


def rows_of(source: Path, architectures: list[int]) -> list[dict[str, Any]]:
    """A row for each kernel and architecture."""
    parts = ENTRY.split(report(source, architectures))[1:]
    found = [parts[i : i + 3] for i in range(0, len(parts), 3)]
    names = demangled([name for name, _, _ in found])
    rows = []
    for name, (_, architecture, text) in zip(names, found, strict=True):
        spills, used, shared = SPILLS.findall(text), USED.search(text), SHARED.search(text)
        if not spills or not used:
            sys.exit(f"{source.name}: cannot read what ptxas says of {name}: {text}")
        rows.append(
            {
                "file": source.name,
                "kernel": name,
                "architecture": int(architecture),
                "registers": int(used[1]),
                "shared_bytes": int(shared[1]) if shared else 0,
                "stack_bytes": max(int(stack) for stack, _, _ in spills),
                "spilled_bytes": sum(int(store) + int(load) for _, store, load in spills),
            }
        )
    return rows


def measure(architectures: list[int]) -> list[dict[str, Any]]:
    """Rows of all kernels, files compiled side by side."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        of_files = pool.map(lambda source: rows_of(source, architectures), KERNELS)
        rows = [row for rows in of_files for row in rows]
    return sorted(rows, key=lambda r: (r["file"], r["kernel"], r["architecture"]))


def table(result: dict[str, Any]) -> str:
    """The page's table: the largest figures of each kernel over its template arguments."""
    compiled = {r["architecture"] for r in result["rows"]}
    shown = SHOWN if SHOWN in compiled else max(compiled)
    lines = [
        (
            f"| kernel (sm_{shown}) | variants | registers, float | double | shared memory, B "
            "| spilled, float, B | double |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    of_kernel: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        if row["architecture"] == shown:
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
    parser.add_argument("--architectures", type=int, nargs="+", default=[80, 90, 100])
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    rows = measure(options.architectures)
    version = subprocess.run([nvcc(), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"release [\d.]+, V([\d.]+)", version.stdout)
    result = {"nvcc": found[1] if found else "", "rows": rows}
    if options.output == RESULT:
        from plugin_vs_calculator import machine, replace_block

        result = {"machine": machine(), **result}
        replace_block(MARK, table(result), PAGE)
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
