"""Velocity autocorrelation and vibrational spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from mdbench.analysis.correlation import lag_sums, summed_power
from mdbench.analysis.trajectories import (
    MEMORY_LIMIT_BYTES,
    AtomSeries,
    Sampling,
    atoms_at_rest,
    atoms_of,
    equal_spacing,
)
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.frames import FrameSource

LIGHT_CM_PER_PS = 0.0299792458  # exact
_KELVIN_PER_U_ANG2_PER_PS2 = 1.66053906892e-27 * 1e4 / 1.380649e-23  # CODATA 2022

_COARSEST_FS = {True: 4.0, False: 8.0}  # with hydrogen (Nyquist 4170/cm) and without (2085/cm)
_SHORTEST_PS = 0.5
_FEWEST_LAGS = 10
_PADDING = 4  # points of the spectrum are that many times closer than lags alone would give


@dataclass(frozen=True)
class VacfOptions:
    """How a velocity autocorrelation is taken."""

    start_ps: float = 0.0
    """Frames before are left out: the equilibration."""
    max_lag_ps: float = 2.0
    """Longest lag, which sets the resolution; half the time at most."""
    memory_limit: int = MEMORY_LIMIT_BYTES
    degrees_of_freedom: float | None = None
    """Of all atoms, where bonds are held; 3 N - 3 when left out, 3 for each that moves where others
    do not."""


@dataclass(frozen=True)
class VacfResult:
    """Mass-weighted velocity autocorrelation and its spectrum."""

    element: str | None
    """None for all atoms."""
    num_atoms: int
    degrees_of_freedom: float | None
    """3 N, less 3 for all atoms: the centre of mass is at rest, unless atoms are held in place and
    do not count. Fewer where bonds are held, and None for an element then: a bond between two
    elements is neither's."""
    temperature_k: float | None
    """Kinetic, from the value at lag 0; None without ``degrees_of_freedom``."""
    interval_fs: float
    frames: int
    lag_ps: NDArray[np.float64]  # [lags]
    vacf: NDArray[np.float64]  # [lags] 1 at lag 0
    frequency_cm1: NDArray[np.float64]  # [frequencies]
    spectrum: NDArray[np.float64]  # [frequencies] per 1/cm; its integral is 1
    resolution_cm1: float
    """Full width at half maximum of a single vibration."""
    nyquist_cm1: float
    """Faster vibrations appear at wrong places."""
    note: str
    """What was left out of the trajectory, and why; empty when nothing was."""

    def density_of_states(self) -> NDArray[np.float64]:
        """Vibrational density of states per 1/cm, with the degrees of freedom as integral.

        Raises:
            AnalysisError: where these are not known.
        """
        if self.degrees_of_freedom is None:
            raise AnalysisError(
                f"{self.element} has no number of degrees of freedom: bonds are held"
            )
        return self.spectrum * self.degrees_of_freedom


