r"""Drive LAMMPS with a model that runs in Python, through ``fix external``.

For models that only Python can run: LAMMPS integrates, writes and thermostats as ever, on one rank;
energy, forces and virial come from mace-torch (plain, with cuEquivariance, or compiled) or from any
ASE calculator. In a Python program of your own::

    from mdbench.engine import open_lammps
    from mdbench.python_engine import attach

    lmp = open_lammps("-log", "log.lammps")
    lmp.commands_string("units metal\natom_modify map yes\nread_data interface.data")
    attach(lmp, "my.model", ["C", "O", "H"])      # or an ASE calculator instead of the file
    lmp.commands_string("fix 1 all nve\nrun 1000")

Call it after ``read_data`` and instead of ``pair_style``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers

from mdbench.ase_evaluator import AseEvaluator, Frame
from mdbench.errors import EngineError, ModelError, SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FIX = "mdbench_python"
_RUNS_COMMANDS = ("command", "commands_list", "commands_string", "file")


@dataclass(frozen=True)
class PythonModel:
    """How to open a ``*.model`` file; see :func:`mdbench.python_models.open_model`."""

    form: str = "e3nn"
    precision: str = "model"
    device: str = "auto"
    head: str | None = None
    state: Mapping[str, int] | None = None
    skin_ang: float = 1.0
    threads: int = 0
    """CPU threads of torch; 0 leaves them as they are."""


class PythonEngine:
    """The forces of a LAMMPS instance: what ``attach`` gives."""

    def __init__(self, lmp: Any, evaluator: Any, numbers: list[int], *, virial: bool) -> None:  # noqa: ANN401
        """See :func:`attach`."""
        self.evaluator = evaluator
        self.num_evaluations = 0
        self.energy = float("nan")
        self._lmp, self._virial = lmp, virial
        self._number_of_type = np.array([0, *numbers])
        self._problem: Exception | None = None

    @property
    def kernel(self) -> str:
        """What computed, read back from the evaluator."""
        return str(self.evaluator.kernel)

    def __call__(self, _: Any, step: int, count: int, tag: Any, x: Any, f: Any) -> None:  # noqa: ANN401 - LAMMPS's form
        """Fill in forces, energy and virial: what LAMMPS calls at every step."""
        del step
        try:
            self._evaluate(tag[:count], x[:count], f[:count])
        except Exception as problem:  # noqa: BLE001 - ctypes would print it and go on
            f[:count] = 0.0
            self._problem = self._problem or problem
            self._lmp.force_timeout()

    def _evaluate(self, tag: Any, x: Any, f: Any) -> None:  # noqa: ANN401
        if self._problem:
            raise self._problem
        low, high, xy, yz, xz, periodic, _ = self._lmp.extract_box()
        lx, ly, lz = np.subtract(high, low)
        cell = np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])
        order = np.argsort(tag)  # LAMMPS sorts its atoms anew now and then
        kinds = self._lmp.numpy.extract_atom("type")[: len(tag)][order]
        frame = Frame(
            self._number_of_type[kinds], x[order] - low, cell, np.array(periodic, dtype=bool)
        )
        found = self.evaluator.evaluate(frame, virial=self._virial)
        if not (np.isfinite(found.energy) and np.isfinite(found.forces).all()):
            raise EngineError("the Python model gives energy or forces that are not finite")
        f[order] = found.forces
        self.energy = found.energy
        self.num_evaluations += 1
        self._lmp.fix_external_set_energy_global(FIX, found.energy)
        if self._virial:
            v = found.virial
            symmetric = [v[0, 0], v[1, 1], v[2, 2], v[0, 1], v[0, 2], v[1, 2]]
            self._lmp.fix_external_set_virial_global(FIX, [float(s) for s in symmetric])

    def raise_problem(self) -> None:
        """Fail if the model failed in the commands before.

        Raises:
            EngineError: with its reason.
        """
        if self._problem:
            text = str(self._problem).strip().splitlines() or [repr(self._problem)]
            raise EngineError(f"the Python model failed: {text[0]}") from self._problem


def attach(
    lmp: Any,  # noqa: ANN401 - lammps has no types
    model: Any,  # noqa: ANN401 - a path, or an ASE calculator
    elements: Sequence[str],
    settings: PythonModel | None = None,
    *,
    virial: bool = True,
) -> PythonEngine:
    """Let a Python model give the forces of a LAMMPS instance.

    From then on a failure of the model ends a run and is raised by the command that ran it.

    Args:
        lmp: Of ``mdbench.engine.open_lammps`` or ``lammps.lammps``; units metal, one rank, the box
            is there, and no pair style beside it.
        model: ``*.model`` file of mace-torch, which is code and runs in this process; or an ASE
            calculator, used as it is.
        elements: Of each atom type.
        settings: How to open a file.
        virial: Whether to compute it: pressure needs it, and steps are faster without.

    Raises:
        SettingError: when LAMMPS is not in that state.
        ModelError: when the model cannot be used.
    """
    types = lmp.extract_setting("ntypes")
    if lmp.extract_setting("world_size") != 1:
        raise SettingError("a Python model runs on one rank: start LAMMPS without mpiexec")
    if lmp.extract_global("units") != "metal":
        raise SettingError("a Python model needs 'units metal'")
    if len(elements) != types:
        raise SettingError(f"{len(elements)} elements for {types} atom types: give one each")
    unknown = [e for e in elements if e not in atomic_numbers]
    if unknown:
        raise SettingError(f"unknown element '{unknown[0]}'")
    evaluator = _evaluator(model, settings or PythonModel())
    engine = PythonEngine(lmp, evaluator, [atomic_numbers[e] for e in elements], virial=virial)
    lmp.command(f"fix {FIX} all external pf/callback 1 1")
    lmp.command(f"fix_modify {FIX} energy yes virial {'yes' if virial else 'no'}")
    lmp.set_fix_external_callback(FIX, engine, None)
    for name in _RUNS_COMMANDS:
        setattr(lmp, name, _checked(getattr(lmp, name), engine))
    return engine


def _evaluator(model: Any, settings: PythonModel) -> Any:  # noqa: ANN401
    if not isinstance(model, str | Path):
        return AseEvaluator(model)
    try:
        import torch  # noqa: PLC0415 - heavy, and not everybody has it

        from mdbench.python_models import open_model  # noqa: PLC0415
    except ImportError as missing:
        raise ModelError(f"{missing.name} is not installed: pip install 'mdbench[mace]'") from None
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return open_model(
        Path(model),
        form=settings.form,
        precision=settings.precision,
        device=settings.device,
        head=settings.head,
        state=settings.state,
        skin_ang=settings.skin_ang,
    )


def _checked(run: Callable[..., Any], engine: PythonEngine) -> Callable[..., Any]:
    """A way of giving commands that raises what the model raised meanwhile."""

    @functools.wraps(run)
    def checked(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        answer = run(*arguments, **options)
        engine.raise_problem()
        return answer

    return checked
