"""Autocorrelations over all time origins by fast Fourier transform, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORKERS = 2
_BATCH_BYTES = 16_000_000  # of padded series at a time; larger ones fall out of the cache


def summed_power(
    series: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Power spectra of zero-padded series, summed over all axes but the last.

    The inverse transform is linear, so one is enough for all series: see ``lag_sums``.

    Args:
        series: [atoms, columns, frames].
        weights: One for each atom; ones when left out.
    """
    length = fft.next_fast_len(2 * series.shape[-1] - 1, real=True)
    batch = max(1, _BATCH_BYTES // (8 * series.shape[1] * length))
    power = np.zeros(length // 2 + 1)
    for start in range(0, len(series), batch):
        spectrum = fft.rfft(series[start : start + batch], length, workers=_WORKERS)
        parts = spectrum.view(np.float64).reshape(*spectrum.shape, 2)
        if weights is None:
            power += np.einsum("acfp,acfp->f", parts, parts)
        else:
            power += np.einsum("a,acfp,acfp->f", weights[start : start + batch], parts, parts)
    return power


def lag_sums(power: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """Sums over time origins of x(t) x(t + n), for lags n = 0 to ``frames - 1``."""
    length = fft.next_fast_len(2 * frames - 1, real=True)
    return np.asarray(fft.irfft(power, length)[:frames], dtype=np.float64)
