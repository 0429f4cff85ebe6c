"""Classical runs against inputs written by hand, against mathematics, and in both unit styles."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import classical
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from support import run_lmp

from mdbench.campaign import Options, run_campaign, run_path
from mdbench.engine import potentials_folder
from mdbench.molecules.data_file import read_molecules
from mdbench.output.run_data import open_run
from mdbench.run_once import single_point, start_of
from mdbench.spec import RunSpec
from mdbench.spec_file import load_spec
from mdbench.structure import water_box
from mdbench.subject import load_subject

COPPER = potentials_folder() / "Cu_u3.eam"
K_B_EV = 8.617333262e-5
K_B = 0.8314462618  # u Angstrom^2/ps^2/K
A3_BAR_EV = 6.241509e-7
EAM = f'kind = "eam"\nunits = "metal"\npotential_file = "{COPPER}"\n'
RIGID = partial(classical.water, angle_deg=classical.RIGID_ANGLE_DEG, r0=1.0)


def specification(folder, system, section, **sections):
    path = classical.write(folder, system)
    return RunSpec.model_validate({"system": {"file": str(path)}, "force_field": section,
                                   **sections})


def toml(section):
    """A table of plain values."""
    words = {True: "true", False: "false"}
    return "".join(f"{k} = {words.get(v) or v if isinstance(v, bool) else repr(v)}\n"
                   for k, v in section.items())


def run(folder: Path, system, section, **sections):
    """Run a specification to its end; its data."""
    folder.mkdir(exist_ok=True)
    if not isinstance(system, Path):
        system = classical.write(folder, system)
    text = f'[system]\nfile = "{system}"\n'
    text += f"[force_field]\n{section if isinstance(section, str) else toml(section)}" if section else ""
    sections["run"] = {"threads": 1, "equilibration": "0 fs", **sections.get("run", {})}
    text += "".join(f"[{name}]\n{toml(values)}" for name, values in sections.items())
    (folder / "run.toml").write_text(text)
    loaded = load_spec(folder / "run.toml")
    assert run_campaign(loaded, Options(quiet=True)) == "finished"
    return open_run(run_path(loaded, loaded.spec.variants()[0]))


# --- against inputs written by hand ---


KINDS = {
    "lj": (classical.argon, {"kind": "lj", "cutoff": "9 A"},
           "pair_style lj/cut 9.0\npair_modify mix arithmetic shift no", "", "atomic"),
    "lj-metal": (partial(classical.argon, units="metal"),
                 {"kind": "lj", "cutoff": "13 A", "units": "metal"},  # more than half the box
                 "pair_style lj/cut 13.0\npair_modify mix arithmetic shift no", "", "atomic"),
    "lj-coulomb": (classical.salt,
                   {"kind": "lj-coulomb", "cutoff": "6 A", "units": "metal", "kspace": "ewald",
                    "alpha": "0.25 1/A2", "kmax": [9, 9, 9], "mixing": "geometric"},
                   "pair_style lj/cut/coul/long 6.0\npair_modify mix geometric shift no",
                   "kspace_style ewald 1e-5\nkspace_modify gewald 0.5 kmax/ewald 9 9 9", "charge"),
    "cvff": (classical.chains,
             {"kind": "cvff", "cutoff": "7 A", "special_bonds": [0.0, 0.1, 0.5]},
             "pair_style lj/cut/coul/long 7.0\npair_modify mix arithmetic shift no\n"
             "bond_style harmonic\nangle_style harmonic\ndihedral_style harmonic\n"
             "improper_style harmonic\nspecial_bonds lj/coul 0.0 0.1 0.5",
             "kspace_style pppm 1e-5", "full"),
    "cvff-opls": (partial(classical.chains, "opls", "cvff"),
                  {"kind": "cvff", "cutoff": "7 A", "special_bonds": [0.0, 0.0, 1.0],
                   "dihedral": "opls", "improper": "cvff", "kspace": "ewald", "accuracy": 1e-7},
                  "pair_style lj/cut/coul/long 7.0\npair_modify mix arithmetic shift no\n"
                  "bond_style harmonic\nangle_style harmonic\ndihedral_style opls\n"
                  "improper_style cvff\nspecial_bonds lj/coul 0.0 0.0 1.0",
                  "kspace_style ewald 1e-7", "full"),
    "water": (partial(classical.water, 27, 9.3), {"kind": "cvff", "cutoff": "4.5 A"},
              "pair_style lj/cut/coul/long 4.5\npair_modify mix arithmetic shift no\n"
              "bond_style harmonic\nangle_style harmonic\nspecial_bonds lj/coul 0 0 0",
              "kspace_style pppm 1e-5", "full"),
}


@pytest.mark.parametrize("name", KINDS)
def test_energy_and_forces_are_those_of_a_plain_input(name, tmp_path):
    """Numbers come from the data file there, and from commands here."""
    make, section, styles, kspace, atom_style = KINDS[name]
    spec = specification(tmp_path, make(), section)
    point = single_point(spec, load_subject(spec))
    script = f"""
