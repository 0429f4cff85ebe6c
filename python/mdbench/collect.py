"""What to analyse in a folder: the runs of a campaign, one run, what plain lmp or RBMD wrote."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mdbench.analyze import analyze
from mdbench.campaign import DEFAULT_NAME, RUNS
from mdbench.errors import OutputError
from mdbench.output.rbmd_export import Export, read_export
from mdbench.output.run_data import Hints, list_exports, open_run, open_runs
from mdbench.results import write_analysis
from mdbench.run_folder import MANIFEST, STATE, read_json
from mdbench.spec import Ensemble
from mdbench.spec_analysis import Analysis
from mdbench.spec_file import load_spec

__all__ = ["FILE", "FOLDER", "Hints", "analysis_of", "analyze_folder", "home_of"]
FOLDER = "analysis"
FILE = "analysis.json"
_OF_RBMD = ("rbmd.trj", "*.rbmd", "thermo.txt", "*.json", "*.data")
_OUTPUTS = ("*.log", "log.*", *_OF_RBMD, "*/rbmd.trj", "*/*.rbmd", "*/export.json")
"""What an analysis is older than when it must be done anew."""


def home_of(path: Path) -> Path:
    """The folder that the analysis of something belongs in."""
    return path.parent if path.is_file() else path


def analyze_folder(path: Path, hints: Hints | None = None) -> dict[str, Any]:
    """Analyse a campaign, a run folder, a plain run or one of RBMD, and write it.

    Args:
        path: Where the runs are: of plain runs also the log, of RBMD the control file or the
            folder above several that ``mdbench export`` made.
        hints: For plain runs and RBMD.

    Returns:
        The contents of ``analysis/analysis.json`` in the folder.

    Raises:
        MdbenchError: when there is nothing to analyse, or it cannot be read.
    """
    exports, waiting = list_exports(path), list[str]()
    if any((path / name).exists() for name in (RUNS, MANIFEST)):
        runs, waiting = open_runs(path)
    elif exports:
        runs = [open_run(p) for p in exports]
    else:
        runs = [open_run(path, **asdict(hints or Hints()))]
    name, settings, temperatures_k = _specified(path, exports)
    analysis = analyze(name, runs, settings, temperatures_k)
    of_all = f"{len(waiting)} of {len(runs) + len(waiting)} runs"
    note = f"{of_all} hold no complete segment yet: {', '.join(waiting)}"
    analysis["notes"] = [note] if waiting else []
    of_log = runs[0].provenance.get("log") if len(runs) == 1 else None
    analysis["file"] = Path(of_log).name if of_log else None  # a folder may hold several logs
    write_analysis(analysis, home_of(path) / FOLDER)
    return analysis


def _specified(path: Path, exports: list[Path]) -> tuple[str, Analysis, tuple[float, ...]]:
    """Name, settings and temperatures, as far as a specification says them."""
    if (path / DEFAULT_NAME).is_file():
        spec = load_spec(path / DEFAULT_NAME).spec
        return spec.name, spec.analysis, spec.ensemble.temperature_k
    if (path / MANIFEST).is_file():
        manifest = read_json(path / MANIFEST)
        spec = manifest["spec"]
        temperatures_k = Ensemble.model_validate(spec["ensemble"]).temperature_k
        return manifest["name"], Analysis.model_validate(spec["analysis"]), temperatures_k
    if export := read_export(exports[0] if exports else home_of(path)):
        return f"{export.name} in RBMD", *_of_export(export, home_of(path))
    return path.resolve().stem, Analysis(), ()


def _of_export(export: Export, folder: Path) -> tuple[Analysis, tuple[float, ...]]:
    """Settings and temperatures of the specification that was exported."""
    section = "analysis"
    try:
        settings = Analysis.model_validate(export.analysis)
        section = "ensemble"
        return settings, Ensemble.model_validate(export.ensemble).temperature_k
    except ValidationError as problem:
        field = ".".join(str(k) for k in problem.errors()[0]["loc"])
        raise OutputError(
            f"'{folder}': its export.json is damaged: {section}.{field}: export again"
        ) from None


def analysis_of(path: Path) -> dict[str, Any]:
    """The analysis of a folder or file: as it is on disk, or anew when a run is newer.

    Args:
        path: Campaign, run folder, plain output, outputs of RBMD, or an ``analysis.json``.

    Raises:
        MdbenchError: when there is nothing to analyse.
    """
    if path.name == FILE:
        return read_json(path)
    file = home_of(path) / FOLDER / FILE
    if not file.is_file():
        return analyze_folder(path)
    home = home_of(path)
    newer = [p for p in (path, home / DEFAULT_NAME, *home.rglob(STATE)) if p.is_file()]
    newer += [p for pattern in _OUTPUTS for p in home.glob(pattern) if p.is_file()]
    if any(p.stat().st_mtime > file.stat().st_mtime for p in newer):
        return analyze_folder(path)
    known = read_json(file)
    is_of_another = path.is_file() and known.get("file", path.name) not in {None, path.name}
    return analyze_folder(path) if is_of_another else known
