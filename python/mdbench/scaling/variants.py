"""What is compared: ways of evaluating one model in LAMMPS, and why one cannot run here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mdbench.model import cuda_problem
from mdbench.programs import gpu_names, version

if TYPE_CHECKING:
    from collections.abc import Callable

PRECISIONS = ("single", "double", "mixed")


@dataclass(frozen=True)
class Settings:
    """Where and how a variant runs."""

    device: str
    precision: str
    threads: int
    ranks: int = 1


@dataclass(frozen=True)
class Variant:
    """A way of evaluating a model."""

    name: str
    file: str
    """Form of the model file: mace, pt or model."""
    style: str = ""
    """Of the plugin: arguments of ``pair_style mace``. Empty: Python, through fix external."""
    missing: Callable[[Settings], str] = lambda _: ""
    """Why it cannot run here; empty when nothing is known to be missing."""
    is_tabulated: bool = False
    """Forces carry the error of tables whatever the precision: held to that of single."""
    commands: tuple[str, ...] = ()
    """More LAMMPS commands, after the forces are set up. No variant of the command line has any:
    tests make wrong and slow variants of the others with them."""

    @property
    def is_plugin(self) -> bool:
        """Whether it runs in the lmp program."""
        return bool(self.style)


def _absent(*packages: str) -> str:
    names = [name for name in packages if version(name) is None]
    return f"{' and '.join(names)} not installed" if names else ""


def _no_kernels(settings: Settings) -> str:
    return "" if settings.device == "cpu" else cuda_problem()


def _no_torch_plugin(settings: Settings) -> str:
    del settings
    return _absent("torch")


def _no_python(settings: Settings) -> str:
    if settings.ranks > 1:
        return "Python drives LAMMPS on one rank only"
    if settings.precision == "mixed":
        return "mixed precision is one of the native evaluator only"
    return _absent("torch", "mace-torch")


def _no_cueq(settings: Settings) -> str:
    if reason := _no_python(settings):
        return reason
    reasons = []
    if absent := _absent("cuequivariance-torch"):
        reasons.append(absent)
    elif importlib.util.find_spec("cuequivariance_ops_torch") is None:
        reasons.append(
            f"cuequivariance-torch {version('cuequivariance-torch')} is here without its CUDA "
            "operations (cuequivariance-ops-torch-cu12 or -cu13) and would run plain torch instead"
        )
    if settings.device == "cpu":
        found = "its kernels are for NVIDIA GPUs"
        reasons.append(found if gpu_names() else f"{found} and there is none here")
    return "; ".join(reasons)


def _no_symmetrix(settings: Settings) -> str:
    if settings.ranks > 1 or settings.precision == "mixed":
        return _no_python(settings)
    reason = _absent("symmetrix-xl")
    if reason or settings.device == "cpu":
        return reason
    names = [d.name or "" for d in importlib.metadata.distributions()]
    if any(name.startswith("symmetrix-xl-cuda") for name in names):
        return ""
    return "symmetrix-xl is here without a package for this GPU (symmetrix-xl-cuda13-sm90, say)"


VARIANTS = {
    v.name: v
    for v in (
        Variant("torchscript", "pt", "evaluator torchscript", missing=_no_torch_plugin),
        Variant("native", "mace", "evaluator native", missing=_no_kernels),
        Variant("e3nn", "model", missing=_no_python),
        Variant("cueq", "model", missing=_no_cueq),
        Variant("compile", "model", missing=_no_python),
        Variant("symmetrix-xl", "model", missing=_no_symmetrix, is_tabulated=True),
    )
}
"""By name, as on the command line."""


def reason_against(variant: Variant, settings: Settings) -> str:
    """Why a variant cannot run here; empty when it is worth a try."""
    if settings.device != "cpu" and not gpu_names() and (variant.file != "mace" or cuda_problem()):
        return f"device {settings.device}: no NVIDIA GPU here"
    if settings.precision == "mixed" and variant.file != "mace":
        return "mixed precision is one of the native evaluator only"
    return variant.missing(settings)


def force_tolerance_ev_ang(variant: Variant, precision: str, rms_ev_ang: float) -> float:
    """Largest difference of a force component from the reference that passes.

    Double precision: rounding and the native evaluator's tables (1e-9) stay far below 1e-6 of the
    forces. Single: some 1e-4 of the typical force is seen in sums over neighbours, 2e-3 is allowed
    and never more than 5e-3 eV/A.

    Args:
        variant: Which.
        precision: Of its arithmetic.
        rms_ev_ang: Root mean square of the reference's force components.
    """
    if precision == "double" and not variant.is_tabulated:
        return 1e-6 * max(rms_ev_ang, 0.05)
    return min(5e-3, 2e-3 * rms_ev_ang)


def energy_tolerance_ev_atom(variant: Variant, precision: str, energy_ev_atom: float) -> float:
    """The same for the energy; in single precision isolated-atom energies are rounded too."""
    if precision == "double" and not variant.is_tabulated:
        return 1e-7 + 1e-9 * abs(energy_ev_atom)
    return 1e-3 + 1e-5 * abs(energy_ev_atom)
