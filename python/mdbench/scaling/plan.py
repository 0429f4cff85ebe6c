"""What a scaling run is asked to do, and the list of what follows from it."""

from __future__ import annotations

import hashlib
import itertools
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdbench.programs import plugins
from mdbench.run_folder import sha256_of
from mdbench.scaling.cases import Size, size_near
from mdbench.scaling.variants import Settings, Variant, reason_against
from mdbench.scaling.worker import pinned

if TYPE_CHECKING:
    from ase import Atoms

    from mdbench.scaling.models import Forms
    from mdbench.scaling.results import Machine
    from mdbench.scaling.script import Timing


@dataclass(frozen=True)
class Request:
    """A scaling run."""

    system: str
    sizes: tuple[int, ...]
    """Wanted numbers of atoms; of a rank, if ``is_weak``."""
    variants: tuple[Variant, ...]
    settings: tuple[Settings, ...]
    timing: Timing
    rounds: int
    """Fresh processes for each variant, size and setting."""
    output: Path
    model: Path | None = None
    random_weights: str = ""
    is_weak: bool = False
    is_quick: bool = False
    is_probe: bool = False
    """Growing sizes instead of ``sizes``, until memory or time ends."""
    time_limit_s: float | None = None
    memory_limit_mib: float | None = None
    command: str = ""

    @property
    def work(self) -> Path:
        """Folder of everything on the way to the result."""
        return self.output / "work"


@dataclass(frozen=True)
class Cell:
    """A variant at a size."""

    variant: Variant
    settings: Settings
    size: Size

    @property
    def series(self) -> str:
        """All but the size, as in names of files."""
        s = self.settings
        device = s.device.replace(":", "")
        return f"{self.variant.name}-{device}-{s.precision}-{s.threads}t-{s.ranks}r"

    @property
    def key(self) -> str:
        """Name of its files."""
        return f"{self.series}-{self.size.atoms}"

    def __str__(self) -> str:
        """For progress lines."""
        s = self.settings
        text = f"{self.variant.name}, {self.size.atoms} atoms, {s.device} {s.precision}"
        return f"{text}, {s.ranks} x {s.threads}" if s.ranks > 1 else f"{text}, {s.threads} threads"


@dataclass(frozen=True)
class Plan:
    """Cells by size, ascending; and what cannot run, with the reason."""

    groups: tuple[tuple[Cell, ...], ...]
    unavailable: tuple[tuple[Variant, Settings, str], ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All of them."""
        return tuple(itertools.chain.from_iterable(self.groups))


def make_plan(request: Request, base: Atoms, forms: Forms) -> Plan:
    """Every variant with all settings at all sizes, those that cannot run set apart."""
    running, unavailable = [], []
    for variant, settings in itertools.product(request.variants, request.settings):
        reason = reason_against(variant, settings) or forms.reasons.get(variant.file, "")
        if reason:
            unavailable.append((variant, settings, reason))
        else:
            running.append((variant, settings))
    groups: dict[int, dict[str, Cell]] = {}
    for wanted, (variant, settings) in itertools.product(request.sizes, running):
        copies = settings.ranks if request.is_weak else 1
        size = size_near(request.system, len(base), wanted * copies)
        cell = Cell(variant, settings, size)
        groups.setdefault(size.atoms, {})[cell.key] = cell
    ordered = tuple(tuple(groups[atoms].values()) for atoms in sorted(groups))
    return Plan(ordered, tuple(unavailable))


def in_turn(group: tuple[Cell, ...], round_: int) -> tuple[Cell, ...]:
    """The cells of a size in the order of a round: no variant always follows the same other."""
    ordered = group if round_ % 2 == 0 else group[::-1]
    first = (round_ // 2) % max(1, len(group))
    return ordered[first:] + ordered[:first]


def identity(request: Request, base: Atoms, forms: Forms, machine: Machine) -> dict[str, Any]:
    """What must be the same for finished cells to count: request, model, machine, programs."""
    libraries = sorted(plugins().glob("mdbench*.so"))
    code = "".join(sha256_of(p) for p in sorted(Path(__file__).parents[1].rglob("*.py")))
    ours = {k: v for k, v in sorted(os.environ.items()) if k.startswith("MDBENCH_")}
    return {
        "system": request.system,
        "structure": hashlib.sha256(base.positions.tobytes()).hexdigest(),
        "sizes": list(request.sizes),
        "weak": request.is_weak,
        "probe": request.is_probe,
        "variants": [[v.name, list(v.commands)] for v in request.variants],
        "settings": [asdict(s) for s in request.settings],
        "timing": asdict(request.timing),
        "rounds": request.rounds,
        "model": forms.identity,
        "environment": {**pinned(request.settings[0]), **ours},
        "machine": [machine.cpu, machine.cores, *machine.gpus, machine.driver],
        "code": hashlib.sha256(code.encode()).hexdigest(),
        "libraries": {p.name: sha256_of(p) for p in libraries},
        "versions": machine.versions,
    }