def velocity_autocorrelation(
    source: FrameSource, element: str | None = None, options: VacfOptions | None = None
) -> VacfResult:
    """Velocity autocorrelation over all time origins, and its power spectrum.

    C(n) = sum_i m_i <v_i(t) . v_i(t + n)>, normalised to 1 at n = 0, in float64 by fast Fourier
    transform; the velocity of the centre of mass of all atoms is subtracted, unless some were held
    in place, which do not count. Mass weights make
    the spectrum of harmonic vibrations their density of states (each mode holds kB T). The
    spectrum is the cosine transform of C times a Hann window that is 0 at the longest lag: a
    vibration of one frequency becomes a peak of width 1/(c max_lag) at half height, without
    negative side lobes worth the name (2.7 % of the peak).

    Args:
        source: Velocities in place of positions, Angstrom/ps, equally spaced in time.
        element: Whose atoms count; all when left out.
        options: Start, longest lag, memory.

    Raises:
        AnalysisError: when frames are too far apart for the fastest vibrations, too few, or
            missing.
    """
    options = options or VacfOptions()
    sampling = _checked_sampling(source, options.start_ps)
    atoms = np.arange(len(source.numbers)) if element is None else atoms_of(source, element)
    moves = ~atoms_at_rest(source, options.start_ps)
    atoms = atoms[moves[atoms]]
    if not len(atoms):
        raise AnalysisError("the atoms do not move: there is no velocity autocorrelation")
    sampling = _affordable(sampling, len(atoms), options.memory_limit)
    series = AtomSeries(
        source,
        atoms,
        sampling,
        remove_drift=bool(moves.all()),
        memory_limit=options.memory_limit,
    )
    power = np.zeros(1)
    for chosen, chunk in series:
        power = power + summed_power(chunk, source.masses[atoms[chosen]])
    count = sampling.count
    last = min(count // 2, round(options.max_lag_ps / sampling.interval_ps))
    if last < _FEWEST_LAGS:
        raise AnalysisError(f"a longest lag of {options.max_lag_ps:g} ps is too short")
    sums = lag_sums(power, count)[: last + 1] / (count - np.arange(last + 1))
    freedom = _degrees_of_freedom(len(atoms), moves, options)
    if not sums[0] > 0.0 or freedom == 0.0:
        raise AnalysisError("the atoms do not move: there is no velocity autocorrelation")
    frequency, spectrum = _spectrum(sums / sums[0], sampling.interval_ps)
    return VacfResult(
        element=element,
        num_atoms=len(atoms),
        degrees_of_freedom=freedom,
        temperature_k=freedom and float(sums[0]) / freedom * _KELVIN_PER_U_ANG2_PER_PS2,
        interval_fs=1e3 * sampling.interval_ps,
        frames=count,
        lag_ps=np.arange(last + 1, dtype=np.float64) * sampling.interval_ps,
        vacf=sums / sums[0],
        frequency_cm1=frequency,
        spectrum=spectrum,
        resolution_cm1=1.0 / (LIGHT_CM_PER_PS * last * sampling.interval_ps),
        nyquist_cm1=0.5 / (LIGHT_CM_PER_PS * sampling.interval_ps),
        note=sampling.note,
    )


def _degrees_of_freedom(atoms: int, moves: NDArray[np.bool_], options: VacfOptions) -> float | None:
    """Of some or all of the atoms that move; None where held bonds may be theirs."""
    among = np.count_nonzero(moves)
    free = 3.0 * among - (3.0 if moves.all() else 0.0)
    of_all = options.degrees_of_freedom or free
    if of_all > free + 0.5:  # of a log that counts atoms that do not move
        of_all -= 3.0 * np.count_nonzero(~moves) - 3.0
    if atoms == among:
        return of_all
    return 3.0 * atoms if of_all > free - 0.5 else None


def _checked_sampling(source: FrameSource, start_ps: float) -> Sampling:
    """Frames that are close enough and reach far enough.

    Raises:
        AnalysisError: when they do not.
    """
    sampling = equal_spacing(source, start_ps)
    hydrogen = bool((source.numbers == 1).any())
    coarsest, interval_fs = _COARSEST_FS[hydrogen], 1e3 * sampling.interval_ps
    if interval_fs > coarsest * (1.0 + 1e-6):
        raise AnalysisError(
            f"velocities {interval_fs:g} fs apart are too coarse for vibrations: write them every "
            f"{coarsest:g} fs or closer {'(hydrogen)' if hydrogen else ''}".rstrip()
        )
    length = (sampling.count - 1) * sampling.interval_ps
    if length < _SHORTEST_PS * (1.0 - 1e-6):
        raise AnalysisError(
            f"{length:g} ps of velocities are too short for a spectrum: at least "
            f"{_SHORTEST_PS:g} ps are needed"
        )
    return sampling


def _affordable(sampling: Sampling, atoms: int, memory_limit: int) -> Sampling:
    """As many of the last frames as a dozen readings hold; leaving frames out would alias.

    Raises:
        AnalysisError: when that is hardly anything.
    """
    most = AtomSeries.frames_within(memory_limit, atoms)
    if most >= sampling.count:
        return sampling
    if most * sampling.interval_ps < _SHORTEST_PS:
        raise AnalysisError(f"{memory_limit / 1e6:g} MB are not enough: raise the limit")
    note = f"the last {most * sampling.interval_ps:g} ps are used, to stay within "
    return Sampling(
        sampling.first + sampling.count - most,
        1,
        most,
        sampling.interval_ps,
        f"{note}{memory_limit / 1e6:g} MB",
    )


def _spectrum(
    vacf: NDArray[np.float64], interval_ps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine transform with a Hann window: frequencies in 1/cm, values with integral 1."""
    last = len(vacf) - 1
    padded = np.zeros(_PADDING * last + 1)
    padded[: last + 1] = vacf * np.cos(0.5 * math.pi * np.arange(last + 1) / last) ** 2
    values = fft.dct(padded, type=1)
    step = LIGHT_CM_PER_PS**-1 / (2.0 * _PADDING * last * interval_ps)
    ends = np.ones(len(values))
    ends[[0, -1]] = 0.5  # the trapezoidal rule, by which the integral is exactly 1
    return np.arange(len(values), dtype=np.float64) * step, values / (step * float(ends @ values))
