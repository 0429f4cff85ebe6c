"""Rows of the result from what processes found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from mdbench.scaling.results import Measurement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mdbench.scaling.plan import Cell
    from mdbench.scaling.results import Status
    from mdbench.scaling.variants import Settings, Variant
    from mdbench.scaling.worker import Outcome

NOISY = 0.05
"""Interquartile range over median that is worth a warning."""


def unavailable(variant: Variant, settings: Settings, reason: str) -> Measurement:
    """A variant that cannot run here at any size."""
    return Measurement(
        variant=variant.name,
        device=settings.device,
        precision=settings.precision,
        threads=settings.threads,
        ranks=settings.ranks,
        status="unavailable",
        atoms=None,
        reason=reason,
    )


def measurement(cell: Cell, found: list[Outcome]) -> Measurement:
    """The row of a cell: the timed runs of all its processes, in their order.

    A process that was not timed decides: half a measurement is none, unless time ran out.

    Args:
        cell: Which.
        found: Of its rounds; at least one.
    """
    timed = [o for o in found if o.status == "timed"]
    bad = [o for o in found if o.status not in {"timed", "skipped"}]
    skipped = [o for o in found if o.status == "skipped"]
    decides = bad[0] if bad else timed[0] if timed else skipped[0]
    is_timed = decides.status == "timed"
    row = Measurement(
        variant=cell.variant.name,
        device=cell.settings.device,
        precision=cell.settings.precision,
        threads=cell.settings.threads,
        ranks=cell.settings.ranks,
        status=cast("Status", decides.status),
        atoms=cell.size.atoms,
        supercell=cell.size.name,
        reason=decides.reason,
        kernel=decides.kernel,
        steps=decides.steps if is_timed else None,
        loop_s=tuple(s for o in timed for s in o.loop_s) if is_timed else (),
        processes=tuple(len(o.loop_s) for o in timed) if is_timed else (),
        setup_s=decides.setup_s,
        edges=decides.edges,
        neighbours_per_atom=decides.edges / cell.size.atoms if decides.edges else None,
        shares=decides.shares,
        rss_mib=_most(o.rss_mib for o in found),
        gpu_mib=_most(o.gpu_mib for o in found),
        energy_error_ev_atom=_most(o.energy_error_ev_atom for o in found),
        force_error_ev_ang=_most(o.force_error_ev_ang for o in found),
        warnings=tuple(dict.fromkeys(w for o in found for w in o.warnings)),
    )
    return _with_warnings(row, [o.reason for o in skipped] if is_timed else [])


def _most(values: Iterable[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)


def _with_warnings(row: Measurement, reasons: list[str]) -> Measurement:
    more = [f"fewer rounds than planned: {reason}" for reason in reasons[:1]]
    if row.status == "timed" and row.relative_iqr > NOISY:
        more.append(
            f"noisy: the interquartile range is {100 * row.relative_iqr:.0f} % of the median"
        )
    return replace(row, warnings=(*row.warnings, *more)) if more else row
