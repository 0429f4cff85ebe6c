"""Runs for RBMD: what is written is what the specification means, to the last digit."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import classical
import numpy as np
import pytest
from hostile import HOSTILE
from rbmd_reader import HEAD, TERMS, read_as_rbmd
from support import BIN, ROOT

from mdbench.engine import open_lammps, potentials_folder
from mdbench.errors import MdbenchError, RunError
from mdbench.model import inspect
from mdbench.molecules.data_file import read_molecules
from mdbench.molecules.write import write_molecules
from mdbench.rbmd.control import Control
from mdbench.rbmd.control_text import to_json
from mdbench.rbmd.dialects import DIALECTS
from mdbench.rbmd.export import export
from mdbench.rbmd.velocities import draw_velocities
from mdbench.run_folder import sha256_of
from mdbench.spec import RunSpec

ENGINES = list(DIALECTS)
COPPER = potentials_folder() / "Cu_u3.eam"
RUN = {"minimize": False, "timestep": "2 fs", "equilibration": "1 ps", "production": "2 ps"}


def no_impropers(system):
    return replace(system, terms={n: t for n, t in system.terms.items() if n != "improper"})


# system, force field; the LAMMPS commands that compute it, written by hand
EWALD = "kspace_style ewald 1e-5\nkspace_modify gewald 0.45 kmax/ewald 9 9 9"
COULOMB = {"alpha": "0.2025 1/A2", "kspace": "ewald", "kmax": [9, 9, 9]}
MOLECULES = (f"pair_style lj/cut/coul/long 6.0\npair_modify mix arithmetic\n"
             f"bond_style harmonic\nangle_style harmonic\n{EWALD}\n")
CASES = {
    "lj": (lambda: classical.argon(), {"kind": "lj", "cutoff": "8.5 A"},
           "pair_style lj/cut 8.5\npair_modify mix arithmetic"),
    "lj-metal": (lambda: classical.argon(units="metal"),
                 {"kind": "lj", "cutoff": "8.5 A", "units": "metal"},
                 "pair_style lj/cut 8.5\npair_modify mix arithmetic"),
    "salt": (lambda: classical.salt(),
             {"kind": "lj-coulomb", "cutoff": "6 A", "units": "metal", **COULOMB},
             f"pair_style lj/cut/coul/long 6.0\npair_modify mix arithmetic\n{EWALD}"),
    "water": (lambda: classical.water(), {"kind": "cvff", "cutoff": "6 A", **COULOMB},
              MOLECULES + "special_bonds lj/coul 0 0 0"),
    "rigid-water": (lambda: classical.water(),
                    {"kind": "cvff", "cutoff": "6 A", "shake": True, **COULOMB},
                    MOLECULES + "special_bonds lj/coul 0 0 0"),
    "chains": (lambda: no_impropers(classical.chains()),
               {"kind": "cvff", "cutoff": "6 A", "special_bonds": [0, 0, 1], **COULOMB},
               MOLECULES + "dihedral_style harmonic\nspecial_bonds lj/coul 0 0 1"),
    "eam": (lambda: classical.copper(),
            {"kind": "eam", "units": "metal", "potential_file": str(COPPER)},
            f"pair_style eam\npair_coeff * * {COPPER}\nmass 1 63.546"),
}
ONLY_20 = {
    "impropers": (lambda: classical.chains("opls", "cvff"),
                  {"kind": "cvff", "cutoff": "6 A", "special_bonds": [0, 0.25, 0.5],
                   "dihedral": "opls", "improper": "cvff", **COULOMB},
                  MOLECULES + "dihedral_style opls\nimproper_style cvff\n"
                  "special_bonds lj/coul 0 0.25 0.5"),
}
ALL = CASES | ONLY_20
BOTH = [(e, c) for e in ENGINES for c in CASES] + [("rbmd-2.0", c) for c in ONLY_20]


def stretching(system, velocities):
    """Speeds at which the three distances in each angle's atoms change."""
    first, second = system.of("angle").atoms[:, [0, 1, 2]], system.of("angle").atoms[:, [1, 2, 0]]
    apart = system.positions[second] - system.positions[first]
    apart -= np.round(apart / system.lengths) * system.lengths
    rate = ((velocities[second] - velocities[first]) * apart).sum(-1)
    return rate / np.linalg.norm(apart, axis=-1)


