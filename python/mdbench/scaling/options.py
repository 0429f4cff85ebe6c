"""From what the user typed to a request: everything that can be wrong is said in one line."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mdbench.errors import SettingError
from mdbench.programs import gpu_names
from mdbench.scaling.cases import DEFAULT_SIZES, SYSTEMS, size_near
from mdbench.scaling.machine import cores
from mdbench.scaling.models import RANDOM
from mdbench.scaling.plan import Request
from mdbench.scaling.script import Timing
from mdbench.scaling.variants import PRECISIONS, VARIANTS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

_STANDARD = Timing(
    repeats=5,
    steps=None,
    warmup_steps=10,
    least_steps=5,
    target_s=1.0,
    timestep_fs=0.5,
    temperature_k=298.0,
    skin_ang=1.0,
    seed=4928459,
)
_QUICK = replace(_STANDARD, warmup_steps=2, least_steps=3, target_s=0.2)
_PROBE = replace(_STANDARD, repeats=1, warmup_steps=1, least_steps=2, target_s=0.2)
_ROUNDS = 3
_QUICK_ROUNDS = 2
_QUICK_SIZES = {"graphene-water": (128, 256, 512, 1024), "hea": (54, 108, 216, 432)}
_QUICK_VARIANTS = ("torchscript", "native", "cueq")
_PLUGIN = ("torchscript", "native")
_PROBE_LIMIT_S = 600.0
_QUICK_LIMIT_S = 100.0
"""A slow or busy machine measures fewer sizes then; the same command goes on with the others."""

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_MIB = {"MB": 1e6 / 2**20, "MiB": 1.0, "GB": 1e9 / 2**20, "GiB": 1024.0}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user typed."""

    quick: bool = False
    system: str = "graphene-water"
    sizes: str | None = None
    variants: str | None = None
    precision: str = "single"
    device: str = "auto"
    threads: str | None = None
    mpi: str | None = None
    model: Path | None = None
    random_weights: str | None = None
    max_atoms: bool = False
    steps: int | None = None
    repeats: int | None = None
    rounds: int | None = None
    time_limit: str | None = None
    memory_limit: str | None = None
    output: Path = Path("scaling")
    command: str = ""


def make_request(options: Options) -> Request:
    """Check options and fill in what was left out.

    Raises:
        SettingError: for the first that is wrong.
    """
    _check_together(options)
    sizes = _QUICK_SIZES if options.quick else DEFAULT_SIZES
    default = sizes[options.system][:1] if options.max_atoms else sizes[options.system]
    wanted = _counts(options.sizes, "--sizes") if options.sizes else default
    for atoms in wanted:
        size_near(options.system, 1, atoms)  # refuses what is too large
    limit = _PROBE_LIMIT_S if options.max_atoms else _QUICK_LIMIT_S if options.quick else None
    return Request(
        system=options.system,
        sizes=wanted[:1] if options.max_atoms else wanted,
        variants=tuple(VARIANTS[name] for name in _variants(options)),
        settings=_settings(options),
        timing=_timing(options),
        rounds=1 if options.max_atoms else options.rounds or _rounds(options),
        output=options.output.absolute(),
        model=options.model.absolute() if options.model else None,
        random_weights=options.random_weights or "",
        is_weak=options.mpi == "weak",
        is_quick=options.quick,
        is_probe=options.max_atoms,
        time_limit_s=_measure(options.time_limit, _SECONDS, "--time-limit", "10 min") or limit,
        memory_limit_mib=_measure(options.memory_limit, _MIB, "--memory-limit", "4 GiB"),
        command=options.command,
    )


def _check_together(options: Options) -> None:
    if options.system not in SYSTEMS:
        raise SettingError(f"--system '{options.system}' is none of {', '.join(SYSTEMS)}")
    if options.model and options.random_weights:
        raise SettingError("--model and --random-weights exclude each other")
    if options.random_weights and options.random_weights not in RANDOM:
        raise SettingError(
            f"--random-weights '{options.random_weights}' is none of {', '.join(RANDOM)}"
        )
    if options.mpi not in {None, "strong", "weak"}:
        raise SettingError(f"--mpi '{options.mpi}' is none of strong, weak")
    if options.mpi and (options.max_atoms or options.threads):
        other = "--max-atoms" if options.max_atoms else "--threads"
        raise SettingError(f"--mpi and {other} exclude each other")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", options.device):
        raise SettingError(f"--device '{options.device}' is none of auto, cpu, cuda, cuda:N")
    if options.model and not options.model.exists():
        raise SettingError(f"--model '{options.model}': there is no such file")


def _variants(options: Options) -> tuple[str, ...]:
    if options.variants is None:
        if options.mpi or options.max_atoms:
            return _PLUGIN
        return _QUICK_VARIANTS if options.quick else tuple(VARIANTS)
    return _words(options.variants, VARIANTS, "--variants")


def _settings(options: Options) -> tuple[Settings, ...]:
    device = options.device
    if device == "auto":
        device = "cuda" if gpu_names() else "cpu"
    precisions = _words(options.precision, PRECISIONS, "--precision")
    if options.mpi:
        ranks = list(itertools.takewhile(lambda n: n <= cores(), (2**k for k in range(20))))
        return tuple(Settings(device, p, 1, n) for p in precisions for n in ranks)
    # threads that wait for one another suffer most from whatever else runs: --quick takes one
    default = (1,) if options.quick else (cores(),)
    threads = _counts(options.threads, "--threads") if options.threads else default
    return tuple(Settings(device, p, n) for p in precisions for n in threads)


def _timing(options: Options) -> Timing:
    timing = _PROBE if options.max_atoms else _QUICK if options.quick else _STANDARD
    if options.repeats:
        timing = replace(timing, repeats=options.repeats)
    return replace(timing, steps=options.steps) if options.steps else timing


def _rounds(options: Options) -> int:
    return _QUICK_ROUNDS if options.quick else _ROUNDS


def _words(text: str, known: Iterable[str], option: str) -> tuple[str, ...]:
    words = list(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))
    wrong = [w for w in words if w not in known]
    if wrong or not words:
        raise SettingError(
            f"{option} '{wrong[0] if wrong else text}' is none of {', '.join(known)}"
        )
    return tuple(words)


def _counts(text: str, option: str) -> tuple[int, ...]:
    words = [w.strip() for w in text.split(",") if w.strip()]
    if not words or not all(re.fullmatch(r"[1-9]\d{0,9}", w) for w in words):
        raise SettingError(f"{option} '{text}': give whole numbers above 0, such as 1,2")
    return tuple(sorted({int(w) for w in words}))


def _measure(text: str | None, units: dict[str, float], option: str, example: str) -> float | None:
    """A number with its unit, in the unit of factor 1."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*(\w+)\s*", text)
    if match is None or match[2] not in units or not float(match[1]) > 0:
        raise SettingError(f"{option} '{text}': give for example '{example}'")
    return float(match[1]) * units[match[2]]
