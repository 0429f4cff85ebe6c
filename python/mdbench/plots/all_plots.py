"""All figures of a report, one after another."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mdbench.plots.combined import combined_plots
from mdbench.plots.grouping import comparable
from mdbench.plots.motion import msd_plot, vacf_plot
from mdbench.plots.profile import profile_plot
from mdbench.plots.rdf import rdf_plot
from mdbench.plots.series import temperature_text
from mdbench.plots.thermo import thermo_plot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mdbench.plots.references import Reference
    from mdbench.plots.series import Json, Series
    from mdbench.plots.style import Plot


def all_plots(
    series: list[Series], analyses: list[tuple[str, Json]], references: list[Reference]
) -> Iterator[Plot]:
    """Figures in the order of the page; each is made when it is asked for."""
    groups = comparable(series)
    found: list[Callable[[list[Series], str], Plot | None]] = [
        partial(profile_plot, references=references),
        partial(rdf_plot, references=references),
        partial(msd_plot, references=references),
    ]
    yield from _each(found, groups)
    yield from combined_plots(analyses, references)
    yield from _each([vacf_plot, thermo_plot], groups)


def _each(
    makers: list[Callable[[list[Series], str], Plot | None]],
    groups: list[tuple[str, list[Series]]],
) -> Iterator[Plot]:
    """What each maker finds in each group; figures of one temperature are titled with it."""
    for maker in makers:
        for ending, group in groups:
            if (plot := maker(group, ending)) is not None:
                where = temperature_text(group[0].temperature_k) or "temperature unknown"
                yield replace(plot, title=f"{plot.title}, {where}") if ending else plot
