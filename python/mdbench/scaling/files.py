"""What a scaling run leaves: result.json, result.csv, the figure, the page."""

from __future__ import annotations

import base64
import csv
from typing import TYPE_CHECKING, Any

from mdbench.errors import OutputError
from mdbench.scaling.fits import with_fits
from mdbench.scaling.page import render_page
from mdbench.scaling.result_file import write_result

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.scaling.results import Measurement, Result

JSON, CSV, PAGE, FIGURE = "result.json", "result.csv", "scaling.html", "scaling"
_SETTINGS = ("variant", "device", "precision", "threads", "ranks", "atoms", "supercell", "status")
_TIMES = ("ms_per_step", "first_quartile_ms", "third_quartile_ms", "s_10000_steps", "ns_day",
          "us_atom_step", "runs", "steps")  # fmt: skip
_MORE = ("setup_s", "edges", "neighbours_per_atom", "rss_mib", "gpu_mib", "energy_error_ev_atom",
         "force_error_ev_ang", "kernel", "reason")  # fmt: skip


def write_files(result: Result, folder: Path) -> list[Path]:
    """Fit a result and write all its files; older ones of the same names are replaced.

    Raises:
        OutputError: where the folder cannot be written.
    """
    fitted = with_fits(result)
    paths = [folder / name for name in (JSON, CSV, PAGE, f"{FIGURE}.png", f"{FIGURE}.svg")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_result(fitted, paths[0])
        _write_csv(fitted, paths[1])
        figure = _draw(fitted, folder)
        paths[2].write_text(render_page(fitted, figure), encoding="utf-8")
        if figure is None:  # those of an earlier run would lie
            for path in paths[3:]:
                path.unlink(missing_ok=True)
    except OSError as problem:
        raise OutputError(f"{folder}: {problem.strerror or problem}") from None
    return paths if figure else paths[:3]


def _draw(result: Result, folder: Path) -> dict[str, Any] | None:
    """Write the figure; what the page needs of it."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only figures pay

    from mdbench.plots.style import STYLE, save  # noqa: PLC0415
    from mdbench.scaling.figure import scaling_plot  # noqa: PLC0415

    with mpl.rc_context(STYLE):
        plot = scaling_plot(result)
        if plot is None:
            return None
        save(plot.figure, folder / FIGURE)
    image = base64.b64encode((folder / f"{FIGURE}.svg").read_bytes()).decode("ascii")
    named = {"name": FIGURE, "title": plot.title, "caption": plot.caption, "alt": plot.alt}
    return {**named, "image": image}


def _write_csv(result: Result, path: Path) -> None:
    """Every row, timed or not."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_SETTINGS, *_TIMES, *_MORE])
        for row in result.measurements:
            settings = [getattr(row, name) for name in _SETTINGS]
            times = _times(row, result.protocol.timestep_fs)
            cells = [*settings, *times, *(getattr(row, name) for name in _MORE)]
            writer.writerow([f"{c:.8g}" if isinstance(c, float) else c for c in cells])


def _times(row: Measurement, timestep_fs: float) -> list[object]:
    """The columns of times; empty where there are none."""
    if row.status != "timed":
        return [None] * len(_TIMES)
    speed = row.ns_per_day(timestep_fs)
    times = [row.median_ms, *row.quartiles_ms, row.seconds_10k, speed, row.us_per_atom]
    return [*times, len(row.loop_s), row.steps]
