"""Draw and summarise what inputs/graphene_water.in wrote.

Usage: python inputs/show_results.py PREFIX     writes PREFIX.png and PREFIX.summary
"""

import re
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt


def thermo_table(log: str) -> dict[str, np.ndarray]:
    """Columns of the last run's thermo output."""
    block = re.findall(r"^ *(Step .*?)\n(.*?)\nLoop time", log, re.DOTALL | re.MULTILINE)[-1]
    rows = [line.split() for line in block[1].splitlines() if re.match(r" *\d", line)]
    return dict(zip(block[0].split(), np.array(rows, dtype=float).T, strict=True))


def averaged(path: Path) -> np.ndarray:
    """Rows of a file of fix ave/time or ave/chunk that holds one (running) average."""
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    return np.array(lines[1:], dtype=float)


def main(prefix: Path) -> None:
    """Write the picture and the summary."""
    log = prefix.with_suffix(".log").read_text()
    thermo = thermo_table(log)
    rdf = averaged(prefix.with_suffix(".rdf"))
    profile = averaged(prefix.with_suffix(".profile"))
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    axes[0].plot(1000 * thermo["Time"], thermo["Temp"])
    axes[0].set(xlabel="time / fs", ylabel="temperature / K")
    for column, label in ((2, "O-O"), (4, "O-H"), (6, "C-O")):
        axes[1].plot(rdf[:, 1], rdf[:, column], label=label)
    axes[1].set(xlabel="r / Å", ylabel="g(r), cell average", xlim=(1.5, 6), ylim=(0, 5))
    axes[1].legend(frameon=False)
    axes[2].plot(profile[:, 1], 1000 * profile[:, 3])
    axes[2].set(xlabel="z / Å", ylabel="oxygen atoms / nm$^3$")
    figure.savefig(prefix.with_suffix(".png"), dpi=110)

    speed = re.findall(r"Performance: +([\d.]+) ns/day", log)[-1]
    step = re.findall(r"^total +\|.*\| +([\d.]+) \|", log, re.MULTILINE)[-1]
    files = ", ".join(sorted(p.name for p in prefix.parent.glob(prefix.name + ".*")))
    prefix.with_suffix(".summary").write_text(
        f"{thermo['Step'][-1]:.0f} steps, mean temperature {thermo['Temp'].mean():.0f} K, "
        f"{step} ms a step, {speed} ns/day\n"
        f"files: {files}\npicture: {prefix.with_suffix('.png')}\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
