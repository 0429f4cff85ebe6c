import numpy as np
import pytest
from scipy.signal import lfilter

from mdbench.analysis.thermo import degrees_of_freedom, thermo_averages
from mdbench.errors import AnalysisError

ATOMS = 40
FREEDOM = 3 * ATOMS - 3


def canonical(rows, temperature_k=300.0, seed=0):
    """Kinetic temperatures of a canonical ensemble, independent from row to row."""
    return temperature_k * np.random.default_rng(seed).chisquare(FREEDOM, rows) / FREEDOM


def columns(rows=5000, seed=0):
    rng = np.random.default_rng(seed + 100)
    noise = lfilter([1.0], [1.0, -0.8], rng.normal(size=rows))
    return {"Temp": canonical(rows, seed=seed), "PotEng": ATOMS * (-5.0 + 0.01 * noise),
            "TotEng": ATOMS * (-4.9 + 0.01 * noise), "Press": 1000 * rng.normal(size=rows),
            "Density": 1.0 + 0.01 * noise, "Volume": np.full(rows, 400.0)}


def test_averages_and_errors():
    t = np.arange(5000) * 0.01
    result = thermo_averages(t, columns(), ATOMS, ensemble="nvt", start_ps=10.0,
                             temperature_k=300.0)
    q = result.quantities
    assert result.equilibration_ps == pytest.approx(10.0) and not result.refused
    assert q["temperature"].error == pytest.approx(300 * np.sqrt(2 / FREEDOM / 4000), rel=0.15)
    assert q["potential_energy_per_atom"].value == pytest.approx(-5.0, abs=0.005)
    # AR(1): variance 1 / (1 - phi^2), g = (1 + phi) / (1 - phi) = 9
    assert q["potential_energy_per_atom"].error == pytest.approx(0.01 / 0.6 * 3 / 4000**0.5,
                                                                  rel=0.2)
    assert q["volume"].value == 400.0 and q["volume"].error == 0.0
    assert {n: e.unit for n, e in q.items()} == {
        "temperature": "K", "potential_energy_per_atom": "eV", "total_energy_per_atom": "eV",
        "pressure": "bar", "density": "g/cm3", "volume": "A3"}
    assert result.drift_mev_per_atom_per_ns is None and result.notes == ()


def test_equilibration_is_found_or_named():
    data = columns()
    t = np.arange(5000) * 0.01
    data["PotEng"] = data["PotEng"] + ATOMS * np.exp(-t / 2)
    found = thermo_averages(t, data, ATOMS)
    assert 5 < found.equilibration_ps < 20
    assert found.quantities["potential_energy_per_atom"].value == pytest.approx(-5.0, abs=0.005)
    early = thermo_averages(t, data, ATOMS, start_ps=0.0)
    assert "settles only at about" in early.notes[0] and early.equilibration_ps == 0.0


def test_canonical_width_and_mean_of_temperature():
    t = np.arange(5000) * 0.01
    names = {"ensemble": "nvt", "start_ps": 0.0}
    right = thermo_averages(t, {"Temp": canonical(5000)}, ATOMS, temperature_k=300.0, **names)
    ratio = right.temperature_variance_ratio
    assert abs(ratio.value - 1) < 3 * ratio.error < 0.1 and right.notes == ()
    hot = thermo_averages(t, {"Temp": canonical(5000)}, ATOMS, temperature_k=295.0, **names)
    assert len(hot.notes) == 1 and "thermostat's 295" in hot.notes[0]
    narrow = 300 + 0.7 * (canonical(5000) - 300)  # as a rescaling thermostat gives it
    notes = thermo_averages(t, {"Temp": narrow}, ATOMS, temperature_k=300.0, **names).notes
    assert len(notes) == 1 and "variance" in notes[0]
    ratios = [thermo_averages(t[:400], {"Temp": canonical(400, seed=i)}, ATOMS, **names)
              .temperature_variance_ratio for i in range(200)]
    assert 0.58 < np.mean([abs(r.value - 1) < r.error for r in ratios]) < 0.78


@pytest.mark.parametrize("digits", [None, 6])
def test_degrees_of_freedom_of_rigid_molecules_are_those_of_the_log(digits):
    """Where the log has energies; 6 digits an atom is what RBMD writes."""
    t, freedom, rng = np.arange(5000) * 0.01, 2 * ATOMS - 3, np.random.default_rng(4)
    temperature_k = 300.0 * rng.chisquare(freedom, 5000) / freedom
    kinetic_ev = 0.5 * freedom * 8.617333262e-5 * temperature_k
    potential_ev = ATOMS * (-5.0 + 0.01 * rng.normal(size=5000))
    data = {"Temp": temperature_k, "PotEng": potential_ev, "TotEng": potential_ev + kinetic_ev}
    if digits:
        data = {n: np.array([float(f"{x:.{digits}g}") for x in c / ATOMS]) * ATOMS
                for n, c in data.items()}
    names = {"ensemble": "nvt", "start_ps": 0.0, "temperature_k": 300.0}
    told = thermo_averages(t, data, ATOMS, **names)
    assert abs(told.temperature_variance_ratio.value - 1) < 3 * told.temperature_variance_ratio.error
    assert told.notes == ()
    untold = thermo_averages(t, {"Temp": data["Temp"]}, ATOMS, **names)
    assert untold.temperature_variance_ratio.value == pytest.approx(FREEDOM / freedom, rel=0.1)
    assert "variance" in untold.notes[0]


