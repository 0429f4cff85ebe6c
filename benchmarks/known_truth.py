"""The bundled model against the force field that it learned: one specification, run with each.

    python benchmarks/known_truth.py         45 minutes on 2 cores; runs that are there go on

Runs benchmarks/known_truth/{reference,bundled}/run.toml side by side, compares them in one report
and writes benchmarks/results/known_truth/ and the table in README.md.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from plugin_vs_calculator import replace_block

from mdbench.plots.rounding import with_unit

FOLDER = Path(__file__).parent / "known_truth"
RESULT = Path(__file__).parent / "results/known_truth/summary.json"
CASES = {"reference": "force field", "bundled": "MACE model"}
SHOWN = (
    "Interfacial distance",
    "Density profile",
    "O-O first RDF peak",
    "O-O coordination number",
    "O-O RDF",
    "O diffusion coefficient",
    "H diffusion coefficient",
    "O in-plane (xy) diffusion coefficient",
    "H in-plane (xy) diffusion coefficient",
    "Temperature",
    "Pressure",
)

REMARKED = ("molecules reacted", "production starts")


def run(*arguments: str | Path) -> None:
    """A verb of mdbench."""
    subprocess.run([sys.executable, "-m", "mdbench", *map(str, arguments)], check=True)


def table(summary: dict) -> str:
    """The README's table."""
    lines = ["| quantity | force field | MACE model | verdict |", "|---|---|---|---|"]
    for row in summary["agreement"]:
        if row["quantity"] in SHOWN:
            cells = [with_unit(v["value"], v["error"], v["unit"]) for v in row["values"]]
            cells = cells or ["", ""]
            lines.append(f"| {row['quantity']} | {' | '.join(cells)} | {row['verdict']} |")
    note = (
        "372 atoms, 298 K, 150 ps after 10 ps, one specification "
        "([benchmarks/known_truth](benchmarks/known_truth)); one standard error."
    )
    remarks = [
        f"The report remarks of the {' and the '.join(r['series'])}: {r['text']}."
        for r in summary["remarks"]
        if r["text"].startswith(REMARKED)
    ]
    return "\n".join([*lines, "", note, *remarks])


def main() -> None:
    """Run, compare, write."""
    jobs = [
        subprocess.Popen([sys.executable, "-m", "mdbench", "run", FOLDER / case, "--resume"])
        for case in CASES
    ]
    if any(job.wait() for job in jobs):
        sys.exit("a run failed")
    report = FOLDER / "report"
    labels = [word for label in CASES.values() for word in ("--label", label)]
    run("report", *(FOLDER / case for case in CASES), *labels, "-o", report)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    for name in ("summary.json", "density_profile.png"):
        shutil.copy(report / name, RESULT.parent / name)
    replace_block("known_truth", table(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
