"""Tables of RBMD: numbers, units, cut and damaged files."""

import random
import re

import numpy as np
import pytest

from mdbench.errors import OutputError
from mdbench.output.rbmd_tables import read_rbmd_table, table_files

ENERGY = (
    "Step Time VanderWaalsEnergy NearCoulombicEnergy FarCoulombicEnergy Residual KinticEnergy "
    "PotentialEnergy TotalEnergy CumulativeTime NonBonEnergy BondEnergy AngleEnergy DihedralEnergy "
    "SpecialEnergy\n"
    "0 0.1 -0.5 -1.25 -0.125 0 0.9 -1.2 -0.3 0.5 -1.875 0.25 0.5 0 0\n"
    "100 0.2 -0.51 -1.26e+00 -0.13 -nan 0.91 -1.21 -0.31 0.6 -1.9 0.26 0.51 0 1e-310\n")
FILES = {
    "energy.rbmd": ENERGY,
    "temperature.rbmd": "Step Temperature Pressure\n0 300.5 1.25\n100 299 -3e2\n",
    "msd.rbmd": "Step Time MSD_x MSD_y MSD_z MSD_total sqrt(MSD_total) \n10 5 1 2 3 6 2.44949\n",
    "vacf.rbmd": "Step Time VACFx VACFy VACFz VACF_total\n10 5 1e-5 2e-5 3e-5 6e-5\n",
    "rdf.rbmd": "Radius RDF:0-0 RDF:0-1 \n0.1  0.5\n0.2 0.25 \n0.3 1 2\n",
    "rdf_O_H.txt": "# lhs_label O\n# rhs_label H\n# radius 8\n# columns: r g_r counts\n"
                   "0.05 0 0\n0.15 1.5 12\n",
    "msd.txt": "# step delta_time value shared_atoms reference_step\n20 10 0.5 192 0\n",
    "vacf.txt": "# step delta_time vacf shared_atoms reference_step\n20 10 1e-6 192 0\n",
    "thermo.txt": "step mace_energy\n0 -1234.5\n10 -1235.25\n"}


@pytest.fixture
def folder(memory_path):
    for name, text in FILES.items():
        (memory_path / name).write_text(text)
    (memory_path / "rbmd.trj").write_text("")
    return memory_path


def test_columns_and_units(folder):
    assert [p.name for p in table_files(folder)] == sorted(FILES)
    energy = read_rbmd_table(folder / "energy.rbmd")
    assert len(energy) == 2 and energy.lines.tolist() == [2, 3] and not energy.notes
    assert energy.columns["NearCoulombicEnergy"].tolist() == [-1.25, -1.26]
    assert np.isnan(energy.columns["Residual"][1]) and energy.columns["SpecialEnergy"][1] == 1e-310
    assert energy.units["NonBonEnergy"] == "kcal/mol/atom" and energy.units["Time"] == "s"
    assert energy.units["AngleEnergy"] == "kcal/mol/angle"
    assert read_rbmd_table(folder / "energy.rbmd", "metal").units["BondEnergy"] == "eV/bond"
    found = read_rbmd_table(folder / "temperature.rbmd", "metal")
    assert found.columns["Pressure"].tolist() == [1.25, -300] and found.units["Pressure"] == "bar"
    assert read_rbmd_table(folder / "temperature.rbmd").units["Pressure"] == "atm"
    msd, vacf = (read_rbmd_table(folder / f"{n}.rbmd") for n in ("msd", "vacf"))
    assert msd.columns["MSD_total"].tolist() == [6] and msd.units["MSD_x"] == "A^2"
    assert msd.units["sqrt(MSD_total)"] == "A" and msd.units["Time"] == "fs"
    assert vacf.units["VACF_total"] == "A^2/fs^2"
    assert read_rbmd_table(folder / "vacf.rbmd", "metal").units["VACFx"] == "A^2/ps^2"


def test_tables_of_the_newer_line(folder):
    rdf = read_rbmd_table(folder / "rdf_O_H.txt")
    assert rdf.columns["g_r"].tolist() == [0, 1.5] and rdf.lines.tolist() == [5, 6]
    assert rdf.units == {"r": "A", "g_r": "1", "counts": "1"}
    msd, vacf = (read_rbmd_table(folder / f"{n}.txt", "metal") for n in ("msd", "vacf"))
    assert msd.columns["value"].tolist() == [0.5] and msd.columns["reference_step"].tolist() == [0]
    assert (msd.units["delta_time"], msd.units["value"], vacf.units["value"]) == ("ps", "A^2", "A^2/ps^2")
    thermo = read_rbmd_table(folder / "thermo.txt")
    assert thermo.columns["mace_energy"].tolist() == [-1234.5, -1235.25]
    (folder / "thermo.txt").write_text("0 -1.5\n")  # without heads
    assert read_rbmd_table(folder / "thermo.txt").columns["step"].tolist() == [0]


