"""The page of a scaling run: tables, figure, fits, provenance, in one file that loads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdbench import __version__
from mdbench.report.template import template
from mdbench.scaling.grids import (
    fit_grid,
    parallel_grid,
    published_grids,
    sentences,
    speed_up_grid,
    time_grids,
)
from mdbench.scaling.labels import number, with_percent
from mdbench.scaling.results import SECTIONS
from mdbench.scaling.text import heading, warnings

if TYPE_CHECKING:
    from mdbench.scaling.results import Measurement, Result

_FILES = Path(__file__).parent / "page_files"
_COLUMNS = (
    "variant",
    "settings",
    "atoms",
    "status",
    "kernel",
    "ms/step",
    "IQR",
    "runs x steps",
    "set-up, s",
    "neighbours",
    f"{' '.join(SECTIONS)}, %",
    "RSS, MiB",
    "GPU, MiB",
    "energy error, eV/atom",
    "force error, eV/A",
)


def render_page(result: Result, figure: dict[str, Any] | None) -> str:
    """The page.

    Args:
        result: With its fits.
        figure: Name, title, caption, alternative text and the SVG in base64; None without times.
    """
    what, how = heading(result)
    times = time_grids(result)
    speed_up = speed_up_grid(result, with_percent)
    return template("scaling.html.j2", _FILES).render(
        title=result.system.name,
        subtitle=f"{what.split(', ', 1)[1]} · {how}",
        version=__version__,
        times=[*times[:1], *([speed_up] if speed_up else []), *times[1:]],
        warnings=warnings(result),
        figure=figure,
        fits=fit_grid(result),
        method=f"Method: {result.fits.method}." if result.fits else "",
        parallel=parallel_grid(result),
        sentences=sentences(result),
        probes=result.probes,
        published=published_grids(result),
        columns=_COLUMNS,
        rows=[_row(m) for m in result.measurements],
        provenance=_provenance(result),
    )


def _row(row: Measurement) -> list[str]:
    """One row of the large table."""
    timed = row.status == "timed"
    shares = [f"{row.shares.get(name, 0.0):.1f}" for name in SECTIONS] if row.shares else []
    return [
        row.variant,
        row.series.settings,
        str(row.atoms or "all"),
        row.status if timed else f"{row.status}: {row.reason}",
        row.kernel,
        number(row.median_ms) if timed else "",
        f"{row.relative_iqr:.1%}" if timed else "",
        f"{len(row.loop_s)} x {row.steps}" if timed else "",
        *("" if v is None else number(v) for v in (row.setup_s, row.neighbours_per_atom)),
        " ".join(shares),
        *("" if v is None else f"{v:.0f}" for v in (row.rss_mib, row.gpu_mib)),
        *("" if v is None else f"{v:.1e}" for v in (row.energy_error_ev_atom,)),
        *("" if v is None else f"{v:.1e}" for v in (row.force_error_ev_ang,)),
    ]


def _provenance(result: Result) -> list[tuple[str, str]]:
    """What a repetition needs."""
    machine, protocol, model = result.machine, result.protocol, result.system.model
    steps = "chosen for each size" if protocol.steps is None else str(protocol.steps)
    state = (
        f"{protocol.ensemble}, {protocol.temperature_k:g} K, {protocol.timestep_fs:g} fs, "
        f"skin {protocol.skin_ang:g} A, seed {protocol.seed}"
    )
    runs = f"{protocol.repeats} timed after {protocol.warmup_steps} steps; steps: {steps}; {state}"
    clocks = [machine.gpu_clocks, f"CPU {machine.cpu_mhz:.0f} MHz" if machine.cpu_mhz else ""]
    governor = f"{machine.governor} governor" if machine.governor else ""
    rows = [
        ("Written", result.created),
        ("Command", result.command),
        ("Machine", f"{machine}, {machine.memory_gib:g} GiB, {machine.system}".rstrip(", ")),
        ("Driver, clocks", ", ".join(t for t in (machine.driver, *clocks, governor) if t)),
        ("Load before", "" if machine.load is None else f"{machine.load:.2f}"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in machine.versions.items())),
        ("Commit", machine.commit),
        ("Environment", " ".join(f"{k}={v}" for k, v in protocol.environment.items())),
        ("System", f"{result.system.name}, supercells of {result.system.base_cell}"),
        ("Model", f"{model.file}, {model.architecture}, r_max {model.r_max_ang:g} A"),
        ("Model SHA-256", model.sha256),
        ("Runs", runs),
        ("Reference", protocol.reference),
    ]
    return [(name, text) for name, text in rows if text]
