"""Folders that `mdbench init` makes."""

import math
import re
import subprocess
import sys

import pytest
from support import ROOT

from mdbench.errors import SpecError
from mdbench.molecules.load import load_molecules
from mdbench.spec_file import load_spec
from mdbench.spec_force_field import ForceField
from mdbench.templates import NAMES, init

FILES = ROOT / "python/mdbench/template_files"
KEY = re.compile(r"^# ([a-z_]+ = (?:\"[^\"]*\"|\[[^\]]*\]|[\w.]+))", re.MULTILINE)


def atoms(system):
    """Number of atoms by arithmetic."""
    copies = math.prod(getattr(system, "supercell", (1,)))
    match system.builder:
        case "graphene-water" if system.cell == "lattice":
            return copies * (4 * math.prod(system.cells) + 3 * system.num_water)
        case "graphene-water":
            return copies * int(system.cell)
        case "file":
            return copies * len(load_molecules(system, ForceField(kind="cvff")).system)
        case "water":
            return copies * 3 * system.num_water
        case "licl":
            return copies * 8 * system.cells**3
        case "hea":
            return math.prod(system.cells) * {"bcc": 2, "fcc": 4}[system.lattice]
        case "lgps":
            return copies * 50


@pytest.mark.parametrize(("name", "kind", "timestep_fs", "temperatures", "num"), [
    ("graphene-water", "nvt", 0.5, (298,), 372),
    ("water", "nvt", 0.5, (298,), 192),
    ("spce", "nvt", 1.0, (298,), 648),
    ("licl", "npt", 1.0, (900, 1000, 1100, 1200, 1300), 512),
    ("hea", "npt", 2.0, (300,), 128),
    ("lgps", "nvt", 2.0, (600, 700, 800, 900, 1000), 200),
])
def test_every_template_loads(tmp_path, name, kind, timestep_fs, temperatures, num):
    folder = init(name, tmp_path / name)
    more = ["water.data"] if name == "spce" else []
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "run.toml", *more]
    spec = load_spec(folder / "run.toml").spec
    assert spec.name == name
    assert spec.system.builder == ("file" if name == "spce" else name)
    assert (spec.ensemble.kind, spec.run.timestep_fs) == (kind, timestep_fs)
    assert spec.ensemble.temperature_k == temperatures
    assert atoms(spec.system) == num
    text = (folder / "run.toml").read_text()
    assert f"{num} atoms" in text or name == "water"
    bundled = name in {"graphene-water", "water", "spce"}
    model = "bundled" if bundled else str(folder.absolute() / f"{name}.mace")
    assert str(spec.model.file) == model
    assert ("mdbench convert" in text) is not bundled
    dt, tdamp = spec.run.timestep_fs, spec.ensemble.tdamp_fs
    assert 50 * dt <= tdamp <= 200 * dt
    assert spec.ensemble.pdamp_fs >= 5 * tdamp


def test_the_first_example_takes_less_than_100_s(tmp_path):
    spec = load_spec(init("graphene-water", tmp_path / "a") / "run.toml").spec
    assert spec.plan().total * 3.2e-3 < 100


@pytest.mark.parametrize("name", NAMES)
def test_keys_shown_as_comments_are_right(tmp_path, name):
    """Every commented key, made live on its own, is accepted; those said to be defaults are."""
    file = init(name, tmp_path / name) / "run.toml"
    text = file.read_text().replace("# [dispersion]", "[dispersion]")
    text = text.replace('# method = "d3"', 'method = "d3"')  # without which the others are refused
    file.write_text(text)
    shown = [m for m in KEY.finditer(text) if "..." not in m[1]]
    assert len(shown) > 10
    plain = load_spec(file).spec
    for match in shown:
        file.write_text(text[:match.start()] + match[1] + text[match.start() + 2 + len(match[1]):])
        spec = load_spec(file).spec
        key = match[1].split(" = ")[0]
        if key in {"precision", "device", "minimize", "seed", "ranks", "format", "thermostat",
                   "arrangement_seed", "sheet", "pressure", "damping", "cutoff", "switch",
                   "coordination_cutoff", "atm"}:
            assert spec == plain, match[1]


@pytest.mark.parametrize("name", NAMES)
def test_readme_says_what_to_do(name):
    text = (FILES / name / "README.md").read_text()
    assert 10 <= len(text.splitlines()) <= 25
    for word in ("mdbench check run.toml", "mdbench run run.toml", "Out come", "To change it",
                 "mdbench convert your.model --elements", "mdbench report"):
        assert word in text
    assert name in {"graphene-water", "water", "spce"} or "sha256" in text


def test_templates_are_packed():
    """Every template has its folder, and nothing else lies there."""
    assert sorted(p.name for p in FILES.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize(("size", "num"), [("128", 128), ("372", 372), ("1038", 1038),
                                           ("2976", 2976), ("1x1x1", 372), ("3x2x1", 2232)])
def test_sizes(tmp_path, size, num):
    folder = init("graphene-water", tmp_path / size, size=size)
    system = load_spec(folder / "run.toml").spec.system
    assert atoms(system) == num
    for file in folder.iterdir():
        assert f"{num} atoms" in file.read_text()
    if system.cell == "lattice":  # as much water to the carbon as in the paper's cell, to 6%
        assert system.num_water / (4 * math.prod(system.cells)) == pytest.approx(100 / 72, rel=0.06)


@pytest.mark.parametrize("size", ["", "373", "0x1x1", "101x1x1", "2x2", "2x2x2x2", "٣x1x1", "-1x1"])
def test_other_sizes_are_refused(tmp_path, size):
    with pytest.raises(SpecError, match=r"choose 128, 372, 1038, 2976"):
        init("graphene-water", tmp_path / "a", size=size)
    assert not (tmp_path / "a").exists()


def test_size_goes_with_graphene_water(tmp_path):
    with pytest.raises(SpecError, match="graphene-water"):
        init("water", tmp_path / "a", size="372")


def test_nothing_is_overwritten(tmp_path):
    folder = init("water", tmp_path / "a")
    (folder / "run.toml").write_text("mine")
    for name in ("water", "hea"):
        with pytest.raises(SpecError, match=r"exists already and is not empty"):
            init(name, folder)
    assert (folder / "run.toml").read_text() == "mine"
    with pytest.raises(SpecError, match=r"exists already"):
        init("water", folder / "run.toml")
    (tmp_path / "empty").mkdir()
    assert init("water", tmp_path / "empty") == tmp_path / "empty"
    with pytest.raises(SpecError, match=r"^cannot write .*: File name too long$"):
        init("water", tmp_path / ("a" * 300))


def test_folder_is_named_after_the_system(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(init("hea")) == "hea"
    with pytest.raises(SpecError, match=r"no template 'argon': choose one of graphene-water, "):
        init("argon")


def test_starting_is_fast():
    """`mdbench init` needs neither numpy nor pydantic."""
    code = "import sys, mdbench.templates; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'numpy'" not in done.stdout
    assert "'pydantic'" not in done.stdout