units {spec.force_field.units}
atom_style {atom_style}
{styles}
read_data system.data
{kspace}
thermo_style custom step pe evdwl ecoul elong ebond eangle edihed eimp
"""
    expected, forces = plain_point(f"{script}pair_modify table 0\n", tmp_path)
    assert list(point.energies.values()) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert np.abs(forces).max() > 0.01
    np.testing.assert_allclose(point.forces, forces, rtol=1e-10, atol=1e-10)
    # the script of a run has LAMMPS's tables of Coulomb forces
    short = {"timestep": "0.01 fs", "production": "0.01 fs", "minimize": False}
    ran = run(tmp_path / "run", make(), section, ensemble={"kind": "nve"}, run=short,
              output={"frames": "0.01 fs", "thermo": "0.01 fs"})
    unit = classical.KCAL_EV if spec.force_field.units == "real" else 1.0
    energy = plain_point(script, tmp_path)[0][0] * unit
    assert ran.thermo.columns["PotEng"][0] == pytest.approx(energy, rel=1e-9)


def plain_point(script, folder):
    """The energies of the last line that a script prints, and forces."""
    code, text = run_lmp(script + """thermo_modify norm no format float %.17g
run 0
write_dump all custom plain.dump fx fy fz modify sort id format float %.17g
""", folder)
    assert code == 0, text
    lines = text.splitlines()
    row = lines[next(i for i, line in enumerate(lines) if line.split()[:1] == ["Step"]) + 1]
    forces = np.loadtxt(folder / "plain.dump", skiprows=9)
    return [float(w) for w in row.split()[1:]], forces


def test_embedded_atoms_against_a_plain_input(tmp_path):
    spec = specification(tmp_path, classical.copper(),
                         {"kind": "eam", "units": "metal", "potential_file": str(COPPER)})
    point = single_point(spec, load_subject(spec))
    (energy,), forces = plain_point(f"""
