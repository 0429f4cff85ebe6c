"""Trajectory files: every format gives the same unwrapped positions and the right times."""

import gzip
import random

import MDAnalysis
import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from support import run_lmp

from mdbench.engine import open_lammps
from mdbench.errors import OutputError
from mdbench.output import formats, run_data, trajectory
from mdbench.output.text import integers, parse_numbers, rows_to_keep

EVERY, FRAMES, DT_FS = 10, 60, 2.0
BOXES = {"orthogonal": "block 1 12 -2 11 0.5 14.5", "triclinic": "prism 1 12 -2 11 0.5 14.5 3 2 -2"}
ENSEMBLES = {"nvt": "nvt temp 9000 9000 0.1", "npt": "npt temp 9000 9000 0.1 {} 20000 20000 0.05"}
FILES = {  # name: dump style and arguments, modifications, tolerance in Angstrom
    "u.xtc": ("xtc", "unwrap yes precision 10000", 1.1e-3),
    "w.xtc": ("xtc", "precision 10000", 1.1e-3),
    "u.dcd": ("dcd", "unwrap yes", 2e-5),
    "w.dcd": ("dcd", "", 2e-5),
    "xu.custom": ("custom id type xu yu zu", "format float %.12g sort id", 1e-8),
    "xu6.custom": ("custom id xu yu zu type element", "element Ar Kr time yes", 1.1e-3),
    "image.custom": ("custom type id x y z ix iy iz", "format float %.12g", 1e-8),
    "image.custom.gz": ("custom/gz type id x y z ix iy iz", "format float %.12g", 1e-8),
    "w.custom": ("custom x y z id type", "format float %.12g", 1e-8),
    "xsu.custom": ("custom id type xsu ysu zsu", "format float %.12g", 1e-8),
    "xs.custom": ("custom id type xs ys zs ix iy iz vx vy vz", "format float %.12g", 1e-8),
    "xsw.custom": ("custom id type xs ys zs", "format float %.12g", 1e-8),
    "w.extxyz": ("extxyz", "element Ar Kr", 2e-3),  # six digits of the cell, many images
}


def simulate(folder, box, ensemble):
    """Run an LJ gas of fast atoms: positions [frames, atoms, 3], cells, velocities as LAMMPS has them.

    The program writes the files, as LAMMPS inside Python leaves out the end of XTC files; the same
    run inside Python, which is deterministic, gives the arrays.
    """
    coupling = "tri" if "tri" in box else "aniso"
    dumps = "".join(
        f"dump d{i} all {a.split()[0]} {EVERY} {folder}/{name} {' '.join(a.split()[1:])}\n"
        + (f"dump_modify d{i} {m}\n" if m else "")
        for i, (name, (a, m, _)) in enumerate(FILES.items()))
    setup = (
        "units metal\natom_style atomic\natom_modify map yes\n"
        f"region r {BOXES[box]}\ncreate_box 2 r\n"
        "create_atoms 1 random 25 12 NULL overlap 1.8 maxtry 5000\n"
        "create_atoms 2 random 15 13 NULL overlap 1.8 maxtry 5000\n"
        "mass 1 39.948\nmass 2 83.798\npair_style lj/cut 4.0\npair_coeff * * 0.01 2.0\n"
        f"timestep {DT_FS / 1000}\nvelocity all create 9000 5 loop geom\n"
        f"fix 1 all {ENSEMBLES[ensemble].format(coupling)}\nthermo {EVERY}\n"
        "neigh_modify delay 0 every 1 check yes\n")
    go_on = f"run {EVERY} post no\n"
    code, text = run_lmp(f"log {folder}/log.lammps\n{setup}{dumps}run 0\n{go_on * (FRAMES - 1)}",
                         folder)
    assert code == 0, text
    lmp = open_lammps()
    lmp.commands_string(f"{setup}run 0")
    positions, cells, velocities = [], [], []
    for i in range(FRAMES):
        if i:
            lmp.commands_string(go_on)
        low, high, xy, yz, xz, *_ = lmp.extract_box()
        cell = np.diag(np.subtract(high, low))
        cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
        images = np.array(lmp.gather_atoms("image", 0, 3)).reshape(-1, 3)
        x = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
        positions.append(x + images @ cell)
        velocities.append(np.array(lmp.gather_atoms("v", 1, 3)).reshape(-1, 3))
        cells.append(cell)
    lmp.close()
    return np.array(positions), np.array(cells), np.array(velocities)


@pytest.fixture(scope="module", params=[(b, e) for b in BOXES for e in ENSEMBLES],
                ids=lambda p: "-".join(p))
