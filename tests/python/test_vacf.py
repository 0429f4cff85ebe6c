"""Velocity autocorrelation and its spectrum: analytic cases, a slow reference, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from trajectories_in_memory import frames_of, relaxing

from mdbench.analysis.vacf import LIGHT_CM_PER_PS, VacfOptions, velocity_autocorrelation
from mdbench.errors import AnalysisError

KB = 0.8314462618  # u A^2/ps^2/K


def vibrating(frequencies_cm1, masses, frames=4001, interval_ps=0.002, temperature_k=300.0):
    """Oscillators with the energy of a temperature: pairs of atoms against each other."""
    rng = np.random.default_rng(1)
    half = len(masses)
    phase = rng.uniform(0, 2 * np.pi, (half, 3))
    amplitude = np.sqrt(2 * KB * temperature_k / masses)[:, None]
    omega = 2 * np.pi * LIGHT_CM_PER_PS * np.asarray(frequencies_cm1)[:, None]
    t = interval_ps * np.arange(frames)[:, None, None]
    v = amplitude * np.cos(omega * t + phase)
    return np.concatenate([v, -v], axis=1)


def test_fft_is_the_direct_sum():
    rng = np.random.default_rng(2)
    masses = rng.uniform(1, 16, 9)
    v = relaxing(rng, 300, 9, 0.05) + np.array([3.0, 0.0, 1.0])
    numbers = np.where(np.arange(9) % 2, 8, 6)
    source = frames_of(v, interval_ps=0.004, numbers=numbers, masses=masses)
    v = v - np.einsum("tac,a->tc", v, masses / masses.sum())[:, None]
    for element, number in (("O", [8]), ("C", [6]), (None, [6, 8])):
        found = velocity_autocorrelation(source, element)
        mine = np.isin(numbers, number)
        x, m = v[:, mine], masses[mine]
        direct = np.array([
            np.einsum("tac,tac,a->", x[n:], x[:300 - n], m) / (300 - n) for n in range(151)])
        np.testing.assert_allclose(found.vacf, direct / direct[0], rtol=1e-10, atol=1e-12)
        dof = 3 * mine.sum() - 3 * (element is None)
        assert found.temperature_k == pytest.approx(direct[0] / dof / KB, rel=1e-6)
        np.testing.assert_allclose(found.lag_ps, 0.004 * np.arange(151))


def test_fixed_atoms_do_not_count():
    """Three degrees of freedom for each of the others; their centre of mass moves as it likes."""
    rng = np.random.default_rng(3)
    moving = relaxing(rng, 300, 6, 0.05) + np.array([3.0, 0.0, 1.0])
    v = np.concatenate([np.zeros((300, 3, 3)), moving], axis=1)
    numbers, masses = np.array([6, 6, 8, 8, 8, 8, 6, 6, 6]), np.r_[[50.0] * 3, rng.uniform(1, 16, 6)]
    source = frames_of(v, interval_ps=0.004, numbers=numbers, masses=masses)
    for element, mine in ((None, slice(3, 9)), ("O", slice(3, 6)), ("C", slice(6, 9))):
        x, m = v[:, mine], masses[mine]
        direct = np.einsum("tac,tac,a->", x, x, m) / 300
        for logged in (None, 3 * 9 - 3):  # as of a log that counts all atoms
            found = velocity_autocorrelation(source, element, VacfOptions(degrees_of_freedom=logged))
            assert found.degrees_of_freedom == 3 * found.num_atoms == 3 * len(m)
            assert found.temperature_k == pytest.approx(direct / (3 * len(m)) / KB, rel=1e-6)
    with pytest.raises(AnalysisError, match="do not move"):
        velocity_autocorrelation(frames_of(v[:, :3], interval_ps=0.004, numbers=6))


def test_peak_lies_at_the_frequency():
    source = frames_of(
        vibrating([1583.3] * 8, np.full(8, 12.011)), interval_ps=0.002, numbers=6, masses=12.011)
    found = velocity_autocorrelation(source)
    np.testing.assert_allclose(
        found.vacf, np.cos(2 * np.pi * 1583.3 * LIGHT_CM_PER_PS * found.lag_ps), atol=0.01)
    top = found.spectrum.argmax()
    assert found.frequency_cm1[top] == pytest.approx(1583.3, abs=0.1 * found.resolution_cm1)
    assert found.resolution_cm1 == pytest.approx(1 / (2.0 * LIGHT_CM_PER_PS))
    assert found.nyquist_cm1 == pytest.approx(8339.1, abs=0.1)
    assert found.frequency_cm1[-1] == pytest.approx(found.nyquist_cm1)
    wide = found.frequency_cm1[found.spectrum > 0.5 * found.spectrum[top]]
    assert np.ptp(wide) == pytest.approx(found.resolution_cm1, rel=0.2)


def test_every_mode_counts_once():
    """Six atoms of mass 1 at 3000/cm and four of 16 at 500/cm: modes as 18 to 12."""
    masses = np.r_[np.full(3, 1.0), np.full(2, 16.0)]
    v = vibrating([3000.0] * 3 + [500.0] * 2, masses)
    source = frames_of(v, interval_ps=0.002, numbers=np.tile([1, 1, 1, 8, 8], 2),
                       masses=np.tile(masses, 2))
    found = velocity_autocorrelation(source)
    states = found.density_of_states()
    step = found.frequency_cm1[1]
    assert found.degrees_of_freedom == 27
    assert states.sum() * step == pytest.approx(27.0, rel=1e-3)
    fast = states[found.frequency_cm1 > 1500].sum() * step
    assert fast == pytest.approx(27 * 18 / 30, rel=0.01)
    assert found.temperature_k == pytest.approx(300 * 30 / 27, rel=0.01)
    light = velocity_autocorrelation(source, "H")
    assert light.degrees_of_freedom == 18
    assert light.frequency_cm1[light.spectrum.argmax()] == pytest.approx(3000, abs=2)


def test_held_bonds_take_degrees_of_freedom_away():
    """Of all atoms together: whose they are cannot be said of a bond between two elements."""
    masses = np.r_[np.full(3, 1.0), np.full(2, 16.0)]
    source = frames_of(vibrating([3000.0] * 3 + [500.0] * 2, masses), interval_ps=0.002,
                       numbers=np.tile([1, 1, 1, 8, 8], 2), masses=np.tile(masses, 2))
    free = velocity_autocorrelation(source)
    held = VacfOptions(degrees_of_freedom=21)
    found = velocity_autocorrelation(source, None, held)
    assert found.degrees_of_freedom == 21
    assert found.temperature_k == pytest.approx(free.temperature_k * 27 / 21)
    assert found.density_of_states().sum() * found.frequency_cm1[1] == pytest.approx(21, rel=1e-3)
    light = velocity_autocorrelation(source, "H", held)
    assert light.temperature_k is None and light.degrees_of_freedom is None
    np.testing.assert_array_equal(light.vacf, velocity_autocorrelation(source, "H").vacf)
    with pytest.raises(AnalysisError, match="H has no number of degrees of freedom"):
        light.density_of_states()
    same = velocity_autocorrelation(source, "H", VacfOptions(degrees_of_freedom=27))
    assert same.degrees_of_freedom == 18


def test_langevin_particles_forget_exponentially():
    friction = 5.0  # 1/ps
    v = relaxing(np.random.default_rng(3), 6000, 150, friction * 0.005)
    found = velocity_autocorrelation(
        frames_of(v, interval_ps=0.005, numbers=18, masses=39.95), None, VacfOptions(max_lag_ps=1))
    np.testing.assert_allclose(found.vacf, np.exp(-friction * found.lag_ps), atol=0.015)
    # A Lorentzian of half width friction / (2 pi c) = 26.5/cm, widened by the window.
    half = found.frequency_cm1[found.spectrum < 0.5 * found.spectrum[0]][0]
    assert 26.5 < half < 26.5 + 0.5 * found.resolution_cm1


def test_chunks_give_the_same_and_little_memory_takes_the_end():
    v = relaxing(np.random.default_rng(4), 500, 24, 0.02)
    source = frames_of(v, interval_ps=0.004)
    whole = velocity_autocorrelation(source)
    limit = 24 * 500 * 4 * 4 // 3  # four atoms at a time
    parts = velocity_autocorrelation(source, None, VacfOptions(memory_limit=limit))
    assert parts.note == ""
    np.testing.assert_allclose(parts.vacf, whole.vacf, rtol=1e-10, atol=1e-12)
    short = velocity_autocorrelation(source, None, VacfOptions(memory_limit=limit // 4))
    assert short.frames == 250
    assert short.note.startswith("the last 1 ps are used")
    end = velocity_autocorrelation(source, None, VacfOptions(start_ps=1.0))
    np.testing.assert_allclose(short.vacf, end.vacf, rtol=1e-10, atol=1e-12)
    with pytest.raises(AnalysisError, match="raise the limit"):
        velocity_autocorrelation(source, None, VacfOptions(memory_limit=limit // 16))


@pytest.mark.parametrize(("numbers", "interval_ps", "frames", "reason"), [
    (1, 0.005, 500, "5 fs apart are too coarse.*every 4 fs or closer .hydrogen."),
    ([8, 8, 1], 0.005, 500, "every 4 fs"),
    (8, 0.01, 500, "10 fs apart are too coarse.*every 8 fs or closer$"),
    (8, 0.008, 500, None),
    (1, 0.004, 500, None),
    (1, 0.004, 100, "0.396 ps of velocities are too short"),
])
def test_sampling_is_checked(numbers, interval_ps, frames, reason):
    v = relaxing(np.random.default_rng(5), frames, 3, 0.02)
    source = frames_of(v, interval_ps=interval_ps, numbers=numbers)
    element = "H" if numbers == 1 else "O"
    if reason is None:
        velocity_autocorrelation(source, element)
        return
    with pytest.raises(AnalysisError, match=reason):
        velocity_autocorrelation(source, element)


def test_other_refusals():
    source = frames_of(relaxing(np.random.default_rng(6), 400, 3, 0.02), interval_ps=0.004)
    with pytest.raises(AnalysisError, match="longest lag of 0.02 ps is too short"):
        velocity_autocorrelation(source, None, VacfOptions(max_lag_ps=0.02))
    with pytest.raises(AnalysisError, match="do not move"):
        velocity_autocorrelation(replace(source, positions=np.zeros((400, 3, 3))))
    with pytest.raises(AnalysisError, match="no atoms of element 'C'"):
        velocity_autocorrelation(source, "C")