@pytest.mark.parametrize("names", [("KinEng",), ("TotEng", "PotEng")])
def test_degrees_of_freedom_by_whatever_the_log_has(names):
    """Also behind a row at rest."""
    rng, freedom = np.random.default_rng(5), 5 * ATOMS // 2 - 3
    kelvin = np.r_[0.0, 100 * (1 + 0.05 * rng.normal(size=99))]
    kinetic = 0.5 * freedom * 8.617333262e-5 * kelvin
    potential = -3.0 * ATOMS + rng.normal(size=100)
    columns = {"PotEng": potential, "TotEng": potential + kinetic, "KinEng": kinetic}
    found = degrees_of_freedom({"Temp": kelvin, **{n: columns[n] for n in names}}, ATOMS)
    assert found == pytest.approx(freedom, rel=1e-9)
    assert degrees_of_freedom({"Temp": 0 * kelvin, "KinEng": kinetic}, ATOMS) == 3 * ATOMS - 3
    assert degrees_of_freedom({"KinEng": kinetic}, ATOMS) == 3 * ATOMS - 3


def test_digits_that_a_log_leaves_out_hold_no_bonds():
    """Eight digits of the energies of 3000 atoms leave 0.1 eV out, the kinetic energy of 8 of them."""
    atoms = 3000
    for seed in range(40):
        rng = np.random.default_rng(seed)
        kelvin = 100 * (1 + 0.02 * rng.normal(size=50))
        kinetic = 0.5 * (3 * atoms - 3) * 8.617333262e-5 * kelvin
        potential = -694.0 * atoms + rng.normal(size=50)
        columns = {"Temp": kelvin, "PotEng": potential, "TotEng": potential + kinetic}
        columns = {n: np.array([float(f"{x:.8g}") for x in c]) for n, c in columns.items()}
        assert degrees_of_freedom(columns, atoms) == 3 * atoms - 3


def test_variance_of_short_correlated_runs_is_not_too_small():
    rng = np.random.default_rng(2)
    noise = lfilter([1.0], [1.0, -0.8], rng.normal(size=(200, 140)))[:, 60:] * 0.6
    ratios = [thermo_averages(np.arange(80) * 0.01, {"Temp": 300 * (1 + x * (2 / FREEDOM) ** 0.5)},
                              ATOMS, ensemble="nvt", start_ps=0.0).temperature_variance_ratio
              for x in noise]
    # g = 9 of 80 samples: without correction 0.89
    assert np.mean([r.value for r in ratios if r]) == pytest.approx(1.0, abs=0.06)


def test_errors_of_the_variance_of_few_correlation_times():
    """Of 12 independent temperatures: 42 of 100 lay beyond one error."""
    phi = 23 / 25
    noise = np.random.default_rng(6).normal(size=(400, 500)) * (1 - phi**2) ** 0.5
    series = lfilter([1.0], [1.0, -phi], noise)[:, 200:]
    ratios = [thermo_averages(np.arange(300) * 0.01, {"Temp": 300 * (1 + x * (2 / FREEDOM) ** 0.5)},
                              ATOMS, ensemble="nvt", start_ps=0.0).temperature_variance_ratio
              for x in series]
    assert sum(r is None for r in ratios) < 20
    assert np.mean([abs(r.value - 1) > r.error for r in ratios if r]) < 0.34


def test_drift_of_nve():
    t = np.arange(5000) * 0.01
    noise = 1e-5 * np.random.default_rng(1).normal(size=5000)
    energy = {"TotEng": ATOMS * (-4.9 + 2e-6 * t + noise)}  # 2e-6 eV/ps = 2 meV/ns
    drift = thermo_averages(t, energy, ATOMS, ensemble="nve", start_ps=0.0)
    drift = drift.drift_mev_per_atom_per_ns
    assert abs(drift.value - 2.0) < 3 * drift.error < 0.1 and drift.unit == "meV/atom/ns"


def test_series_are_thinned_by_means():
    t = np.arange(4100) * 0.01
    series = thermo_averages(t, {"Temp": canonical(4100)}, ATOMS).series
    assert len(series["time_ps"]) == 1367 and series["time_ps"][1] == pytest.approx(0.04)
    assert series["temperature"][-1] == pytest.approx(canonical(4100)[-2:].mean())
    assert len(thermo_averages(t[:50], {"Temp": canonical(50)}, ATOMS).series["time_ps"]) == 50


@pytest.mark.parametrize(("settled", "says"), [
    (0.0, None), (0.2, "settles only then"), (0.7, "settles only then, if at all; run longer")])
def test_what_is_left_out_is_said(settled, says):
    """The averages of a log without a plan are of a part of it."""
    t = np.arange(2000) * 0.01
    drift = np.maximum(settled * 20.0 - t, 0.0) * ATOMS
    noise = np.random.default_rng(3).normal(size=len(t))
    found = thermo_averages(t, {"Temp": canonical(len(t)), "PotEng": drift + noise}, ATOMS)
    assert found.equilibration_ps == pytest.approx(settled * 20.0, abs=0.6)
    if says is None:
        assert found.notes == ()
    else:
        assert found.notes[0].endswith(says)
        assert f"0 to {found.equilibration_ps:g} ps are left out: the potential energy" in found.notes[0]


def test_refusals():
    t = np.arange(100) * 0.01
    with pytest.raises(AnalysisError, match="3 rows"):
        thermo_averages(t, {"Temp": canonical(100)}, ATOMS, start_ps=0.965)
    with pytest.raises(AnalysisError, match="none of Temp"):
        thermo_averages(t, {"Lx": t}, ATOMS)
    result = thermo_averages(t, {"Temp": canonical(100), "PotEng": t}, ATOMS, start_ps=0.0)
    assert "run longer" in result.refused["potential_energy_per_atom"]
    assert list(result.quantities) == ["temperature"]
    cold = thermo_averages(t, {"Temp": np.zeros(100)}, ATOMS, ensemble="nvt")
    assert "zero" in cold.refused["temperature_variance_ratio"]