def simulation(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulation")
    return folder, *simulate(folder, *request.param)


def table(num=40):
    return trajectory.AtomTable(np.full(num, 18), np.full(num, 39.948), np.array([True] * 3))


def load(*paths, atoms=None, **more):
    readers = [formats.open_reader(p) for p in paths]
    atoms = atoms or table(readers[0].contents.num_atoms)
    return trajectory.FileTrajectory(readers, atoms, DT_FS, **more)


def arrays(source, *arguments):
    frames = [(f.step, f.positions.copy(), f.cell.copy()) for f in source.frames(*arguments)]
    return [np.array(a) for a in zip(*frames, strict=True)] if frames else [np.empty(0)] * 3


def toroidal(positions, cells):
    """Sum of nearest-image displacements between positions put into the cell at the origin."""
    result = [positions[0]]
    inverse = np.linalg.inv(cells)
    inside = [x - np.floor(x @ g) @ h for x, h, g in zip(positions, cells, inverse, strict=True)]
    for i in range(1, len(positions)):
        moved = inside[i] - inside[i - 1]
        result.append(result[-1] + moved - np.rint(moved @ inverse[i]) @ cells[i])
    return np.array(result)


@pytest.mark.parametrize("name", FILES)
def test_all_formats_agree(simulation, name):
    folder, positions, cells, _ = simulation
    assert np.ptp(np.floor(positions @ np.linalg.inv(cells[0])), axis=0).max() >= 2  # they crossed
    source = load(folder / name, is_wrapped=name.startswith("w"))
    steps, found, found_cells = arrays(source)
    assert steps.tolist() == list(range(0, FRAMES * EVERY, EVERY))
    np.testing.assert_allclose(source.times_ps, steps * 0.002, rtol=1e-12)
    tolerance = FILES[name][2]
    np.testing.assert_allclose(found_cells, cells, atol=1e-4 if "extxyz" in name else 1e-5)
    np.testing.assert_allclose(found, positions, atol=tolerance)
    for part in ((7, 50, 5), (31,), (58, 59), (-3, None), (5, 5)):
        for again in (source, load(folder / name, is_wrapped=name.startswith("w"))):
            if len(range(FRAMES)[slice(*part)] if len(part) > 1 else range(part[0], FRAMES)):
                want = found[slice(*part)] if len(part) > 1 else found[part[0]:]
                np.testing.assert_array_equal(arrays(again, *part)[1], want)
            else:
                assert not list(again.frames(*part))


@pytest.mark.parametrize("name", [n for n in FILES if n.endswith("custom") and "6" not in n])
def test_toroidal_view(simulation, name):
    folder, positions, cells, _ = simulation
    view = load(folder / name).toroidal()
    found = arrays(view)[1]
    want = toroidal(positions, cells)
    np.testing.assert_allclose(found, want, atol=1e-7)
    np.testing.assert_array_equal(arrays(view, 40, 45)[1], found[40:45])
    is_fixed = np.ptp(cells, axis=0).max() == 0
    assert is_fixed == (np.abs(want - positions).max() < 1e-9)


@pytest.mark.parametrize("name", ["u.xtc", "u.dcd"])
def test_unknown_wrapping_needs_no_guess(simulation, name):
    folder, positions, *_ = simulation
    np.testing.assert_allclose(arrays(load(folder / name))[1], positions, atol=1.1e-3)


def test_velocities(simulation):
    folder, _, _, velocities = simulation
    reader = formats.open_reader(folder / "xs.custom", velocities=True)
    source = trajectory.FileTrajectory([reader], table(), DT_FS, velocity_factor=1000.0)
    np.testing.assert_allclose(arrays(source)[1], 1000 * velocities, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("name", ["u.xtc", "u.dcd"])
def test_mdanalysis_sees_the_same(simulation, name):
    folder, *_ = simulation
    universe = MDAnalysis.Universe.empty(40, trajectory=False)
    universe.load_new(str(folder / name))
    found = arrays(load(folder / name, is_wrapped=False))[1]
    theirs = np.array([t.positions.copy() for t in universe.trajectory])
    np.testing.assert_allclose(found, theirs, atol=2e-5)


def test_log_and_data_of_the_same_run(simulation):
    folder, positions, *_ = simulation
    run = run_data.open_run(folder, trajectory=folder / "xu6.custom")
    assert run.thermo.steps.tolist() == list(range(0, FRAMES * EVERY, EVERY))
    assert np.bincount(run.trajectory.numbers)[[18, 36]].tolist() == [25, 15]
    assert sorted(set(run.trajectory.masses)) == [39.948, 83.798]
    np.testing.assert_allclose(arrays(run.trajectory)[1], positions, atol=1.1e-3)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return folder, *simulate(folder, "triclinic", "npt")


def test_segments(small, tmp_path):
    folder, positions, *_ = small
    for name, marker in (("w.custom", b"ITEM: TIMESTEP"), ("w.extxyz", b"40\nTimestep")):
        parts = (folder / name).read_bytes().split(marker)[1:]
        a, b = tmp_path / "a", tmp_path / "b"
        a.write_bytes(b"".join(marker + p for p in parts[:35]))
        b.write_bytes(b"".join(marker + p for p in parts[30:]))  # went on from an older restart
        source = load(a, b)
        np.testing.assert_allclose(arrays(source)[1], positions, atol=2e-3)
        np.testing.assert_allclose(arrays(source, 33, 36)[1], positions[33:36], atol=2e-3)
        assert source.times_ps[-1] == pytest.approx(59 * EVERY * 0.002)
    one = tmp_path / "one"
    one.write_bytes((folder / "w.custom").read_bytes().replace(b"\n40\n", b"\n39\n", 1))
    with pytest.raises(OutputError, match="frame 0 .*damaged"):
        load(one)
    with pytest.raises(OutputError, match="holds 40 atoms, the structure 3"):
        load(folder / "u.xtc", atoms=table(3))
    swapped = tmp_path / "swapped"
    text = (folder / "xu.custom").read_bytes().replace(b"\n1 1 ", b"\n1 2 ")
    swapped.write_bytes(text)
    with pytest.raises(OutputError, match="other atoms"):
        load(folder / "xu.custom", swapped)


TRUNCATED = ["u.xtc", "u.dcd", "xu6.custom", "w.custom", "w.extxyz", "image.custom.gz"]


@pytest.mark.parametrize("name", TRUNCATED)
def test_a_cut_last_frame_is_dropped(small, tmp_path, name):
    folder, *_ = small
    content, num_frames = (folder / name).read_bytes(), FRAMES
    is_packed = name.endswith("gz")
    if name.endswith("xtc"):
        with XTCFile(str(folder / name)) as file:
            start = int(file.offsets[-1])
    elif name.endswith("dcd"):
        start = len(content) - (56 + 3 * (8 + 4 * 40))
    else:
        num_frames = 5
        content = gzip.decompress(content) if is_packed else content
        marker = b"40\nTimestep" if "extxyz" in name else b"ITEM: TIMESTEP"
        content = b"".join(marker + part for part in content.split(marker)[-num_frames:])
        start = content.rindex(marker)
        if is_packed:
            content = gzip.compress(content)
            start = len(content) // 2
    path = tmp_path / name
    path.write_bytes(content)
    whole = load(path)
    assert len(whole.times_ps) == num_frames and not any("cut" in n for n in whole.notes)
    raw = [positions.copy() for positions, _ in formats.open_reader(path).read(range(num_frames))]
    inside = range(start, len(content))
    for cut in {*random.Random(1).sample(inside, min(200, len(inside))), start, len(content) - 1}:
        path.write_bytes(content[:cut])
        found = formats.open_reader(path)
        count = len(found.contents.steps)
        assert count == num_frames - 1 or (is_packed and 0 < count <= num_frames), cut
        assert any("cut" in n for n in found.contents.notes) or cut == start or is_packed
        np.testing.assert_array_equal(next(found.read([count - 1]))[0], raw[count - 1])


def test_damage_in_the_middle_is_named(small, tmp_path):
    folder, *_ = small
    for name, old, new in (("xu.custom", b"\n17 ", b"\n17x "), ("xu.custom", b"\n17 ", b"\n18 "),
                           ("xu.custom", b"ITEM: BOX", b"ITEM: FOX"), ("w.extxyz", b"\nAr ", b"\n"),
                           ("w.extxyz", b"Lattice", b"Gitter_"), ("w.extxyz", b"\n40\n", b"\n41\n")):
        text = (folder / name).read_bytes()
        middle = text.index(b"ITEM: TIMESTEP" if "custom" in name else b"\n40\n", len(text) // 2)
        path = tmp_path / name
        path.write_bytes(text[:middle] + text[middle:].replace(old, new, 1))
        with pytest.raises(OutputError, match=rf"{name}.*frame \d+"):
            arrays(load(path))
    data = bytearray((folder / "u.dcd").read_bytes())
    data[len(data) // 2 // 592 * 592 + 300 : len(data) // 2 + 900] = bytes(600)
    (tmp_path / "u.dcd").write_bytes(data)
    with pytest.raises(OutputError, match=r"u.dcd.*frame \d+"):
        arrays(load(tmp_path / "u.dcd"))
    with XTCFile(str(folder / "u.xtc")) as file:
        at = int(file.offsets[30])
    data = bytearray((folder / "u.xtc").read_bytes())
    data[at : at + 4] = b"\0\0\0\0"
    (tmp_path / "u.xtc").write_bytes(data)
    with pytest.raises(OutputError, match=r"u.xtc.*frame 30"):
        load(tmp_path / "u.xtc")


def test_too_far_to_unwrap(tmp_path):
    text = "".join(
        f"ITEM: TIMESTEP\n{i}\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 10\n0 10\n0 10\n"
        f"ITEM: ATOMS id x y z\n1 {x} 5 5\n" for i, x in enumerate([1, 9, 5.1, 9, 2]))
    path = tmp_path / "far"
    path.write_text(text)
    assert arrays(load(path), 0, 3)[1][:, 0, 0] == pytest.approx([1, -1, -4.9])
    path.write_text(text.replace("\n1 5.1 5", "\n1 4.9 5"))
    with pytest.raises(OutputError, match=r"step 2: an atom moved 0.41 of the cell"):
        arrays(load(path))
    path.write_text(text.replace("\n1 5.1 5", "\n1 4.9 5").replace("pp pp pp", "ff pp pp"))
    free = trajectory.AtomTable(np.array([18]), np.array([39.9]), np.array([False, True, True]))
    assert arrays(load(path, atoms=free))[1][:, 0, 0] == pytest.approx([1, 9, 4.9, 9, 2])


def test_extxyz_of_any_order_and_what_is_refused(tmp_path):
    path = tmp_path / "a.xyz"
    frame = ('2\nProperties=id:I:1:forces:R:3:pos:R:3:fixed:L:1:species:S:1 energy=-1.5 Step={} '
             'Lattice="5 0 0 0 6 0 0 0 7" pbc="T F T"\n'
             "1 0 0 0 1 2 3 T  He\n2 9 9 9   -1.5e-1 2.5 +3 F Ne\n")
    path.write_text(frame.format(10) + frame.format(20))
    reader = formats.open_reader(path)
    assert reader.contents.symbols == ("He", "Ne")
    assert reader.contents.pbc == (True, False, True)
    np.testing.assert_allclose(arrays(load(path))[1][1], [[1, 2, 3], [-0.15, 2.5, 3]])
    for text, why in (("", "is empty"), ("hello\n", "is no XTC"), ("3\nx\nC 0 0 0\n", "no complete"),
                      ("1\nno lattice\nC 0 0 0\n", "gives no Timestep"),
                      ("ITEM: TIMESTEP\n", "no complete frame")):
        path.write_text(text)
        with pytest.raises(OutputError, match=why):
            formats.open_reader(path)
    with pytest.raises(OutputError, match="cannot be read"):
        formats.open_reader(tmp_path / "missing")


def test_numbers_are_those_of_float():
    rng = np.random.default_rng(1)
    words = [format(v * 10.0**e, f) for v, e, f in zip(
        rng.normal(size=6000), rng.integers(-20, 20, 6000),
        rng.choice(["g", ".17g", ".8g", "f", ".3e", "+.4f"], 6000), strict=True)]
    words = [w for w in words if len(w) <= 40] + ["nan", "-inf", ".5", "5.", "-0", "007"]
    found = parse_numbers(" \n".join(words).encode())
    np.testing.assert_array_equal(found, np.array([float(w) for w in words]))
    for bad in (b"-", b".", b"1-2", b"1_0", b"a", b"1..2", b"9" * 41, b"0x1", b"1,2"):
        with pytest.raises(ValueError, match=r".+"):
            parse_numbers(b"1 " + bad)
    assert parse_numbers(b" \n").size == 0
    for bad in ([0.5], [np.nan], [1e17]):
        with pytest.raises(ValueError, match="whole"):
            integers(np.array(bad))


def test_rows_to_keep():
    for steps, kept in (([], []), ([5], [0]), ([0, 1, 2, 2, 3], [0, 1, 3, 4]),
                        ([0, 5, 10, 0, 5], [3, 4]), ([0, 5, 10, 6, 7], [0, 1, 3, 4])):
        assert rows_to_keep(np.array(steps, np.int64)).tolist() == kept
