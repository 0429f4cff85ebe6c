"""An ASE calculator over the C++ evaluator: MACE from Python, without torch's or mace's Python."""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

PRECISIONS = ("model", "single", "double", "mixed")


class StressUndefinedError(
    StructureError,
    PropertyNotImplementedError,  # type: ignore[misc] # ase has no types
):
    """A stress was asked for and there is no volume to refer it to."""


class MACECalculator(Calculator):  # type: ignore[misc] # ase has no types
    """Energies, forces and stresses of a converted MACE model, for ASE.

    Properties, named and defined as in mace-torch's ``MACECalculator``: ``energy`` and
    ``free_energy`` (eV, the same number), ``energies`` [atoms] (eV, isolated atoms included),
    ``forces`` [atoms, 3] (eV/A), ``stress`` [6] and ``stresses`` [atoms, 6] (eV/A^3, Voigt order xx
    yy zz yz xz xy, tension positive, ``stresses.sum(axis=0) == stress``), ``virials`` [atoms, 3, 3]
    (eV). Stress is refused for a structure without periodic directions; that of a slab refers to
    the volume of its cell, vacuum included. mace-torch's ``node_energy``, relative to isolated
    atoms, is not offered.

    Threads: a calculator may be shared. Whatever the ``get_*`` methods return belongs to the
    structure that was asked about; threads wait for one another, so one calculator a thread is
    faster. ``results`` and ``atoms`` are those of the last call, whoever made it.

    Processes: pickles and copies open the model file again, and fail if it has changed. After a
    ``fork`` only a calculator on one CPU thread works: thread pools and GPUs do not survive it, so
    start worker processes with ``spawn``.
    """

    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
        "stresses",
        "virials",
    ]
    ignored_changes: ClassVar[set[str]] = {"initial_charges", "initial_magmoms"}

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        model: str | Path,
        *,
        precision: str = "model",
        threads: int = 0,
        skin: float = 0.5,
        head: str | None = None,
        device: str = "auto",
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
        if threads < 0:
            raise SettingError(
                f"threads = {threads}: give 1 or more, or 0 for the library's choice"
            )
        self.path = Path(model).absolute()
        self.sha256 = inspect(self.path).sha256
        self.skin = float(skin)
        self._load = partial(
            load_evaluator,
            self.path,
            precision=precision,
            head=head,
            device=device,
            threads=threads,
        )
        self._open()

    def _open(self) -> None:
        """Make what is not copied."""
        self._evaluator = self._load()
        self.info: dict[str, Any] = self._evaluator.info
        self.neighbours = NeighbourList(self.info["cutoff_ang"], self.skin)
        self._graph: GraphArrays | None = None  # of the last evaluation, with its edge gradients
        self._gradient: NDArray[np.float64] = np.empty((0, 3))
        self._lock = threading.RLock()
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        """All but the loaded model and what belongs to it."""
        made_by_open = {"_evaluator", "neighbours", "_graph", "_gradient", "_lock", "_process"}
        with self._lock:
            return {k: v for k, v in self.__dict__.items() if k not in made_by_open}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the model again.

        Raises:
            ModelError: when the file is not the one that it was.
        """
        self.__dict__.update(state)
        found = inspect(self.path).sha256
        if found != self.sha256:
            raise ModelError(
                f"model file '{self.path}' has changed since this calculator was made: its SHA-256 "
                f"was {self.sha256[:12]}... and is {found[:12]}..."
            )
        self._open()

    def todict(self, skip_default: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - ASE's
        """What a database or trajectory notes about the calculator."""
        del skip_default
        used = {key: self.info[key] for key in ("precision", "head", "device", "kernel")}
        return {"model": str(self.path), "sha256": self.sha256, **used}

    def get_property(
        self,
        name: str,
        atoms: Atoms | None = None,
        allow_calculation: bool = True,  # noqa: FBT001, FBT002 - ASE's signature
    ) -> Any:  # noqa: ANN401 - a number or an array
        """One property of a structure; nothing is computed twice for the same structure."""
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def calculate_properties(self, atoms: Atoms, properties: Sequence[str]) -> Any:  # noqa: ANN401
        """ASE's ``Properties`` of a structure."""
        with self._lock:
            return super().calculate_properties(atoms, properties)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill ``results``; ASE calls this.

        Raises:
            StructureError: for coordinates that are not finite, elements that the model lacks, and
                a stress that has no volume to refer to.
            EvaluationError: when the model gives no finite energy and forces.
        """
        with self._lock:
            super().calculate(atoms)
            structure = self.atoms
            if system_changes or "energy" not in self.results:
                self._graph = None
            _refuse_undefined_stress(structure, properties)
            if self._graph is None:
                self._evaluate(structure)
            if not {"stresses", "virials"}.isdisjoint(properties):
                self._add_atomic_virials(structure)

    def _evaluate(self, atoms: Atoms) -> None:
        """One call of the model."""
        self._refuse_after_fork()
        if len(atoms) == 0:
            raise StructureError("the structure has no atoms")
        graph = GraphArrays.from_edges(
            species_of(atoms.numbers, self.info["atomic_numbers"]),
            self.neighbours.update(atoms.positions, atoms.cell.array, atoms.pbc),
        )
        try:
            energies, gradient = evaluate_arrays(self._evaluator, graph)
        except _core.CoreError as problem:
            raise EvaluationError(str(problem)) from None
        energy, forces = float(energies.sum()), forces_of(graph, gradient)
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise EvaluationError(
                "the model gives energies or forces that are not finite numbers; the shortest "
                f"distance is {_shortest(graph):.3f} A: look for atoms on top of one another"
            )
        self._graph, self._gradient = graph, gradient
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": energies,
            "forces": forces,
        }
        if _has_volume(atoms):
            stress = -virial_of(graph, gradient) / atoms.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)

    def _add_atomic_virials(self, atoms: Atoms) -> None:
        """Spread the edge gradients at hand over the atoms."""
        assert self._graph is not None  # noqa: S101 - for mypy: calculate has just seen to it
        virials = atomic_virials_of(self._graph, self._gradient)
        self.results["virials"] = virials
        if _has_volume(atoms):
            self.results["stresses"] = full_3x3_to_voigt_6_stress(-virials / atoms.get_volume())

    def _refuse_after_fork(self) -> None:
        """The child of a fork has no threads but one: waiting for the others would never end."""
        alone = self.info["device"] == "cpu" and self.info["threads"] == 1
        if os.getpid() != self._process and not alone:
            raise EvaluationError(
                "this calculator was made before a fork and has threads or a GPU that are lost in "
                "it: start processes with multiprocessing's 'spawn', or give threads=1"
            )


def _has_volume(atoms: Atoms) -> bool:
    return bool(atoms.pbc.any()) and atoms.cell.rank == 3  # noqa: PLR2004 - of a volume


def _refuse_undefined_stress(atoms: Atoms, properties: Sequence[str]) -> None:
    if {"stress", "stresses"}.isdisjoint(properties) or _has_volume(atoms):
        return
    if not atoms.pbc.any():
        raise StressUndefinedError("a structure without periodic directions has no stress")
    raise StressUndefinedError(
        "the cell has zero volume, so there is no stress: give three vectors"
    )


def _shortest(graph: GraphArrays) -> float:
    """Length of the shortest edge, Angstrom."""
    return float(np.linalg.norm(graph.edge_vector, axis=1).min(initial=np.inf))