def specify(folder, case, run=None, **sections):
    system, field, _ = ALL[case]
    path = classical.write(folder, system())
    return RunSpec.model_validate({
        "name": case, "system": {"file": str(path)}, "force_field": field,
        "run": RUN | (run or {}), **sections})


def control(folder):
    return Control.model_validate(json.loads((folder / "rbmd.json").read_text()))


def point(data, case, *, more="", temperature=False):
    """Energy and forces by LAMMPS, and with the velocities of the file the temperature."""
    system, _, commands = ALL[case]
    given = system()
    lmp = open_lammps()
    # styles come before the file that holds their coefficients, coefficients behind it
    lines = commands.split("\n")
    before = [x for x in lines if "_coeff" not in x and not x.startswith(("mass", "kspace"))]
    behind = [x for x in lines if x not in before]
    try:
        lmp.commands_string("\n".join([
            f"units {given.units}", f"atom_style {given.atom_style}", "atom_modify map yes",
            *before, f"read_data {data}", *behind, more, "run 0 post no"]))
        count = lmp.get_natoms()
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(count, 3)
        return lmp.get_thermo("temp" if temperature else "pe"), forces
    finally:
        lmp.close()


@pytest.mark.parametrize(("engine", "case"), BOTH)
def test_system_is_the_same_to_the_last_digit(tmp_path, engine, case):
    spec = specify(tmp_path, case)
    (folder,) = export(spec, engine, tmp_path / "out")
    before, after = ALL[case][0](), read_molecules(folder / "rbmd.data", spec.force_field.units)
    assert after.atom_style == before.atom_style
    np.testing.assert_allclose(after.unwrapped(), before.unwrapped(), rtol=0, atol=1e-12)
    assert (after.positions >= after.low).all()
    assert (after.positions < after.high).all()
    for name in ("low", "high", "types", "charges", "molecules"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert after.masses == before.masses
    assert after.labels == before.labels
    for name, terms in before.terms.items():
        np.testing.assert_array_equal(after.of(name).kinds, terms.kinds)
        np.testing.assert_array_equal(after.of(name).atoms, terms.atoms)
        assert after.of(name).coefficients == terms.coefficients
    assert after.pair_coefficients == before.pair_coefficients
    energy, forces = point(tmp_path / "system.data", case)
    exported_energy, exported_forces = point(folder / "rbmd.data", case)
    assert abs(energy) > 0.1
    assert exported_energy == pytest.approx(energy, rel=1e-12, abs=0)
    np.testing.assert_allclose(exported_forces, forces, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("engine", "case"), BOTH)
def test_rbmd_finds_every_number_of_the_data_file(tmp_path, engine, case):
    """Both lines of RBMD look for words in lines, and for numbers below them."""
    spec = specify(tmp_path, case)
    (folder,) = export(spec, engine, tmp_path / "out")
    system = read_molecules(folder / "rbmd.data", spec.force_field.units)
    style = control(folder).init_configuration.read_data.atom_style
    found = read_as_rbmd(folder / "rbmd.data", style, has_impropers=engine == "rbmd-2.0")
    assert found.box == {a: (system.low[i], system.high[i]) for i, a in enumerate("xyz")}
    terms = {title: system.of(title.lower().removesuffix("s")) for title in TERMS}
    counts = dict.fromkeys(HEAD, 0) | {"atoms": len(system), "atom types": len(system.masses)}
    for title, term in terms.items():
        counts[title.lower()] = len(term.kinds)
        counts[title.lower().removesuffix("s") + " types"] = len(term.coefficients)
    assert found.counts == counts
    rows = np.array(found.sections["Atoms"])
    np.testing.assert_array_equal(rows[:, -3:], system.positions)
    np.testing.assert_array_equal(np.array(found.sections["Velocities"])[:, 1:], system.velocities)
    assert [r[1] for r in found.sections["Masses"]] == list(system.masses)
    np.testing.assert_array_equal(rows[:, 2 if style == "full" else 1], system.types)
    if style != "atomic":
        np.testing.assert_array_equal(rows[:, -4], system.charges)
    for title, term in terms.items():
        if len(term.kinds):
            np.testing.assert_array_equal(np.array(found.sections[title])[:, 2:], term.atoms + 1)


@pytest.mark.parametrize("wrong", ["positions", "charges"])
def test_a_file_that_gives_another_energy_is_not_left(tmp_path, monkeypatch, wrong):
    def write(path, system, elements, *, coefficients):
        changed = getattr(system, wrong) * (1 + 1e-7)
        write_molecules(path, replace(system, **{wrong: changed}), elements,
                        coefficients=coefficients)

    monkeypatch.setattr("mdbench.rbmd.export.write_molecules", write)
    with pytest.raises(RunError, match="the exported file gives other energies"):
        export(specify(tmp_path, "water"), "rbmd-2.2", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["system.data"]


@pytest.mark.parametrize("engine", ENGINES)
def test_atoms_outside_of_the_box_are_put_into_it(tmp_path, engine):
    spec = specify(tmp_path, "chains")
    inside = ALL["chains"][0]()
    away = np.random.default_rng(2).integers(-2, 3, inside.positions.shape)
    outside = replace(inside, positions=inside.positions + away * inside.lengths)
    classical.write(tmp_path, outside)
    (folder,) = export(spec, engine, tmp_path / "out")
    after = read_molecules(folder / "rbmd.data", "real")
    np.testing.assert_allclose(after.positions, inside.positions, rtol=0, atol=1e-12)
    np.testing.assert_allclose(after.unwrapped(), outside.unwrapped(), rtol=0, atol=1e-12)
    energy, forces = point(tmp_path / "system.data", "chains")
    exported, exported_forces = point(folder / "rbmd.data", "chains")
    assert exported == pytest.approx(energy, rel=1e-12, abs=0)
    np.testing.assert_allclose(exported_forces, forces, rtol=0, atol=1e-10)


def test_copies_have_the_energy_of_lammpss_copies(tmp_path):
    path = classical.write(tmp_path, no_impropers(classical.chains()))
    spec = specify(tmp_path, "chains")
    system = {"file": str(path), "supercell": [2, 1, 2]}
    spec = RunSpec.model_validate(spec.model_dump(mode="json") | {"system": system})
    (folder,) = export(spec, "rbmd-2.0", tmp_path / "out")
    energy, _ = point(path, "chains", more="replicate 2 1 2\nkspace_modify kmax/ewald 18 9 18")
    exported, _ = point(folder / "rbmd.data", "chains", more="kspace_modify kmax/ewald 18 9 18")
    assert exported == pytest.approx(energy, rel=1e-11)


@pytest.mark.parametrize(("engine", "case"), BOTH)
def test_head_of_the_data_file_has_none_of_rbmds_words(tmp_path, engine, case):
    """RBMD finds lines by words in them, and the head ends at zlo zhi."""
    (folder,) = export(specify(tmp_path, case), engine, tmp_path / "out")
    lines = (folder / "rbmd.data").read_text().split("\n")
    for word in ("atoms", "bonds", "angles", "dihedrals", "impropers", "types", "xlo", "Masses",
                 "group", "Atoms", "Velocities", "Coeffs"):
        assert word not in lines[0]
    end = next(i for i, line in enumerate(lines) if line.endswith("zlo zhi"))
    assert not any(line.endswith(("types", "atoms")) for line in lines[end:])
    rows = lines[lines.index(f"Atoms # {ALL[case][0]().atom_style}") + 2:]
    if ALL[case][0]().atom_style == "full":
        assert len(rows[0].split()) == 10  # with image flags


def test_water_in_2_2(tmp_path):
    spec = specify(tmp_path, "rigid-water", ensemble={"tdamp": "100 fs"},
                   rbmd={"coulomb": "ewald", "reports": ["rdf", "msd", "vacf"]},
                   output={"thermo": "20 fs", "frames": "100 fs", "velocities": "4 fs"},
                   analysis={"rdf": "O-H", "rdf_range": "6 A"})
    (folder,) = export(spec, "rbmd-2.2", tmp_path / "out")
    assert json.loads((folder / "rbmd.json").read_text()) == {
        "init_configuration": {"read_data": {
            "file": "rbmd.data", "unit": "REAL", "atom_style": "full", "velocity_type": "GAUSS"}},
        "hyper_parameters": {
            "force_field": {"type": "CVFF", "bond_type": "Harmonic", "angle_type": "Harmonic"},
            "neighbor": {"type": "VERLETLIST", "cut_off": 6, "r_core": 3,
                         "neighbor_sample_num": 100},
            "coulomb": {"type": "EWALD", "coulomb_sample_num": 100, "alpha": 0.2025,
                        "kmax": [9, 9, 9]},
            "extend": {"fix_shake": True, "special_bonds": [0, 0, 0]}},
        "execution": {
            "ensemble": "NVT", "temperature": [298, 298, 100], "temp_ctrl_type": "NOSE_HOOVER",
            "pressure": [pytest.approx(1 / 1.01325), pytest.approx(1 / 1.01325), 1000,
                         pytest.approx(22000 / 1.01325)],
            "press_ctrl_type": "NOSE_HOOVER", "timestep": 2, "num_steps": 1500},
        "outputs": {
            "thermo_out": {"interval": 10},
            "rdf_out": {"interval": 50, "radius": 6, "dr": 0.1, "statistics_rdf_steps": 1500,
                        "atoms_pair": [[0, 1]]},
            "msd_out": {"interval": 50, "start_step": 500, "end_step": 1500},
            "vacf_out": {"interval": 2, "start_step": 500, "end_step": 1500},
            "trajectory_out": {"interval": 50}}}
    special = (folder / "rbmd.json").read_text().split('"special_bonds": ')[1]
    assert special.startswith("[0, 0, 0]")  # integers: 0.0 is none for its reader


def test_salt_in_2_0(tmp_path):
    """Metal units, isotropic NPT, random batches of both kinds."""
    spec = specify(
        tmp_path, "salt", rbmd={"neighbor": "rbl", "core": "2.5 A", "neighbor_samples": 40,
                                "skin": "0.8 A", "coulomb": "rbe", "coulomb_samples": 200,
                                "reports": ["rdf"]},
        ensemble={"kind": "npt", "temperature": 900, "tdamp": "150 fs", "pressure": "1013.25 bar",
                  "pdamp": "1 ps", "thermostat": "berendsen", "barostat": "berendsen"})
    (folder,) = export(spec, "rbmd-2.0", tmp_path / "out")
    assert json.loads((folder / "rbmd.json").read_text()) == {
        "init_configuration": {"read_data": {
            "file": "rbmd.data", "unit": "METAL", "atom_style": "charge",
            "velocity_type": "GAUSS"}},
        "hyper_parameters": {
            "force_field": {"type": "LJ/CUT/COUL/LONG"},
            "neighbor": {"type": "RBL", "cut_off": 6, "r_core": 2.5, "neighbor_sample_num": 40,
                         "skin": 0.8, "energy_rbl_flag": "yes"},
            "coulomb": {"type": "RBE", "coulomb_sample_num": 200, "alpha": 0.2025,
                        "kmax": [9, 9, 9], "energy_rbe_flag": "yes"},
            "extend": {}},
        "execution": {
            "ensemble": "NPT", "temperature": [900, 900, 0.15], "temp_ctrl_type": "BERENDSEN",
            "pressure": [1013.25, 1013.25, 1, 22000], "press_ctrl_type": "BERENDSEN",
            "timestep": 0.002, "num_steps": 1500, "integration_type": "vv"},
        "outputs": {
            "thermo_out": {"interval": 5},
            "rdf_out": {"interval": 25, "radius": 8, "dr": 0.1, "statistics_rdf_steps": 1500,
                        "atoms_pair": [[1, 1], [1, 2], [2, 2]]},
            "trajectory_out": {"interval": 25, "enabled": True}}}


@pytest.mark.parametrize("engine", ENGINES)
def test_words_of_each_dialect(tmp_path, engine):
    new = engine == "rbmd-2.0"
    for thermostat, word in (("nose-hoover", "NOSE_HOOVER"), ("berendsen", "BERENDSEN"),
                             ("rescale", "RESCALE" if new else "TEMP_RESCALE")):
        spec = specify(tmp_path, "eam", ensemble={"thermostat": thermostat})
        (folder,) = export(spec, engine, tmp_path / thermostat)
        assert control(folder).execution.temp_ctrl_type == word
        drift = control(folder).execution.momentum_control
        assert (drift is not None) == (new and thermostat == "nose-hoover")
    spec = specify(tmp_path, "chains", ensemble={"kind": "npt"})
    (folder,) = export(spec, engine, tmp_path / "npt")
    blocks = json.loads((folder / "rbmd.json").read_text())
    assert blocks["execution"]["temp_ctrl_type"] == "NOSE_HOOVER"
    assert blocks["execution"]["press_ctrl_type"] == "NOSE_HOOVER"
    field = blocks["hyper_parameters"]["force_field"]
    harmonic = "harmonic" if new else "Harmonic"
    assert field == {"type": "CVFF", "bond_type": harmonic, "angle_type": harmonic,
                     "dihedral_type": harmonic}
    word = blocks["hyper_parameters"]["neighbor"]["type"]
    assert word == ("Verlet-List" if new else "VERLETLIST")


def test_only_2_0_has_sums_of_gaussians_and_nve(tmp_path):
    spec = specify(tmp_path, "salt", rbmd={"coulomb": "rbsog", "rbsog_level": 3},
                   force_field={"kind": "lj-coulomb", "cutoff": "6 A", "units": "metal"},
                   ensemble={"kind": "nve"}, run={"equilibration": "0 fs"})
    (folder,) = export(spec, "rbmd-2.0", tmp_path / "out")
    blocks = json.loads((folder / "rbmd.json").read_text())
    assert blocks["hyper_parameters"]["coulomb"] == {
        "type": "RBSOG", "coulomb_sample_num": 100, "rbsog_level": 3}
    assert blocks["execution"] == {"ensemble": "NVE", "timestep": 0.002, "num_steps": 1000,
                                   "integration_type": "vv"}


def test_splitting_that_is_chosen_loses_what_accuracy_says(tmp_path):
    accuracy = 1e-4
    spec = specify(tmp_path, "salt", force_field={
        "kind": "lj-coulomb", "units": "metal", "cutoff": "6.5 A", "accuracy": accuracy})
    (folder,) = export(spec, "rbmd-2.2", tmp_path / "out")
    coulomb = control(folder).hyper_parameters.coulomb
    assert np.exp(-coulomb.alpha * 6.5**2) == pytest.approx(accuracy)
    for count, edge in zip(coulomb.kmax, (13.6, 13.6, 13.6), strict=True):
        last, before = (np.exp(-((2 * np.pi * n / edge) ** 2) / (4 * coulomb.alpha))
                        for n in (count, count - 1))
        assert last <= accuracy * (1 + 1e-9) < before


@pytest.mark.parametrize(("engine", "case"), BOTH)
def test_control_file_is_read_back_as_it_was_meant(tmp_path, engine, case):
    (folder,) = export(specify(tmp_path, case), engine, tmp_path / "out")
    again = to_json(control(folder), DIALECTS[engine])
    assert again == (folder / "rbmd.json").read_text()
    assert control(folder).execution.num_steps == 1500
    blocks = [control(folder)]
    while blocks:
        block = blocks.pop()
        assert not block.unknown
        blocks += [v for v in vars(block).values() if hasattr(v, "unknown")]


def test_key_that_mdbench_does_not_know_is_not_written(tmp_path):
    (folder,) = export(specify(tmp_path, "lj"), "rbmd-2.0", tmp_path / "out")
    data = json.loads((folder / "rbmd.json").read_text())
    data["execution"]["com_bias"] = "yes"
    text = to_json(Control.model_validate(data), DIALECTS["rbmd-2.0"])
    assert text == (folder / "rbmd.json").read_text()


@pytest.mark.parametrize("case", ["lj", "lj-metal", "salt", "water", "eam"])
def test_velocities_have_the_temperature_and_no_momentum(tmp_path, case):
    spec = specify(tmp_path, case, ensemble={"temperature": 312.5}, run={"seed": 5})
    (folder,) = export(spec, "rbmd-2.2", tmp_path / "out")
    kelvin, _ = point(folder / "rbmd.data", case, temperature=True)
    assert kelvin == pytest.approx(312.5, rel=1e-12)
    system = read_molecules(folder / "rbmd.data", spec.force_field.units)
    masses = np.array([0, *system.masses])[system.types][:, None]
    momenta = masses * system.velocities
    assert np.abs(momenta.sum(0)).max() < 1e-12 * np.abs(momenta).sum()
    # Gaussian, and equipartition: each direction alike, each type alike
    scaled = (momenta / np.sqrt(masses)).ravel()
    scaled /= scaled.std()
    count = len(scaled)
    assert abs((scaled**4).mean() - 3) < 5 * np.sqrt(96 / count)
    for part in (*scaled.reshape(-1, 3).T,
                 *(scaled.reshape(-1, 3)[system.types == k] for k in np.unique(system.types))):
        assert abs((part**2).mean() - 1) < 5 * np.sqrt(2 / part.size)


def test_rigid_molecules_start_rigid(tmp_path):
    spec = specify(tmp_path, "rigid-water")
    (folder,) = export(spec, "rbmd-2.0", tmp_path / "out")
    system = read_molecules(folder / "rbmd.data", "real")
    assert np.abs(stretching(system, system.velocities)).max() < 1e-14
    free = draw_velocities(system, 298.0, 1, rigid=False)
    assert np.abs(stretching(system, free)).max() > 1e-3
    kelvin, _ = point(folder / "rbmd.data", "rigid-water", temperature=True)
    count = len(system)
    assert kelvin * (3 * count - 3) / (3 * count - 3 - count) == pytest.approx(298, rel=1e-12)
    masses = np.array([0, *system.masses])[system.types][:, None]
    assert np.abs((masses * system.velocities).sum(0)).max() < 1e-12


def test_rigid_molecules_share_energy_among_their_motions():
    """Half of it in the motion of centres, half in rotation, over many draws."""
    system = classical.water(8, 6.3)
    masses = np.array([0, *system.masses])[system.types].reshape(-1, 3, 1)
    centres = []
    for seed in range(300):
        drawn = draw_velocities(system, 300.0, seed, rigid=True).reshape(-1, 3, 3)
        centre = (masses * drawn).sum(1) / masses.sum(1)
        whole = (masses * drawn**2).sum()
        centres.append((masses.sum(1) * centre**2).sum() / whole)
    expected = (3 * 8 - 3) / (6 * 8 - 3)
    assert np.mean(centres) == pytest.approx(expected, abs=5 * np.std(centres) / np.sqrt(300))


def test_velocities_of_the_file_are_kept(tmp_path):
    spec = specify(tmp_path, "salt", run={"velocities": "file"})
    system = classical.with_velocities(classical.salt(), 500)
    classical.write(tmp_path, system)
    (folder,) = export(spec, "rbmd-2.2", tmp_path / "out")
    written = read_molecules(folder / "rbmd.data", "metal")
    np.testing.assert_array_equal(written.velocities, system.velocities)
    assert "Velocities are those of the structure file" in (folder / "README.md").read_text()


def test_a_folder_for_each_temperature_and_seed(tmp_path):
    spec = specify(tmp_path, "lj", run={"seed": [1, 2]}, ensemble={"temperature": [90, 120]})
    folders = export(spec, "rbmd-2.2", tmp_path / "out")
    assert [p.name for p in folders] == ["90K-seed1", "90K-seed2", "120K-seed1", "120K-seed2"]
    assert {p.parent for p in folders} == {tmp_path / "out"}
    velocities = [read_molecules(p / "rbmd.data", "real").velocities for p in folders]
    assert len({v.tobytes() for v in velocities}) == 4
    for folder, kelvin in zip(folders, (90, 90, 120, 120), strict=True):
        assert control(folder).execution.temperature[:2] == (kelvin, kelvin)
        record = json.loads((folder / "export.json").read_text())
        assert record["variant"]["name"] == folder.name
        assert record["variant"]["temperature_k"] == kelvin


def test_record_of_an_export(tmp_path):
    spec = specify(tmp_path, "eam")
    (folder,) = export(spec, "rbmd-2.0", tmp_path / "out")
    record = json.loads((folder / "export.json").read_text())
    assert (record["schema"], record["kind"], record["name"]) == (1, "mdbench export", "eam")
    assert record["dialect"] == "rbmd-2.0"
    assert record["elements"] == ["Cu"]
    assert record["timestep_fs"] == 2
    assert record["plan"]["equilibration"] == 500
    assert RunSpec.model_validate(record["spec"]) == spec
    assert set(record["files"]) == {"README.md", "potential.eam", "rbmd.data", "rbmd.json"}
    assert record["checked"]["energy_error"] <= 1e-12
    assert record["checked"]["energy"] < -1
    assert "LAMMPS was run on `rbmd.data`" in (folder / "README.md").read_text()
    for name, sha256 in record["files"].items():
        assert sha256_of(folder / name) == sha256
    assert "mdbench" in record["versions"]
    assert (folder / "potential.eam").read_bytes() == COPPER.read_bytes()


def test_readme_says_how_to_run_and_what_differs(tmp_path):
    spec = specify(tmp_path, "water", ensemble={"thermostat": "berendsen"},
                   output={"velocities": "4 fs"})
    (old,) = export(spec, "rbmd-2.2", tmp_path / "old")
    (new,) = export(spec, "rbmd-2.0", tmp_path / "new")
    text = (old / "README.md").read_text()
    for words in ("rbmd -j rbmd.json", "rbmd cuda -j", "exits with 0", "mdbench analyze",
                  "first 500 steps", "no canonical ensemble", "heats the system",
                  "alpha = 0.2025", "kmax = [9, 9, 9]", "rbmd-2.2 writes no velocities"):
        assert words in text
    assert "relaxed by LAMMPS" not in text
    assert "cuda -j" not in (new / "README.md").read_text()
    assert "come with the frames" in (new / "README.md").read_text()


def test_structure_is_relaxed_in_lammps(tmp_path):
    spec = specify(tmp_path, "lj", run={"minimize": True})
    (folder,) = export(spec, "rbmd-2.2", tmp_path / "out")
    assert "relaxed by LAMMPS" in (folder / "README.md").read_text()
    energy, forces = point(tmp_path / "system.data", "lj")
    relaxed_energy, relaxed_forces = point(folder / "rbmd.data", "lj")
    assert relaxed_energy < energy - 1
    limit = 0.05 / classical.KCAL_EV
    assert np.linalg.norm(relaxed_forces, axis=1).max() < limit
    minimize = f"timestep 2\nmin_style fire\nminimize 0 {limit:.10g} 300 2000"
    by_hand, _ = point(tmp_path / "system.data", "lj", more=minimize)
    assert relaxed_energy == pytest.approx(by_hand, rel=1e-9)
    assert not list(tmp_path.glob(".mdbench*"))


def test_rigid_molecules_are_relaxed_to_their_lengths(tmp_path):
    """As the LAMMPS run begins with them; and what moves them does not stretch them."""
    (folder,) = export(specify(tmp_path, "rigid-water", run={"minimize": True}), "rbmd-2.2",
                       tmp_path / "out")
    system = read_molecules(folder / "rbmd.data", "real")
    whole = system.unwrapped()[system.of("angle").atoms]
    sides = np.linalg.norm(whole[:, [0, 2]] - whole[:, [1]], axis=-1)
    np.testing.assert_allclose(sides, 1.012, rtol=1e-6)
    cosine = ((whole[:, 0] - whole[:, 1]) * (whole[:, 2] - whole[:, 1])).sum(1) / sides.prod(1)
    np.testing.assert_allclose(np.degrees(np.arccos(cosine)), 113.24, rtol=1e-5)
    assert np.abs(stretching(system, system.velocities)).max() < 1e-14
    text = (folder / "README.md").read_text()
    assert "relaxed by LAMMPS" in text
    assert "as the structure has them" not in text


def mace_spec(models, **sections):
    path = models["bundled.pt"]
    return {"name": "mace", "system": {"file": str(ROOT / "inputs/graphene_water.data")},
            "model": {"file": str(path), "sha256": inspect(path).sha256},
            "run": {"minimize": False}, **sections}


def test_mace_model(tmp_path, models):
    spec = RunSpec.model_validate(mace_spec(models))
    (folder,) = export(spec, "rbmd-2.0", tmp_path / "out")
    blocks = json.loads((folder / "rbmd.json").read_text())
    assert blocks["hyper_parameters"]["force_field"] == {
        "type": "MACE", "model_file": "model-lammps.pt"}
    assert blocks["hyper_parameters"]["neighbor"] == {"type": "Verlet-List", "cut_off": 4.5}
    assert blocks["init_configuration"]["read_data"]["unit"] == "REAL"
    assert blocks["execution"]["timestep"] == 0.5
    assert "coulomb" not in blocks["hyper_parameters"]
    assert (folder / "model-lammps.pt").read_bytes() == models["bundled.pt"].read_bytes()
    record = json.loads((folder / "export.json").read_text())
    assert record["elements"] == ["C", "O", "H"]
    assert record["checked"]["passed"]
    assert record["checked"]["num_atoms"] == 372
    assert ".mdbench" not in json.dumps(record["checked"])
    assert "exact call was made on 372 atoms" in (folder / "README.md").read_text()
    points = []
    for data, kinds in ((ROOT / "inputs/graphene_water.data", "C O H"),
                        (folder / "rbmd.data", "C O H")):
        lmp = open_lammps()
        lmp.commands_string(
            f"units real\natom_modify map yes\nread_data {data}\npair_style mace precision double\n"
            f"pair_coeff * * {folder / 'model-lammps.pt'} {kinds}\nrun 0 post no")
        forces = np.array(lmp.gather_atoms("f", 1, 3))
        points.append((lmp.get_thermo("pe"), forces, lmp.get_thermo("temp")))
        lmp.close()
    assert points[1][0] == pytest.approx(points[0][0], rel=1e-12)
    np.testing.assert_allclose(points[1][1], points[0][1], rtol=0, atol=1e-10)
    assert points[1][2] == pytest.approx(298, rel=1e-12)


@pytest.mark.slow
def test_bundled_model_is_converted_and_its_structure_relaxed(tmp_path):
    spec = RunSpec.model_validate({"system": {"builder": "graphene-water"}})
    (folder,) = export(spec, "rbmd-2.0", tmp_path / "out")
    record = json.loads((folder / "export.json").read_text())
    assert record["relaxed"]
    assert record["checked"]["passed"]
    assert record["checked"]["reference"].startswith("mace-torch's calculator")
    assert not list(tmp_path.glob(".mdbench*"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_folders(tmp_path, name):
    """Either exactly that folder is made, or one line says why not and nothing is."""
    inside = tmp_path / "inside"
    inside.mkdir()
    spec = specify(tmp_path, "lj")
    target = inside / name
    try:
        before = target.resolve()
        is_inside = inside.resolve() in before.parents
    except ValueError:
        is_inside = False
    if not is_inside and name not in ("", ".", "..", " ") and "\x00" not in name:
        pytest.skip("names a place outside of the test's folder")
    try:
        (made,) = export(spec, "rbmd-2.2", target)
    except MdbenchError as problem:
        assert "\n" not in str(problem)
        assert str(problem).isprintable()
        assert not list(inside.iterdir())
    else:
        assert (made / "export.json").is_file()
        assert made == target
    assert not list(tmp_path.glob("**/.mdbench*"))


@pytest.mark.parametrize("name", ["a b", "$(touch x)", "'", "\u0441", "# x", "--help"])
def test_hostile_names_of_files(tmp_path, name):
    spec = specify(tmp_path, "eam")
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(COPPER, folder / name)
    shutil.copy(tmp_path / "system.data", folder / f"{name}.data")
    data = spec.model_dump(mode="json")
    data["system"]["file"] = str(folder / f"{name}.data")
    data["force_field"]["potential_file"] = str(folder / name)
    data["run"]["minimize"] = True
    (made,) = export(RunSpec.model_validate(data), "rbmd-2.2", tmp_path / "out")
    assert control(made).hyper_parameters.force_field.potential_file == "potential.eam"
    for file in ("rbmd.json", "README.md", "rbmd.data"):
        assert str(folder) not in (made / file).read_text()


def test_command(tmp_path):
    specify(tmp_path, "eam")
    (tmp_path / "run.toml").write_text(
        f"name = 'copper'\n[system]\nfile = 'system.data'\n[force_field]\nkind = 'eam'\n"
        f"units = 'metal'\npotential_file = '{COPPER}'\n[run]\nminimize = false\n")

    def mdbench(*words):
        return subprocess.run([str(BIN / "mdbench"), "export", *words], capture_output=True,
                              text=True, check=False, cwd=tmp_path)

    shown = mdbench("--help")
    assert shown.returncode == 0
    assert "Example: mdbench export" in shown.stdout
    done = mdbench("run.toml", "--engine", "rbmd-2.2", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"engine": "rbmd-2.2", "folders": ["out"]}
    assert (tmp_path / "out/export.json").is_file()
    again = mdbench("run.toml", "--engine", "rbmd-2.2", "-o", "out")
    assert again.returncode == 1
    assert "'out' exists already" in again.stderr
    plain = mdbench("--engine", "rbmd-2.0", "-o", "new")
    assert plain.returncode == 0
    assert "rbmd -j rbmd.json" in plain.stdout
    assert Path(tmp_path / "new/rbmd.data").is_file()
    assert mdbench("run.toml", "--engine", "rbmd-3", "-o", "x").returncode == 2
