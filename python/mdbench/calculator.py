"""An ASE calculator over the C++ evaluator: MACE from Python, without torch's or mace's Python."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench import _core
from mdbench.core import (
    GraphArrays,
    atomic_virials_of,
    evaluate_arrays,
    forces_of,
    species_of,
    virial_of,
)
from mdbench.errors import EvaluationError, ModelError, SettingError, StructureError
from mdbench.model import DTYPES, inspect, load_evaluator
from mdbench.neighbours import NeighbourList
from mdbench.shared_calculator import SharedCalculator, check_threads

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

PRECISIONS = ("model", "single", "double", "mixed")


class MACECalculator(SharedCalculator):
    """Energies, forces and stresses of a converted MACE model, for ASE.

    Properties, named and defined as in mace-torch's ``MACECalculator``: ``energy`` and
    ``free_energy`` (eV, the same number), ``energies`` [atoms] (eV, isolated atoms included),
    ``forces`` [atoms, 3] (eV/A), ``stress`` [6] and ``stresses`` [atoms, 6] (eV/A^3, Voigt order xx
    yy zz yz xz xy, tension positive, ``stresses.sum(axis=0) == stress``), ``virials`` [atoms, 3, 3]
    (eV). Stress is refused for a structure without periodic directions; that of a slab refers to
    the volume of its cell, vacuum included. mace-torch's ``node_energy``, relative to isolated
    atoms, is not offered.

    A model of charge and spin holds for those that its file was converted for, ``state``. As there,
    ``charge`` and ``spin`` in a structure's ``info`` say what it has: other numbers are refused.

    Threads: a calculator may be shared. Whatever the ``get_*`` methods return belongs to the
    structure that was asked about; threads wait for one another, so one calculator a thread is
    faster. ``results`` and ``atoms`` are those of the last call, whoever made it.

    Processes: pickles and copies open the model file again, and fail if it has changed. After a
    ``fork`` only a calculator on one CPU thread works: thread pools and GPUs do not survive it, so
    start worker processes with ``spawn``.
    """

    made_by_open = frozenset({"_evaluator", "neighbours", "_graph", "_gradient"})

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        model: str | Path,
        *,
        precision: str = "model",
        threads: int = 0,
        skin: float = 0.5,
        head: str | None = None,
        device: str = "auto",
        deterministic: bool = True,
    ) -> None:
        """Open a model.

        Args:
            model: File that ``mdbench convert`` wrote.
            precision: ``single`` or ``float32``, ``double`` or ``float64``, for native files
                ``mixed``, or ``model``, that of the weights.
            threads: CPU threads; 0 leaves the choice to the library. TorchScript has one setting a
                process: the calculator made last decides.
            skin: Angstrom. The neighbour list reaches this much farther than the model and is kept
                until an atom has moved half of it. Results do not depend on it.
            head: Name of a head; the one chosen by ``mdbench convert`` if left out.
            device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``, a GPU if there is one.
            deterministic: Whether sums on a GPU repeat bit for bit; native files only.

        Raises:
            ModelError: when the file cannot be used.
            SettingError: for an argument outside its range.
        """
        super().__init__()
        precision = DTYPES.get(precision, precision)  # mace-torch's names
        if precision not in PRECISIONS:
            raise SettingError(f"precision '{precision}' is none of {', '.join(PRECISIONS)}")
        if not 0 <= skin < np.inf:
            raise SettingError(f"skin = {skin} A is not a length: give 0 or more")
        check_threads(threads)
        self.path = Path(model).absolute()
        file = inspect(self.path)
        self.sha256 = file.sha256
        self.state: dict[str, int] = file.metadata().get("state", {})
        self.skin = float(skin)
        self._load = partial(
            load_evaluator,
            self.path,
            precision=precision,
            head=head,
            device=device,
            threads=threads,
            deterministic=deterministic,
        )
        self._open()

    def _open(self) -> None:
        super()._open()
        self._evaluator = self._load()
        self.info: dict[str, Any] = self._evaluator.info
        self.neighbours = NeighbourList(self.info["cutoff_ang"], self.skin)
        self._graph: GraphArrays  # of the last evaluation, with its edge gradients
        self._gradient: NDArray[np.float64] = np.empty((0, 3))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the model again.

        Raises:
            ModelError: when the file is not the one that it was.
        """
        path, expected = state["path"], state["sha256"]
        found = inspect(path).sha256
        if found != expected:
            raise ModelError(
                f"model file '{path}' has changed since this calculator was made: its SHA-256 "
                f"was {expected[:12]}... and is {found[:12]}..."
            )
        super().__setstate__(state)

    def todict(self, skip_default: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - ASE's
        """What a database or trajectory notes about the calculator."""
        del skip_default
        used = {key: self.info[key] for key in ("precision", "head", "device", "kernel")}
        return {"model": str(self.path), "sha256": self.sha256, **used}

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed since the last evaluation, notes on charge and spin included."""
        changes: list[str] = super().check_state(atoms, tol)
        if self.atoms is None:
            return changes
        noted = [(self.atoms.info.get(name), atoms.info.get(name)) for name in self.state]
        return changes + ["info"] * any(before != now for before, now in noted)

    def _refuse_another_state(self, atoms: Atoms) -> None:
        for name, held in self.state.items():
            if (noted := atoms.info.get(name, held)) != held:
                raise StructureError(
                    f"the structure's info says {name} {noted}, and the model's file is for "
                    f"{held}: convert the *.model file with --{name} {noted}, or mend the info"
                )

    def _evaluate(self, atoms: Atoms) -> None:
        """One call of the model."""
        self._refuse_another_state(atoms)
        graph = GraphArrays.from_edges(
            species_of(atoms.numbers, self.info["atomic_numbers"]),
            self.neighbours.update(atoms.positions, atoms.cell.array, atoms.pbc),
        )
        try:
            energies, gradient = evaluate_arrays(self._evaluator, graph)
        except _core.CoreError as problem:
            raise EvaluationError(str(problem)) from None
        forces = forces_of(graph, gradient)
        if not (np.isfinite(energies).all() and np.isfinite(forces).all()):
            raise EvaluationError(
                "the model gives energies or forces that are not finite numbers; the shortest "
                f"distance is {_shortest(graph):.3f} A: look for atoms on top of one another"
            )
        self._graph, self._gradient = graph, gradient
        self._set_results(atoms, energies, forces, virial_of(graph, gradient))

    def _atomic_virials(self, atoms: Atoms) -> NDArray[np.float64]:
        """Spread the edge gradients at hand over the atoms."""
        del atoms
        return atomic_virials_of(self._graph, self._gradient)

    def _has_one_thread(self) -> bool:
        return bool(self.info["device"] == "cpu" and self.info["threads"] == 1)


def _shortest(graph: GraphArrays) -> float:
    """Length of the shortest edge, Angstrom."""
    return float(np.linalg.norm(graph.edge_vector, axis=1).min(initial=np.inf))
