"""Radial distribution functions and coordination numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from scipy.sparse import coo_matrix

from mdbench.analysis.bonds import molecules
from mdbench.analysis.estimate import Estimate
from mdbench.analysis.ideal_pairs import choose_ideal, expected_pairs
from mdbench.analysis.pair_counts import PairQuestion, count_pairs, longest_distance
from mdbench.analysis.peaks import PeakFinder
from mdbench.analysis.statistics import block_bootstrap, caveat, merge_correlated, too_few
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mdbench.analysis.ideal_pairs import IdealPairs
    from mdbench.analysis.pair_counts import PairTally
    from mdbench.frames import FrameSource

    Floats = NDArray[np.float64]

_SMOOTHING_ANG = 0.06
_LEAST_PROMINENCE = 0.1
_LARGEST_MOLECULE = 100
"""Atoms; what is bonded into more, a sheet or a crystal, keeps its pairs."""


@dataclass(frozen=True)
class RdfResult:
    """g(r) of two elements, and the number of atoms of the second around one of the first."""

    r_ang: Floats  # [bins] centres
    g: Floats
    g_error: Floats
    coordination: Floats  # [bins] atoms of the second within the upper edge of the bin
    first_peak_ang: Estimate | None
    first_minimum_ang: Estimate | None
    coordination_number: Estimate | None  # atoms within the first minimum
    normalisation: str  # "bulk" or "slab"
    r_max_ang: float
    frames: int
    notes: tuple[str, ...]


def radial_distribution(  # noqa: PLR0913 - each is a choice that users make
    source: FrameSource,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    r_max_ang: float = 10.0,
    start_ps: float = 0.0,
    bin_ang: float = 0.02,
    exclude_bonded: bool = False,
    refused: dict[str, str] | None = None,
) -> dict[str, RdfResult]:
    """Radial distribution functions of pairs of elements, from one search of pairs a frame.

    Independent atoms have g = 1: it is over N_A N_B / V, for like atoms N (N - 1) / V, of each
    frame; in a slab over what the elements' profiles give. Threads: OMP_NUM_THREADS, or all.

    Args:
        source: The trajectory.
        pairs: Symbols; None for all pairs of elements, each once. The coordination of ("A", "B")
            is the number of B around A.
        r_max_ang: Greatest distance; cut to half of the smallest height of the cell.
        start_ps: Start of production.
        bin_ang: Width of the bins.
        exclude_bonded: Leave out pairs of one molecule, by the bonds of the first frame.
        refused: Gets the reason for each pair that is absent, which is an error without it.

    Returns:
        By name, "A-B". Where the run is too short to tell errors, they are NaN and a note says so.

    Raises:
        AnalysisError: for absent elements, small cells, short runs, neither bulk nor slab.
    """
    elements, kind = np.unique(source.numbers, return_inverse=True)
    limit = longest_distance(source, r_max_ang)
    bins = int(limit / bin_ang + 1e-9)
    edges = np.linspace(0.0, bins * bin_ang, bins + 1)
    molecule = _molecules(source) if exclude_bonded else np.arange(len(kind), dtype=np.int32)
    question = PairQuestion(kind.astype(np.int32), molecule, float(edges[-1]), bins)
    partners = _partners(question)
    asked = _asked_pairs(pairs, elements, partners, refused)
    if not asked:
        return {}
    first = int(np.searchsorted(source.times_ps, start_ps - 1e-9))
    tally = count_pairs(source, first, question)
    ideal = choose_ideal(tally, np.asarray(source.pbc, dtype=bool))
    notes = tuple(filter(None, [ideal.note]))
    if limit < r_max_ang:
        notes += (f"distances end at {edges[-1]:.2f} A, half of the cell's smallest height",)
    results = {}
    for a, b in asked:
        expected = expected_pairs(tally, ideal, (a, b), edges, int(partners[a, b]))
        curve = _Curve(edges, expected, int((kind == a).sum()))
        name = f"{chemical_symbols[elements[a]]}-{chemical_symbols[elements[b]]}"
        results[name] = _result(curve, _samples(tally, ideal, a, b), ideal.name, notes)
    return results


@dataclass(frozen=True)
class _Curve:
    """Turns sums over blocks into curves and what is read from them."""

    edges: Floats  # [bins + 1]
    expected: Floats  # [bins] pairs of independent atoms for a weight of one
    atoms: int  # of the first element

    @property
    def bin_ang(self) -> float:
        """Width of the bins."""
        return float(self.edges[1] - self.edges[0])

    @property
    def r_ang(self) -> Floats:
        """Centres of the bins."""
        return np.asarray(0.5 * (self.edges[1:] + self.edges[:-1]))

    def g(self, total: Floats) -> Floats:
        """[bins] from [bins + 2]."""
        expected: Floats = self.expected * float(total[-2])
        # in a slab some distances cannot occur: nothing is expected there, and nothing found
        g = np.zeros_like(expected)
        np.divide(total[:-2], expected, out=g, where=expected > 0.0)
        return g

    def running(self, total: Floats) -> Floats:
        """[bins + 1] neighbours within each edge."""
        return np.asarray(np.append(0.0, np.cumsum(total[:-2])) / (total[-1] * self.atoms))

    def features(self, total: Floats, finder: PeakFinder) -> Floats:
        """First peak, first minimum, neighbours within it; NaN for what is not there."""
        g = self.g(total)
        minimum = finder.first_minimum(g)
        number = np.interp(minimum, self.edges, self.running(total))
        return np.array([finder.first_peak(g), minimum, number])


def _samples(tally: PairTally, ideal: IdealPairs, a: int, b: int) -> Floats:
    """[blocks, bins + 2]: counts, weight of the reference, frames."""
    return np.column_stack([tally.pairs[:, a, b], ideal.weight, tally.frames])


def _result(
    curve: _Curve, samples: Floats, normalisation: str, notes: tuple[str, ...]
) -> RdfResult:
    total = samples.sum(axis=0)
    g = curve.g(total)
    rough = g / np.sqrt(np.maximum(total[:-2], 1.0))  # as if pairs came independently
    finder = PeakFinder.over_noise(curve.r_ang, _SMOOTHING_ANG, rough, _LEAST_PROMINENCE)
    shell = curve.features(total, finder)
    # the filling of the first shell is what remembers longest
    reach = shell[1] if np.isfinite(shell[1]) else curve.edges[-1] / 2.0
    watched = samples[:, : np.searchsorted(curve.r_ang, reach)].sum(axis=1) / samples[:, -1]
    merged, independent = merge_correlated(samples, watched)
    g_error = block_bootstrap(merged, curve.g)
    few = too_few(independent)
    if not few:
        finder = PeakFinder.over_noise(curve.r_ang, _SMOOTHING_ANG, g_error, _LEAST_PROMINENCE)
    values = curve.features(total, finder)
    errors = block_bootstrap(merged, lambda drawn: curve.features(drawn, finder))
    errors[1] = np.hypot(errors[1], curve.bin_ang / math.sqrt(12.0))  # found to within a bin
    by = f"bootstrap of {len(merged)} blocks of the production run{caveat(independent)}"
    how = (
        ("A", "parabola through the logarithm of the first maximum"),
        ("A", "middle of the floor between the first two maxima"),
        ("1", "counts within the first minimum"),
    )
    peak, minimum, number = (
        Estimate(float(value), float(error), unit, f"{method}; {by}", independent)
        if np.isfinite(value) and np.isfinite(error)
        else None
        for value, error, (unit, method) in zip(values, errors, how, strict=True)
    )
    if few:
        notes += (few,)
    elif minimum is None:
        notes += ("no second maximum stands out of the noise: no first minimum",)
    return RdfResult(
        r_ang=curve.r_ang,
        g=g,
        g_error=g_error,
        coordination=curve.running(total)[1:],
        first_peak_ang=peak,
        first_minimum_ang=minimum,
        coordination_number=number,
        normalisation=normalisation,
        r_max_ang=float(curve.edges[-1]),
        frames=int(total[-1]),
        notes=notes,
    )


def _partners(question: PairQuestion) -> NDArray[np.int64]:
    """[kinds, kinds] ordered pairs that are not of one molecule."""
    kinds = int(question.kind.max()) + 1
    _, molecule = np.unique(question.molecule, return_inverse=True)
    members = coo_matrix((np.ones(len(molecule), dtype=np.int64), (molecule, question.kind)))
    within = (members.T @ members).toarray()
    atoms = np.bincount(question.kind, minlength=kinds)
    return np.asarray(np.outer(atoms, atoms) - within, dtype=np.int64)


def _asked_pairs(
    pairs: Sequence[tuple[str, str]] | None,
    elements: NDArray[np.int64],
    partners: NDArray[np.int64],
    refused: dict[str, str] | None,
) -> list[tuple[int, int]]:
    """Rows of the elements of each pair; all pairs, the heavier element first, for None."""
    kinds = range(len(elements))
    if pairs is None:
        return [(a, b) for a in kinds for b in kinds if a >= b and partners[a, b]]
    row = {int(z): k for k, z in enumerate(elements)}
    rows = []
    for names in pairs:
        a, b = (row.get(atomic_numbers.get(symbol, 0)) for symbol in names)
        if a is not None and b is not None and partners[a, b]:
            rows.append((a, b))
            continue
        reason = "there is no such pair to count"
        if a is None or b is None:
            reason = f"there is no {names[0] if a is None else names[1]}"
        if refused is None:
            raise AnalysisError(f"g(r) of {'-'.join(names)}: {reason}")
        refused["-".join(names)] = reason
    return rows


def _molecules(source: FrameSource) -> NDArray[np.int32]:
    """[atoms] the molecule of each atom by the first frame's bonds; large ones fall apart."""
    molecule = molecules(source)
    large = np.bincount(molecule)[molecule] > _LARGEST_MOLECULE
    numbers = np.arange(len(molecule), dtype=np.int32)
    return np.where(large, len(molecule) + numbers, molecule).astype(np.int32)