units metal
read_data system.data
pair_style eam
pair_coeff 1 1 {COPPER}
thermo_style custom step pe
""", tmp_path)
    assert point.energies["PotEng"] == pytest.approx(energy, rel=1e-12)
    np.testing.assert_allclose(point.forces, forces, rtol=1e-10, atol=1e-10)


def lennard_jones(system, cutoff):
    """Cut, not shifted, arithmetic mixing, by brute force over images: energy and forces."""
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3) * system.lengths
    epsilon, sigma = np.array(system.pair_coefficients)[system.types - 1].T
    eps = np.sqrt(epsilon[:, None] * epsilon[None])
    sig = 0.5 * (sigma[:, None] + sigma[None])
    energy, forces = 0.0, np.zeros_like(system.positions)
    for shift in shifts:
        r = system.positions[:, None] - system.positions[None] + shift
        d2 = (r**2).sum(-1)
        if not shift.any():
            np.fill_diagonal(d2, np.inf)
        six = np.where(d2 < cutoff**2, (sig**2 / d2) ** 3, 0.0)
        energy += 0.5 * (4 * eps * (six**2 - six)).sum()
        forces += ((24 * eps * (2 * six**2 - six) / d2)[..., None] * r).sum(axis=1)
    return energy, forces


def test_lennard_jones_is_cut_and_mixed_as_said(tmp_path):
    """By brute force, with two types; no shift, no tail."""
    types = np.random.default_rng(1).integers(1, 3, 256)
    argon = replace(classical.argon(), types=types, masses=(39.948, 83.798), labels=("Ar", "Kr"),
                    pair_coefficients=((0.238, 3.405), (0.325, 3.636)))
    spec = specification(tmp_path, argon, {"kind": "lj", "cutoff": "9 A"})
    point = single_point(spec, load_subject(spec))
    energy, forces = lennard_jones(argon, 9.0)
    assert point.energies["PotEng"] == pytest.approx(energy, rel=1e-12)
    np.testing.assert_allclose(point.forces, forces, atol=1e-10)


def test_ewald_gives_the_madelung_constant(tmp_path):
    """Rock salt of bare charges; epsilon is 0."""
    edge, cells = 5.64, 2
    grid = np.stack(np.meshgrid(*[np.arange(2 * cells)] * 3, indexing="ij"), -1).reshape(-1, 3)
    charges = np.where(grid.sum(axis=1) % 2, -1.0, 1.0)
    salt = classical.plain(grid * edge / 2, edge * cells, (22.99, 35.453), ("Na", "Cl"),
                           np.where(charges > 0, 1, 2), atom_style="charge", charges=charges,
                           pair_coefficients=((0.0, 1.0), (0.0, 1.0)))
    for kspace in ("ewald", "pppm"):
        spec = specification(tmp_path, salt, {"kind": "lj-coulomb", "cutoff": "5.5 A",
                                              "kspace": kspace, "accuracy": 1e-8})
        energy = single_point(spec, load_subject(spec)).energies["PotEng"]
        expected = -1.7475645946 * 332.06371 * len(salt) / 2 / (edge / 2)
        assert energy == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["lj", "lj-coulomb", "cvff", "cvff-opls", "eam"])
def test_forces_are_minus_the_slope_of_the_energy(name, tmp_path):
    """Along two random directions of all atoms; Ewald sums, whose forces are exact slopes."""
    if name == "eam":
        make, section = classical.copper, {"kind": "eam", "units": "metal",
                                           "potential_file": str(COPPER)}
    else:
        make, section = KINDS[name][:2]
        if name == "cvff":
            section = {**section, "kspace": "ewald", "accuracy": 1e-8}
    system, rng, step = make(), np.random.default_rng(8), 1e-5
    spec = specification(tmp_path, system, section)
    forces = single_point(spec, load_subject(spec)).forces
    for _ in range(2):
        along = rng.normal(size=(len(system), 3))
        energies = []
        for sign in (1, -1):
            classical.write(tmp_path, replace(
                system, positions=system.positions + sign * step * along).wrapped())
            energies.append(single_point(spec, load_subject(spec)).energies["PotEng"])
        slope = (energies[0] - energies[1]) / (2 * step)
        assert -np.sum(forces * along) == pytest.approx(slope, rel=2e-6, abs=1e-4), section


# --- dynamics ---


def test_rigid_water_stays_rigid(tmp_path):
    """Over 1 ps; the temperature counts 3N - 3 - 3 x molecules degrees of freedom."""
    system = RIGID(64, 12.42)
    data = run(tmp_path, system, {"kind": "cvff", "shake": True, "cutoff": "6 A"},
               ensemble={"kind": "nve"},
               run={"timestep": "2 fs", "production": "1 ps", "segment": "0.3 ps"},
               output={"format": "custom", "frames": "20 fs", "thermo": "20 fs",
                       "velocities": "20 fs"})
    across = 2 * math.sin(math.radians(classical.RIGID_ANGLE_DEG / 2))
    frames = list(data.trajectory.frames())
    assert len(frames) == 51
    for frame in frames[1:]:
        o, a, b = (frame.positions[k::3] for k in range(3))
        for one, other, length in ((o, a, 1.0), (o, b, 1.0), (a, b, across)):
            np.testing.assert_allclose(np.linalg.norm(one - other, axis=1), length, atol=1e-5)
    free = 3 * 192 - 3 - 3 * 64
    steps, temperature = data.thermo.steps, data.thermo.columns["Temp"]
    for frame in list(data.velocities.frames())[1:]:
        kinetic = (data.trajectory.masses[:, None] * frame.positions**2).sum()
        assert temperature[steps == frame.step][0] == pytest.approx(kinetic / free / K_B, rel=1e-4)
    energy = data.thermo.columns["TotEng"]
    assert np.ptp(energy[1:]) / 192 < 5e-4  # eV
    assert abs(energy[1] - energy[0]) / 192 < 1e-3  # the first step, which SHAKE halves


def test_drawn_velocities_have_the_temperature(tmp_path):
    """Also where bonds take degrees of freedom away; no drift; nothing along rigid bonds."""
    for system, section, removed in (
        (RIGID(27, 9.3), {"kind": "cvff", "shake": True, "cutoff": "4.5 A"}, 3 * 27),
        (classical.water(27, 9.3), {"kind": "cvff", "cutoff": "4.5 A"}, 0),
        (classical.copper(), {"kind": "eam", "units": "metal", "potential_file": str(COPPER)}, 0),
    ):
        spec = specification(tmp_path, system, section, ensemble={"temperature": 350})
        subject = load_subject(spec)
        start = start_of(spec, spec.variants()[0], subject)
        unit = 1e3 if system.units == "real" else 1.0
        masses = subject.atoms.get_masses()[:, None]
        velocities = start.velocities * unit
        free = 3 * len(system) - 3 - removed
        assert (masses * velocities**2).sum() / free / K_B == pytest.approx(350, rel=1e-5)
        assert np.abs((masses * velocities).sum(axis=0)).max() < 1e-5 * masses.sum()
        if removed:
            moved = replace(system, positions=start.positions, images=start.images).unwrapped()
            for pair in ((0, 1), (0, 2), (1, 2)):
                bond, speed = (x[pair[0]::3] - x[pair[1]::3] for x in (moved, velocities))
                assert np.abs((bond * speed).sum(axis=1)).max() < 1e-3 * np.abs(speed).max()


@pytest.mark.parametrize(("system", "section", "timestep", "bound_mev"), [
    (classical.water(64, 12.42), {"kind": "cvff", "cutoff": "6 A"}, "0.5 fs", 0.2),
    (classical.copper(), EAM, "2 fs", 0.02),
])
def test_energy_is_conserved(system, section, timestep, bound_mev, tmp_path):
    """Over 2 ps and 5 segments, meV an atom; fluctuations of a step are left out by the fit."""
    data = run(tmp_path, system, section, ensemble={"kind": "nve", "temperature": 300},
               run={"timestep": timestep, "equilibration": "0.2 ps", "production": "2 ps",
                    "segment": "0.4 ps"}, output={"thermo": "4 fs"})
    kept = data.thermo.times_ps > data.equilibration_ps
    times, energy = data.thermo.times_ps[kept], data.thermo.columns["TotEng"][kept]
    drift = np.polyfit(times, energy, 1)[0] * 2.0 / len(system) * 1000
    assert abs(drift) < bound_mev
    assert np.ptp(data.thermo.columns["PotEng"][kept]) / len(system) > 1e-3  # it moves


@pytest.mark.parametrize(("thermostat", "canonical"), [
    ("nose-hoover", True), ("csvr", True), ("langevin", True), ("berendsen", False),
    ("rescale", False)])
def test_thermostats_hold_the_temperature(thermostat, canonical, tmp_path):
    data = run(tmp_path, classical.argon(), {"kind": "lj", "cutoff": "8 A"},
               ensemble={"thermostat": thermostat, "temperature": 120, "tdamp": "40 fs"},
               run={"timestep": "4 fs", "equilibration": "2 ps", "production": "12 ps",
                    "segment": "5 ps"}, output={"thermo": "20 fs"})
    kept = data.thermo.times_ps > data.equilibration_ps
    temperature = data.thermo.columns["Temp"][kept]
    assert temperature.mean() == pytest.approx(120, abs=1.2)
    spread = temperature.std() / (120 * math.sqrt(2 / (3 * 255)))
    assert (0.85 < spread < 1.15) if canonical else spread < 0.5


@pytest.mark.parametrize(("thermostat", "barostat"), [
    ("berendsen", "berendsen"), ("nose-hoover", "berendsen"), ("nose-hoover", "nose-hoover")])
def test_barostats_reach_the_same_density(thermostat, barostat, tmp_path):
    """A stretched crystal of argon at 40 K shrinks to the density without pressure."""
    ensemble = {"kind": "npt", "thermostat": thermostat, "barostat": barostat,
                "temperature": 40, "pressure": "1 bar", "pdamp": "1 ps"}
    if barostat == "berendsen":
        ensemble["bulk_modulus"] = "2 GPa"
    data = run(tmp_path, classical.argon(density_edge=5.55), {"kind": "lj", "cutoff": "10 A"},
               ensemble=ensemble, run={"timestep": "4 fs", "production": "16 ps",
                                       "segment": "4 ps"}, output={"thermo": "40 fs"})
    density = data.thermo.columns["Density"]
    assert density[0] == pytest.approx(1.552, abs=0.002)
    half = data.thermo.times_ps > 8
    assert density[half].mean() == pytest.approx(1.7204, abs=0.0015)  # experiment: 1.736
    assert abs(data.thermo.columns["Press"][half].mean()) < 100


# --- units, velocities, formats ---


def test_units_real_and_metal_are_the_same_physics(tmp_path):
    """What is read from a run is in the same units, whatever LAMMPS computed in."""
    section = {"kind": "lj", "cutoff": "9 A"}
    common = {"ensemble": {"kind": "npt", "temperature": 100, "pressure": "50 bar"},
              "run": {"timestep": "4 fs", "production": "1.6 ps", "equilibration": "0.4 ps",
                      "segment": "0.8 ps"},
              "output": {"thermo": "20 fs", "frames": "80 fs", "velocities": "80 fs"}}
    real = run(tmp_path / "real", classical.argon(), section, **common)
    metal = run(tmp_path / "metal", classical.argon(units="metal"),
                {**section, "units": "metal"}, **common)
    assert np.array_equal(real.thermo.steps, metal.thermo.steps)
    np.testing.assert_array_equal(real.thermo.times_ps, metal.thermo.times_ps)
    for name, tolerance in (("Temp", 0.01), ("PotEng", 1e-3), ("TotEng", 1e-3), ("Press", 2.0),
                            ("Density", 1e-4), ("Volume", 1.0), ("Fmax", 1e-3), ("Time", 1e-9)):
        a, b = (d.thermo.columns[name] for d in (real, metal))
        np.testing.assert_allclose(a, b, atol=tolerance, err_msg=name)
    for kind, tolerance in (("trajectory", 0.01), ("velocities", 0.02)):
        a, b = getattr(real, kind), getattr(metal, kind)
        np.testing.assert_array_equal(a.times_ps, b.times_ps)
        for one, other in zip(a.frames(), b.frames(), strict=True):
            np.testing.assert_allclose(one.positions, other.positions, atol=tolerance)
            if kind == "trajectory":
                np.testing.assert_allclose(one.cell, other.cell, atol=1e-3)
    speeds = next(real.velocities.frames(10)).positions  # Angstrom/ps
    assert (39.948 * speeds**2).sum() / (3 * 255) / K_B == pytest.approx(
        real.thermo.columns["Temp"][real.thermo.steps == real.velocities.steps[10]][0], rel=1e-3)
    assert real.provenance["ns_per_day"] > 0


def test_pressure_is_that_of_the_virial(tmp_path):
    """In bar, from forces by brute force in kcal/mol: P V = N k T + sum r f / 3."""
    system = classical.argon()
    data = run(tmp_path, classical.with_velocities(system, 50.0), {"kind": "lj", "cutoff": "9 A"},
               ensemble={"kind": "nve"}, run={"production": "20 fs", "timestep": "4 fs",
                                              "velocities": "file", "minimize": False},
               output={"frames": "20 fs", "thermo": "4 fs"})
    step = 1e-5  # virial by scaling everything
    energies = []
    for scale in (1 + step, 1 - step):
        big = replace(system, positions=system.positions * scale, high=system.high * scale)
        energies.append(lennard_jones(big, 9.0 * scale)[0])  # no pair crosses the cutoff
    virial = -(energies[0] - energies[1]) / (6 * step) * classical.KCAL_EV
    volume = float(np.prod(system.lengths))
    temperature = data.thermo.columns["Temp"][0]
    pressure = ((len(system) - 1) * K_B_EV * temperature + virial) / volume / A3_BAR_EV
    assert data.thermo.columns["Press"][0] == pytest.approx(pressure, rel=1e-4)


@pytest.mark.parametrize("units", ["real", "metal"])
def test_velocities_of_the_file_are_used(units, tmp_path):
    system = classical.with_velocities(classical.argon(units=units), 90.0)
    data = run(tmp_path, system, {"kind": "lj", "units": units}, ensemble={"kind": "nve"},
               run={"production": "40 fs", "timestep": "4 fs", "velocities": "file",
                    "minimize": False},
               output={"frames": "4 fs", "thermo": "4 fs", "velocities": "4 fs",
                       "format": "custom"})
    unit = 1e3 if units == "real" else 1.0
    frames = list(data.velocities.frames())
    np.testing.assert_allclose(frames[0].positions, system.velocities * unit, rtol=1e-5, atol=1e-5)
    kinetic = (39.948 * (system.velocities * unit) ** 2).sum() / K_B / (3 * 255)
    assert data.thermo.columns["Temp"][0] == pytest.approx(kinetic, rel=1e-5)
    places = [f.positions for f in data.trajectory.frames()]
    middle = (places[2] - places[0]) / 8e-3
    np.testing.assert_allclose(middle, frames[1].positions, atol=0.02)  # Angstrom/ps
    np.testing.assert_allclose(read_molecules(tmp_path / "system.data", units).velocities,
                               system.velocities)


def test_velocities_of_the_file_are_used_by_models(tmp_path):
    atoms = water_box(8, 6.3)
    speeds = np.random.default_rng(2).normal(size=(24, 3)) * 3
    atoms.set_velocities(speeds / 98.22694750253277)  # ASE's unit, of Angstrom/ps
    atoms.calc = SinglePointCalculator(atoms)
    write(tmp_path / "water.xyz", atoms)
    assert read(tmp_path / "water.xyz").has("momenta")
    data = run(tmp_path, tmp_path / "water.xyz", "", ensemble={"kind": "nve"},
               run={"production": "10 fs", "velocities": "file", "minimize": False},
               output={"frames": "1 fs", "thermo": "1 fs", "velocities": "1 fs"})
    found = next(iter(data.velocities.frames())).positions
    np.testing.assert_allclose(found, speeds, atol=1e-4)


def test_every_format_holds_the_same_places(tmp_path):
    """In units real: xtc is in nm, the others in Angstrom, all of them unwrapped when read."""
    places = {}
    for form in ("xtc", "custom", "dcd", "extxyz"):
        data = run(tmp_path / form, classical.argon(), {"kind": "lj", "cutoff": "8 A"},
                   ensemble={"temperature": 300},
                   run={"timestep": "4 fs", "production": "400 fs", "segment": "200 fs"},
                   output={"format": form, "frames": "40 fs"})
        # the reader of xtc uses its arrays again
        places[form] = [replace(f, positions=f.positions.copy()) for f in data.trajectory.frames()]
        np.testing.assert_allclose(data.trajectory.times_ps, np.arange(11) * 0.04)
    moved = np.abs(places["custom"][-1].positions - places["custom"][0].positions).max()
    assert moved > 0.5
    for form, frames in places.items():
        for frame, same in zip(frames, places["custom"], strict=True):
            away = frame.positions - frames[0].positions
            expected = same.positions - places["custom"][0].positions
            np.testing.assert_allclose(away, expected, atol=2.5e-3, err_msg=form)
            np.testing.assert_allclose(frame.cell, same.cell, atol=1e-4)
