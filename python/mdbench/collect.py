"""What to analyse in a folder: the runs of a campaign, one run, or what a plain lmp wrote."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mdbench.analyze import analyze
from mdbench.campaign import DEFAULT_NAME, RUNS
from mdbench.output.plain_run import Hints
from mdbench.output.run_data import list_runs, open_run
from mdbench.results import write_analysis
from mdbench.run_folder import MANIFEST, STATE, read_json
from mdbench.spec import Analysis
from mdbench.spec_file import load_spec

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FILE", "FOLDER", "Hints", "analysis_of", "analyze_folder", "home_of"]
FOLDER = "analysis"
FILE = "analysis.json"


def home_of(path: Path) -> Path:
    """The folder that the analysis of something belongs in."""
    return path.parent if path.is_file() else path


def analyze_folder(path: Path, hints: Hints | None = None) -> dict[str, Any]:
    """Analyse a campaign, a run folder, or the log or folder of a plain run, and write it.

    Args:
        path: Where the runs are.
        hints: For plain runs.

    Returns:
        The contents of ``analysis/analysis.json`` in the folder.

    Raises:
        MdbenchError: when there is nothing to analyse, or it cannot be read.
    """
    if any((path / name).exists() for name in (RUNS, MANIFEST)):
        runs = [open_run(p) for p in list_runs(path)]
    else:
        runs = [open_run(path, **asdict(hints or Hints()))]
    name, settings = path.resolve().stem, Analysis()
    if (path / DEFAULT_NAME).is_file():
        spec = load_spec(path / DEFAULT_NAME).spec
        name, settings = spec.name, spec.analysis
    elif (path / MANIFEST).is_file():
        manifest = read_json(path / MANIFEST)
        name, settings = manifest["name"], Analysis.model_validate(manifest["spec"]["analysis"])
    analysis = analyze(name, runs, settings)
    write_analysis(analysis, home_of(path) / FOLDER)
    return analysis


def analysis_of(path: Path) -> dict[str, Any]:
    """The analysis of a folder: as it is on disk, or anew when a run is newer.

    Args:
        path: Campaign, run folder, plain output, or an ``analysis.json``.

    Raises:
        MdbenchError: when there is nothing to analyse.
    """
    if path.name == FILE:
        return read_json(path)
    file = home_of(path) / FOLDER / FILE
    if not file.is_file():
        return analyze_folder(path)
    home = home_of(path)
    newer = [p for p in (home / DEFAULT_NAME, *home.rglob(STATE)) if p.is_file()]
    newer += [p for p in home.glob("*.log") if p.is_file()]
    if any(p.stat().st_mtime > file.stat().st_mtime for p in newer):
        return analyze_folder(path)
    return read_json(file)
