"""All analyses of a run together: what is taken from where, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trajectories_in_memory import frames_of, random_walk

from mdbench.analysis.diffusion import self_diffusion, yeh_hummer
from mdbench.analysis.msd import MsdOptions, mean_squared_displacement
from mdbench.analyze import analyze, analyze_run
from mdbench.combine import combine
from mdbench.frames import ArrayFrames
from mdbench.output.run_parts import RunData
from mdbench.output.thermo import ThermoTable
from mdbench.spec import Analysis

FRAMES = 1000


class InMemory(ArrayFrames):
    """As a trajectory in a file, whose cell may change."""

    def toroidal(self):
        return self


def run_of(trajectory, *, start_ps=0.0, **columns):
    """A run with thermodynamic columns of some scatter."""
    rng, steps = np.random.default_rng(1), np.arange(FRAMES)
    noise = {name: value * (1 + 0.01 * rng.standard_normal(FRAMES)) for name, value in columns.items()}
    return RunData("run", Path("run"), ThermoTable(steps, steps * 1.0, noise), trajectory, None, 300.0,
                   "npt", start_ps, {"num_atoms": len(trajectory.numbers), "ensemble": "npt"})


@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 1, 0), (0, 0, 0)])
def test_a_cell_with_an_open_side_has_no_density(pbc):
    """Where LAMMPS or mdbench ended it says nothing about the matter in it."""
    walk = frames_of(random_walk(np.random.default_rng(2), FRAMES, 5), pbc=pbc)
    walk = InMemory(**vars(walk))
    found = analyze_run(run_of(walk, Temp=300.0, PotEng=-5.0, Density=1.0, Volume=500.0, Press=1.0),
                        Analysis())
    of_volume = {"density", "volume", "pressure"}
    refused = {r["quantity"] for r in found["refused"] if "open side" in r["reason"]}
    assert refused == (set() if all(pbc) else of_volume)
    assert of_volume - refused == of_volume & found["thermo"]["quantities"].keys()
    assert {"temperature", "potential_energy_per_atom"} <= found["thermo"]["quantities"].keys()


def test_finite_size_correction_takes_the_mean_cell_of_production():
    edges = np.r_[np.full(FRAMES // 2, 30.0), np.full(FRAMES // 4, 20.0), np.full(FRAMES // 4, 22.0)]
    walk = frames_of(random_walk(np.random.default_rng(16), FRAMES, 50))
    walk = InMemory(**{**vars(walk), "cells": edges[:, None, None] * np.eye(3)})
    start_ps = FRAMES / 2.0
    found = analyze_run(run_of(walk, start_ps=start_ps, Temp=300.0),
                        Analysis.model_validate({"viscosity": "0.89 mPa s", "diffusion": ["O"]}))
    rate = self_diffusion(mean_squared_displacement(walk, "O", MsdOptions(start_ps=start_ps)))
    expected = yeh_hummer(rate, 21.0 * np.eye(3), walk.pbc, temperature_k=300.0,
                          viscosity_mpa_s=0.89)
    assert found["msd"]["O"]["yeh_hummer"]["value"] == pytest.approx(expected.value, rel=1e-5)


KELVINS = (340.0, 280.0, 300.0, 320.0)  # in no order, as a specification may list them


def of_temperatures(settings, kelvins=KELVINS):
    """Analysis of walks in small cells, one a temperature."""
    walks = [frames_of(random_walk(np.random.default_rng(i), FRAMES, 50), edge=20.0)
             for i in range(len(KELVINS))]
    runs = [replace(run_of(InMemory(**vars(walk)), Temp=kelvin), temperature_k=kelvin)
            for kelvin, walk in zip(KELVINS, walks, strict=True)]
    settings = Analysis.model_validate({"diffusion": ["O"], **settings})
    return analyze("x", runs, settings, kelvins)


@pytest.mark.parametrize("kelvins", [KELVINS, ()])
def test_each_temperature_has_its_viscosity_and_arrhenius_the_corrected_rates(kelvins):
    viscosities = (0.4, 1.4, 0.85, 0.6)
    found = of_temperatures({"viscosity": [f"{v} mPa s" for v in viscosities]}, kelvins)
    rates = {}
    for run, kelvin, viscosity in zip(found["runs"], KELVINS, viscosities, strict=True):
        rates[kelvin] = run["msd"]["O"]["yeh_hummer"]["value"]
        shift = rates[kelvin] - run["msd"]["O"]["diffusion"]["value"]
        # Yeh and Hummer 2004, in 1e-9 m2/s
        expected = 2.837297 * 1.380649e-23 * kelvin / (6 * np.pi * viscosity * 1e-3 * 20e-10) * 1e9
        assert shift == pytest.approx(expected, rel=1e-4)
    fit = found["combined"]["arrhenius"]["O"]
    assert fit["is_corrected"] and fit["temperature_k"] == sorted(KELVINS)
    assert fit["diffusion"] == pytest.approx([rates[t] for t in sorted(KELVINS)])
    for key in ("activation_energy", "prefactor"):
        assert fit[key]["method"].endswith(", with finite-size correction")


@pytest.mark.parametrize(("settings", "kelvins", "without"), [
    ({}, KELVINS, set()),
    ({"viscosity": "0.85 mPa s"}, KELVINS, set(KELVINS)),
    ({"viscosity": "0.85 mPa s"}, (), set(KELVINS)),
    ({"viscosity": ["1 cP"] * 4}, (*KELVINS[:3], 360.0), {320.0})])  # listed anew after the runs
def test_without_the_viscosity_of_each_temperature_none_is_corrected_in_arrhenius(
        settings, kelvins, without):
    found = of_temperatures(settings, kelvins)
    fit = found["combined"]["arrhenius"]["O"]
    assert not fit["is_corrected"]
    assert fit["activation_energy"]["method"].endswith(", without finite-size correction")
    plain = {r["temperature_k"]: r["msd"]["O"]["diffusion"]["value"] for r in found["runs"]}
    assert fit["diffusion"] == pytest.approx([plain[t] for t in sorted(KELVINS)])
    for run in found["runs"]:
        kelvin, corrected = run["temperature_k"], run["msd"]["O"]["yeh_hummer"]
        reasons = [r["reason"] for r in run["refused"] if "finite-size" in r["quantity"]]
        if kelvin in without:
            assert corrected is None
            assert reasons == [f"there is no viscosity for {kelvin:g} K: list one for each temperature"]
        else:
            assert (corrected is not None) == bool(settings) and reasons == []


@pytest.mark.parametrize(("frames", "noted"), [(FRAMES, False), (FRAMES - 1, False), (700, True)])
def test_frames_missing_at_the_end_are_noted(frames, noted):
    walk = frames_of(random_walk(np.random.default_rng(4), frames, 5))
    walk = InMemory(**vars(walk))
    notes = analyze_run(run_of(walk, Temp=300.0), Analysis())["notes"]
    assert ("the trajectory ends at 699 ps, the log at 999 ps" in notes) == noted
    assert any("trajectory ends" in note for note in notes) == noted


def test_a_trajectory_of_some_atoms_is_not_about_their_own_centre():
    """Which two ions of a salt share with each other, not with the water: D would be half."""
    walk = InMemory(**vars(frames_of(random_walk(np.random.default_rng(7), FRAMES, 2))))
    run, settings = run_of(walk, Temp=300.0), Analysis.model_validate({"diffusion": ["O"]})
    alone = analyze_run(run, settings)
    run.provenance["num_atoms"] = 1000
    among = analyze_run(run, settings)
    assert any("2 of 1000 atoms" in note for note in among["notes"])
    assert not any("atoms:" in note for note in alone["notes"])
    of_atoms = mean_squared_displacement(walk, "O", MsdOptions(remove_drift=False))
    assert among["msd"]["O"]["msd_ang2"][1] == pytest.approx(of_atoms.msd_ang2[1], rel=1e-5)
    assert among["msd"]["O"]["msd_ang2"][1] == pytest.approx(3.0, rel=0.1)  # D = 1/2
    assert alone["msd"]["O"]["msd_ang2"][1] == pytest.approx(1.5, rel=0.1)


def test_pairs_that_are_absent_are_refused_alone_and_notes_name_their_pair():
    rng = np.random.default_rng(5)
    lattice = 4.0 * np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3)
    solid = lattice + 0.2 * rng.standard_normal((FRAMES, 125, 3))
    x = np.concatenate([solid, rng.uniform(0.0, 20.0, (FRAMES, 6, 3))], axis=1)
    atoms = frames_of(x, numbers=[8] * 125 + [6] * 6, edge=20.0)
    settings = Analysis.model_validate({"rdf": ["O-O", "C-C", "O-Si"]})
    found = analyze_run(run_of(InMemory(**vars(atoms)), Temp=300.0), settings)
    assert list(found["rdf"]) == ["O-O", "C-C"]
    assert {"quantity": "O-Si RDF", "reason": "there is no Si"} in found["refused"]
    assert [n for n in found["notes"] if "maximum" in n] == [
        "C-C RDF: no second maximum stands out of the noise: no first minimum"]


@pytest.mark.parametrize(("settings", "is_refused"), [
    ({}, False), ({"profile": "O"}, True), ({"sheet": "Mo"}, True)])
def test_a_profile_that_was_asked_for_is_refused_aloud(settings, is_refused):
    walk = frames_of(random_walk(np.random.default_rng(7), FRAMES, 30), edge=20.0)
    found = analyze_run(run_of(InMemory(**vars(walk)), Temp=300.0), Analysis.model_validate(settings))
    sheet = settings.get("sheet", "C")
    refusal = {"quantity": "density profile of O", "reason":
               f"density of O over {sheet}: there is no {sheet}; analysis.sheet names the element of the sheet"}
    assert (refusal in found["refused"]) == is_refused


def of_temperature(kelvin, dimensions):
    rate = {"value": kelvin / 100, "error": 0.1, "unit": "1e-9 m2/s", "method": "", "n_eff": None}
    return {"temperature_k": kelvin, "provenance": {},
            "msd": {"O": {"dimensions": dimensions, "diffusion": rate, "yeh_hummer": None}}}


def test_temperatures_with_diffusion_in_other_directions_are_not_fitted():
    kelvins = (280.0, 300.0, 320.0, 340.0)
    combined, refused = combine([of_temperature(kelvin, "xy") for kelvin in kelvins])
    assert combined["arrhenius"]["O"]["dimensions"] == "xy" and refused == []
    combined, refused = combine([*(of_temperature(kelvin, "xy") for kelvin in kelvins),
                                 of_temperature(320.0, "xyz")])
    assert combined == {}
    assert refused == [{"quantity": "Arrhenius fit of O", "reason":
                        "runs take the diffusion in xy and xyz: these are different quantities"}]
