"""Profile the kernels of a step with Nsight Compute (ncu), and show where each one's limit is.

Usage: python benchmarks/gpu_session_profile.py MODEL.mace [--sizes 2976 24000] [--precision single]

Starts cuda_kernels.py under ncu and looks at the kernels of one step, after the search and the
steps that warm up. Percentages are of what the GPU sustains.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SEARCH_KERNELS, STEP_KERNELS = 14, 24
SECTIONS = ["SpeedOfLight", "SpeedOfLight_RooflineChart", "ComputeWorkloadAnalysis",
            "MemoryWorkloadAnalysis", "SchedulerStats", "WarpStateStats", "Occupancy",
            "LaunchStats"]  # fmt: skip
COLUMNS = {
    "ms": r"gpu__time_duration\.sum",
    "issue %": r"sm__inst_issued\.avg\.pct_of_peak_sustained_active",
    "FMA %": r"sm__(?:inst_executed_)?pipe_fma\w*\.avg\.pct_of_peak_sustained_active",
    "DRAM %": r"(?:gpu__)?dram__?throughput\.avg\.pct_of_peak_sustained_elapsed",
    "L2 %": r"lts__throughput\.avg\.pct_of_peak_sustained_elapsed",
    "L1 %": r"l1tex__throughput\.avg\.pct_of_peak_sustained_active",
    "L2 hits %": r"lts__t_sector_hit_rate\.pct",
    "L1 hits %": r"l1tex__t_sector_hit_rate\.pct",
    "warps %": r"sm__warps_active\.avg\.pct_of_peak_sustained_active",
    "registers": r"launch__registers_per_thread",
}
MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6, "second": 1e3, "msecond": 1.0, "usecond": 1e-3,
      "nsecond": 1e-6}  # fmt: skip


def number(text: str) -> float:
    """A figure as ncu prints it; not-a-number where there is none."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return float("nan")


def kernels_of(text: str) -> list[dict[str, Any]]:
    """Kernels with the columns above and all figures, from ncu's raw page in CSV."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    if len(lines) < 3:  # names, units, and a kernel
        return []
    names, units, *rows = csv.reader(lines)
    found = []
    for row in rows:
        figures = {n: number(v) for n, v in zip(names, row, strict=False) if n and v}
        kernel: dict[str, Any] = {"kernel": row[names.index("Kernel Name")]}
        for title, pattern in COLUMNS.items():
            places = [i for i, name in enumerate(names) if re.fullmatch(pattern, name)]
            values = [number(row[i]) for i in places if i < len(row)]
            kernel[title] = max(values, default=float("nan"))
            if title == "ms" and places:
                kernel[title] *= MS.get(units[places[0]], 1.0)
        kernel["figures"] = {n: v for n, v in figures.items() if v == v}  # noqa: PLR0124 - NaN
        found.append(kernel)
    return found


def profile(options: argparse.Namespace, size: int, log: Path) -> list[dict[str, Any]]:
    """Kernels of a step of a size."""
    command = ["ncu", "--clock-control", "none", "--csv", "--page", "raw", "--log-file", str(log)]
    command += ["--launch-skip", str(SEARCH_KERNELS + 2 * STEP_KERNELS)]
    command += ["--launch-count", str(STEP_KERNELS)]
    for section in SECTIONS:
        command += ["--section", section]
    command += [sys.executable, str(Path(__file__).with_name("cuda_kernels.py")), options.model]
    command += ["--sizes", str(size), "--one", "--steps", "1", "--precision", options.precision]
    environment = {**os.environ, "MDBENCH_CUDA_PROFILE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    text = log.read_text() if log.exists() else ""
    if done.returncode or not kernels_of(text):
        said = "\n".join(part[-2000:] for part in (text, done.stdout, done.stderr))
        print(f"ncu ended with {done.returncode}\n{said}")
    return kernels_of(text)


def show(size: int, kernels: list[dict[str, Any]]) -> None:
    """A table for the terminal, the longest first."""
    total = sum(k["ms"] for k in kernels)
    print(f"{size} atoms: {len(kernels)} kernels, {total:.3f} ms by ncu")
    print(" ".join(f"{title:>9}" for title in COLUMNS), " kernel")
    for kernel in sorted(kernels, key=lambda k: -k["ms"]):
        name = re.sub(r"void |mdbench::cuda::|\(anonymous namespace\)::|<unnamed>::", "",
                      kernel["kernel"])  # fmt: skip
        print(" ".join(f"{kernel[title]:9.3g}" for title in COLUMNS), "", name[:70])


def main() -> None:
    """Profile the sizes; show, and write after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2976, 24000])
    parser.add_argument("--precision", default="single")
    parser.add_argument("--output", type=Path, default=Path("profile.json"))
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            found[str(size)] = profile(options, size, Path(folder) / "ncu.csv")
            show(size, found[str(size)])
            options.output.write_text(json.dumps(found, indent=1) + "\n")
    if not all(found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
