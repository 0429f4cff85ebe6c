"""What a check found, as data and as lines to print."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mdbench.check.cost import Cost
    from mdbench.check.geometry import Geometry


@dataclass(frozen=True)
class Problem:
    """Something wrong: an error keeps a run from starting, a warning does not."""

    level: Literal["error", "warning"]
    field: str
    """Of the specification, as written there: ``run.timestep``."""
    text: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.level}: {self.field}: {self.text}"


@dataclass(frozen=True)
class CheckReport:
    """All that is known about a run before it starts."""

    problems: tuple[Problem, ...]
    geometry: Geometry
    cost: Cost | None
    """``None`` where nothing could be timed."""
    disk_bytes: int
    """All runs of the specification."""
    num_fixed: int = 0
    """Atoms that ``ensemble.fixed`` holds."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps the run from starting."""
        return tuple(p for p in self.problems if p.level == "error")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [*self.geometry.lines()]
        if self.num_fixed:
            lines.append(f"fixed         {self.num_fixed} atoms")
        if self.cost:
            lines += self.cost.lines()
        lines.append(f"disk          about {readable_bytes(self.disk_bytes)}")
        lines += [str(problem) for problem in self.problems]
        return lines


def readable_bytes(count: float) -> str:
    """A number of bytes with a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - decimal units
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def readable_time(seconds: float) -> str:
    """A duration with a unit."""
    for unit, length, many in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 72)):
        if seconds < length * many:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 86400:.3g} days"
