"""What the ASE calculators share: locks, copies, stresses that are defined."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from mdbench.errors import EvaluationError, SettingError, StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from ase import Atoms
    from numpy.typing import NDArray


class StressUndefinedError(
    StructureError,
    PropertyNotImplementedError,  # type: ignore[misc] # ase has no types
):
    """A stress was asked for and there is no volume to refer it to."""


class SharedCalculator(Calculator):  # type: ignore[misc] # ase has no types
    """A calculator that threads may share and that can be copied and pickled.

    A subclass opens in :meth:`_open` what does not outlive a copy, names it in ``made_by_open``,
    and computes in :meth:`_evaluate` and :meth:`_atomic_virials`.
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
    made_by_open: ClassVar[frozenset[str]] = frozenset()
    """Attributes that copies make anew."""

    def _open(self) -> None:
        """Make what is not copied."""
        self._is_current = False  # whether what was evaluated last is that of `atoms`
        self._lock = threading.RLock()
        self._process = os.getpid()

    def _evaluate(self, atoms: Atoms) -> None:
        """Set ``results`` to those of a structure that has atoms."""
        raise NotImplementedError

    def _atomic_virials(self, atoms: Atoms) -> NDArray[np.float64]:
        """[atoms, 3, 3] eV, of the structure that was evaluated last."""
        raise NotImplementedError

    def _has_one_thread(self) -> bool:
        """Whether evaluations survive a fork."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        """All but what is opened and what belongs to it."""
        opened = self.made_by_open | {"_is_current", "_lock", "_process"}
        with self._lock:
            return {k: v for k, v in self.__dict__.items() if k not in opened}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open again."""
        self.__dict__.update(state)
        self._open()

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
            StructureError: for coordinates that are not finite, elements that are not known, and a
                stress that has no volume to refer to.
            EvaluationError: when there is no finite energy and forces.
        """
        with self._lock:
            super().calculate(atoms)
            structure = self.atoms
            if system_changes or "energy" not in self.results:
                self._is_current = False
            refuse_undefined_stress(structure, properties)
            if not self._is_current:
                self._refuse_after_fork()
                if len(structure) == 0:
                    raise StructureError("the structure has no atoms")
                self._evaluate(structure)
                self._is_current = True
            if not {"stresses", "virials"}.isdisjoint(properties):
                self._add_atomic_virials(structure)

    def _set_results(
        self,
        atoms: Atoms,
        energies: NDArray[np.float64],
        forces: NDArray[np.float64],
        virial: NDArray[np.float64],
    ) -> None:
        """Results of a structure from site energies, forces and the virial [3, 3]."""
        energy = float(energies.sum())
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": energies,
            "forces": forces,
        }
        if has_volume(atoms):
            self.results["stress"] = full_3x3_to_voigt_6_stress(-virial / atoms.get_volume())

    def _add_atomic_virials(self, atoms: Atoms) -> None:
        virials = self._atomic_virials(atoms)
        self.results["virials"] = virials
        if has_volume(atoms):
            self.results["stresses"] = full_3x3_to_voigt_6_stress(-virials / atoms.get_volume())

    def _refuse_after_fork(self) -> None:
        """The child of a fork has no threads but one: waiting for the others would never end."""
        if os.getpid() != self._process and not self._has_one_thread():
            raise EvaluationError(
                "this calculator was made before a fork and has threads or a GPU that are lost in "
                "it: start processes with multiprocessing's 'spawn', or give threads=1"
            )


def has_volume(atoms: Atoms) -> bool:
    """Whether a stress has something to refer to."""
    return bool(atoms.pbc.any()) and atoms.cell.rank == 3  # noqa: PLR2004 - of a volume


def refuse_undefined_stress(atoms: Atoms, properties: Sequence[str]) -> None:
    """Refuse.

    Raises:
        StressUndefinedError: where a stress is among the properties and there is no volume.
    """
    if {"stress", "stresses"}.isdisjoint(properties) or has_volume(atoms):
        return
    if not atoms.pbc.any():
        raise StressUndefinedError("a structure without periodic directions has no stress")
    raise StressUndefinedError(
        "the cell has zero volume, so there is no stress: give three vectors"
    )


def check_threads(threads: int) -> None:
    """Refuse.

    Raises:
        SettingError: for less than none.
    """
    if threads < 0:
        raise SettingError(f"threads = {threads}: give 1 or more, or 0 for the library's choice")