def test_blanks_in_the_rdf_are_missing_values(folder):
    rdf = read_rbmd_table(folder / "rdf.rbmd")
    np.testing.assert_array_equal(rdf.columns["RDF:0-0"], [np.nan, 0.25, 1])
    np.testing.assert_array_equal(rdf.columns["RDF:0-1"], [0.5, np.nan, 2])
    (folder / "rdf.rbmd").write_text("Radius RDF:0-0 RDF:0-1 RDF:1-1 \n0.1 1 2\n0.2  3\n")
    rdf = read_rbmd_table(folder / "rdf.rbmd")
    assert list(rdf.columns) == ["Radius", "RDF:0-0", "RDF:0-1"] and "for 3 pairs" in rdf.notes[0]
    (folder / "rdf.rbmd").write_text("Radius RDF:0-0 \n0.1 1 2\n")
    assert list(read_rbmd_table(folder / "rdf.rbmd").columns)[2] == "RDF:? 2"


@pytest.mark.parametrize("name", FILES)
def test_a_cut_last_line_is_dropped(folder, name):
    whole = read_rbmd_table(folder / name)
    (folder / name).write_text(FILES[name][:-1])  # only its end is missing: its number may be cut
    cut = read_rbmd_table(folder / name)
    assert len(cut) == len(whole) - 1 and list(cut.columns) == list(whole.columns)
    assert cut.notes == (f"the last line of '{name}' was cut and is dropped",)
    for text in ("", FILES[name].split("\n")[0]):  # the program died before the first row
        (folder / name).write_text(text)
        assert len(read_rbmd_table(folder / name)) == 0


@pytest.mark.parametrize(("name", "old", "new", "why"), [
    ("energy.rbmd", "100 0.2 ", "100 ", "line 3: 15 columns are expected and 14 found"),
    ("energy.rbmd", "Step", "Stop", "line 1: no heads of columns of RBMD"),
    ("energy.rbmd", "Time", "Step", "line 1: no heads of columns"),
    ("energy.rbmd", "-1.26e+00", "-1.26e+0x", "line 3: '-1.26e[+]0x' is no number"),
    ("energy.rbmd", "100 ", "100.5 ", "line 3: the step 100.5 is no whole number"),
    ("energy.rbmd", "100 ", "nan ", "line 3: the step nan is no whole number"),
    ("temperature.rbmd", "299", "2\0009", "line 3: characters that RBMD does not write"),
    ("temperature.rbmd", "299", "2_9", "line 3: '2_9' is no number"),
    ("temperature.rbmd", "299", "2" * 50, "line 3: '22222222222222222222' is no number"),
    ("rdf.rbmd", "0.3 1 2", "0.3 1", "line 4: another number of columns"),
    ("rdf_O_H.txt", "1.5 12", "1.5", "line 6: 3 columns are expected and 2 found"),
    ("msd.txt", "20 10", "20 ERROR", "line 2: 'ERROR' is no number"),
    ("thermo.txt", "10 -1235.25", "10", "line 3: 2 columns are expected and 1 found")])
def test_damage(folder, name, old, new, why):
    (folder / name).write_text(FILES[name].replace(old, new, 1))
    with pytest.raises(OutputError, match=f"{name}', {why}") as caught:
        read_rbmd_table(folder / name)
    assert "\n" not in str(caught.value)


def test_what_is_no_table(folder):
    for name, why in (("rbmd.trj", "no table of RBMD: they are energy"), ("other", "no table of RBMD")):
        with pytest.raises(OutputError, match=why):
            read_rbmd_table(folder / name)
    (folder / "energy.rbmd").unlink()
    with pytest.raises(OutputError, match="cannot be read: No such file"):
        read_rbmd_table(folder / "energy.rbmd")


def test_fuzz(folder):
    rng, refused, cases = random.Random(5), 0, 12_000
    for i in range(cases):
        name = list(FILES)[i % len(FILES)]
        raw = bytearray(FILES[name].encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(raw) + 1)
            match rng.randrange(4):
                case 0: del raw[at:at + rng.randint(1, 9)]
                case 1: raw[at:at] = rng.choice([b" ", b"\n", b"\r", b"#", b"nan", b"1e999", b"-", b"\0", b"9" * 45])
                case 2: raw[at:at + 1] = bytes([rng.randrange(256)])
                case 3: del raw[at + rng.randrange(200):]
        (folder / name).write_bytes(raw)
        try:
            table = read_rbmd_table(folder / name)
        except OutputError as problem:
            refused += 1
            assert re.match(rf"'.*{re.escape(name)}', line \d+: .*: .*", str(problem)), problem
            assert str(problem).isprintable()
        else:
            assert {len(c) for c in table.columns.values()} <= {len(table)}
            assert set(table.units) == set(table.columns)
    assert 0.2 * cases < refused < 0.9 * cases
