"""D3 dispersion from Python: the kernel that LAMMPS uses, and an ASE calculator over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench import _core
from mdbench.errors import SettingError, StructureError
from mdbench.neighbours import periodic_box
from mdbench.shared_calculator import SharedCalculator, check_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HEAVIEST: int = _core.d3_heaviest
"""Atomic number of the last element that D3 has data for."""
_TENSOR = ((0, 3, 4), (3, 1, 5), (4, 5, 2))
"""Where the components of a tensor are in xx yy zz xy xz yz."""


def d3_words(
    method: str, functional: str, keywords: Mapping[str, float | str | bool | None]
) -> list[str]:
    """All settings of D3 as LAMMPS's ``pair_style dftd3`` takes them, defaults included.

    Args:
        method: ``bj``, ``zero``, ``bjm`` or ``zerom``.
        functional: A name, or ``custom``.
        keywords: Those of ``pair_style dftd3``; ``None`` is the default.

    Raises:
        SettingError: naming what is wrong.
    """
    words = [str(method), str(functional)]
    for keyword, value in keywords.items():
        if value is not None:
            words += [keyword, _word(value)]
    try:
        complete: list[str] = _core.d3_words(words)
    except _core.CoreError as problem:
        raise SettingError(str(problem)) from None
    return complete


def _word(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)


@dataclass(frozen=True)
class D3Result:
    """Dispersion of a structure."""

    energies: Floats  # [atoms] eV
    forces: Floats  # [atoms, 3] eV/Angstrom
    virial: Floats  # [3, 3] -dE/dstrain, eV
    virials: Floats | None  # [atoms, 3, 3] eV, if asked for

    @property
    def energy(self) -> float:
        """The sum, eV."""
        return float(self.energies.sum())


class D3Engine:
    """D3 on arrays; keeps a list of pairs from one structure to the next. Not thread-safe."""

    def __init__(self, words: Sequence[str], threads: int = 0) -> None:
        """Open the kernel.

        Args:
            words: As :func:`d3_words` gives them.
            threads: CPU threads; 0 leaves the choice to OpenMP.

        Raises:
            SettingError: for words that are not understood.
        """
        try:
            self._d3 = _core.D3(list(words), threads)
        except _core.CoreError as problem:
            raise SettingError(str(problem)) from None
        self._fractional: Floats = np.empty((0, 3))  # of the last structure, followed

    @property
    def statistics(self) -> dict[str, float]:
        """Evaluations, builds of the list and dangerous ones among them, seconds, pairs."""
        return dict(self._d3.statistics)

    def reset_statistics(self) -> None:
        """Count from here."""
        self._d3.reset_statistics()

    def evaluate(
        self,
        numbers: NDArray[np.integer],
        positions: Floats,
        cell: Floats,
        pbc: NDArray[np.bool_],
        *,
        with_virials: bool = False,
    ) -> D3Result:
        """Dispersion of a structure.

        Args:
            numbers: [atoms] atomic numbers.
            positions: [atoms, 3] Angstrom, inside the cell or not.
            cell: [3, 3] Angstrom, rows; those of open directions are not used.
            pbc: [3] which directions are periodic.
            with_virials: Also the virial of each atom.

        Raises:
            StructureError: for elements without data, atoms at the same place, numbers that are
                not finite and cells without volume.
        """
        if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
            raise StructureError("the structure has positions or cell vectors that are not finite")
        box = periodic_box(cell, pbc)
        try:
            found = self._d3.evaluate(
                self._followed(positions, box, pbc),
                np.ascontiguousarray(numbers, dtype=np.int32),
                np.ascontiguousarray(box),
                [bool(p) for p in pbc],
                with_virials,
            )
        except _core.CoreError as problem:
            self._fractional = np.empty((0, 3))  # what was refused is not to be followed
            raise StructureError(str(problem)) from None
        virials = found["virials"]
        return D3Result(
            found["energies"],
            found["forces"],
            found["virial"][np.array(_TENSOR)],
            None if virials is None else virials[:, np.array(_TENSOR)],
        )

    def _followed(self, positions: Floats, box: Floats, pbc: NDArray[np.bool_]) -> Floats:
        """Positions without the jumps of atoms that were put back into the cell.

        An image is as good as its atom: this spares new lists and changes no result.
        """
        fractional = positions @ np.linalg.inv(box)
        turns = np.zeros_like(fractional)
        if fractional.shape == self._fractional.shape:
            turns[:, pbc] = np.rint(self._fractional - fractional)[:, pbc]
        self._fractional = fractional + turns
        return np.ascontiguousarray(positions + turns @ box, dtype=np.float64)


class D3Calculator(SharedCalculator):
    """D3 dispersion (Grimme and others, 2010 and 2011), for ASE.

    Keywords, defaults and results are those of ``pair_style dftd3``; properties and their signs
    those of :class:`~mdbench.MACECalculator`, to which it is added so::

        from ase.calculators.mixing import SumCalculator
        atoms.calc = SumCalculator([MACECalculator("my.mace"), D3Calculator("bj", "pbe")])

    Add it only to a model whose training labels hold no dispersion: D3 would count it twice
    otherwise, and nothing here can notice that. ``mdbench d3 subtract`` takes D3 out of labels.

    A list of pairs within cutoff + skin is kept while it holds: ``statistics`` counts how often it
    was made. Threads may share a calculator; pickles and copies have a list of their own. After a
    ``fork`` only a calculator with ``threads=1`` works.
    """

    made_by_open = frozenset({"_engine", "_virials"})

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        method: str = "bj",
        functional: str = "pbe",
        *,
        cutoff: float | None = None,
        switch: float | None = None,
        cn: float | None = None,
        skin: float | None = None,
        every: int | None = None,
        delay: int | None = None,
        check: bool | None = None,
        atm: float | None = None,
        parameters: Mapping[str, float] | None = None,
        threads: int = 0,
    ) -> None:
        """Choose a damping function and its parameters; ``None`` is the default of LAMMPS's style.

        Args:
            method: Damping: ``bj`` (Becke-Johnson), ``zero``, and ``bjm`` and ``zerom``, their
                modified forms.
            functional: The one that the model was trained on; case, hyphens and underscores do not
                matter. ``custom`` takes ``parameters``.
            cutoff: Of the pairs, Angstrom.
            switch: Angstrom over which pairs fade out before ``cutoff`` and coordination numbers
                before ``cn``; 0 cuts hard.
            cn: Cutoff of the coordination numbers, Angstrom; at most ``cutoff``.
            skin: Angstrom; changes how often the list is made and no result.
            every: Evaluations between tests of the list.
            delay: Evaluations after a build in which it is not tested.
            check: Whether a list is kept that still holds.
            atm: Cutoff of the three-body term, Angstrom; 0 leaves it out.
            parameters: Of the functional ``custom``: ``s6``, ``s8``, ``a1``, ``a2`` (Bohr) of
                ``bj``; ``s6``, ``s8``, ``rs6``, ``rs8``, ``beta`` (1/Bohr) of the others.
            threads: CPU threads; 0 leaves the choice to OpenMP.

        Raises:
            SettingError: for an argument that it cannot be.
        """
        super().__init__()
        check_threads(threads)
        keywords = {
            "cutoff": cutoff,
            "switch": switch,
            "cn": cn,
            "skin": skin,
            "every": every,
            "delay": delay,
            "check": check,
            "atm": atm,
        }
        self.words = d3_words(method, functional, {**(parameters or {}), **keywords})
        self.threads = threads
        self._open()

    def _open(self) -> None:
        super()._open()
        self._engine = D3Engine(self.words, self.threads)

    @property
    def settings(self) -> dict[str, str]:
        """All settings in the words of ``pair_style dftd3``."""
        rest = iter(self.words[2:])
        return {
            "method": self.words[0],
            "functional": self.words[1],
            **dict(zip(rest, rest, strict=True)),
        }

    @property
    def statistics(self) -> dict[str, float]:
        """Evaluations, builds of the list and dangerous ones among them, seconds, pairs."""
        return self._engine.statistics

    def reset_statistics(self) -> None:
        """Count from here."""
        with self._lock:
            self._engine.reset_statistics()

    def todict(self, skip_default: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - ASE's
        """What a database or trajectory notes about the calculator."""
        del skip_default
        return dict(self.settings)

    def _evaluate(self, atoms: Atoms) -> None:
        found = self._engine.evaluate(
            atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, with_virials=True
        )
        assert found.virials is not None  # noqa: S101 - for mypy
        self._virials = found.virials
        self._set_results(atoms, found.energies, found.forces, found.virial)

    def _atomic_virials(self, atoms: Atoms) -> Floats:
        del atoms
        return self._virials

    def _has_one_thread(self) -> bool:
        return self.threads == 1
