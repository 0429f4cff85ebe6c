"""The README's commands work as they stand."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import classical
import pytest
from ase.io import read
from support import BIN, BUNDLED, ROOT, STRUCTURES

from mdbench.spec_file import load_spec
from mdbench.spec_force_field import ForceField, Rbmd

README = (ROOT / "README.md").read_text()


def block(language):
    return blocks(language)[0]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_your_own_model(tmp_path):
    shutil.copy(BUNDLED, tmp_path / "my.model")
    shutil.copy(ROOT / "inputs/graphene_water_128.data", tmp_path / "my.data")
    STRUCTURES["bulk"]().write(tmp_path / "frame.xyz")
    (tmp_path / "in.mine").write_text(block("lammps"))
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", block("bash")], cwd=tmp_path, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout
    assert "Total wall time" in done.stdout


def test_from_ase(tmp_path):
    shutil.copy(BUNDLED.with_suffix(".mace"), tmp_path / "my.mace")
    STRUCTURES["bulk"]().write(tmp_path / "frame.xyz")
    program = "\n".join(blocks("python"))
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    energies = [float(line.split()[0]) for line in done.stdout.splitlines() if line[0] != " "]
    assert len(energies) == 2
    assert energies[1] < energies[0]  # with dispersion, after a little motion


def test_data_sets(tmp_path):
    atoms = STRUCTURES["bulk"]()
    atoms.info["REF_energy"] = -123.456
    atoms.write(tmp_path / "labels.xyz")
    (commands,) = [b for b in blocks("sh") if "mdbench d3" in b]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, env=environment, check=True)
    assert read(tmp_path / "without.xyz").info["REF_energy"] > -123
    assert read(tmp_path / "again.xyz").info["REF_energy"] == pytest.approx(-123.456, abs=1e-9)


def test_rbmd(tmp_path):
    shutil.copy(BUNDLED, tmp_path / "my.model")
    STRUCTURES["bulk"]().write(tmp_path / "frame.xyz")
    (commands,) = [b for b in blocks("sh") if "--rbmd" in b]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", commands], cwd=tmp_path, env=environment, text=True,
                          capture_output=True, check=True)
    assert "RBMD's call of my-lammps.pt against mace-torch's calculator" in done.stdout


def test_links_exist():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_keywords_of_the_table_are_those_of_the_parser():
    source = (ROOT / "plugin/lammps/mace_settings.cpp").read_text()
    parsed = set(re.findall(r'\{"(\w+)", &settings\.', source))
    table = README.split("| keyword |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == parsed | {"d3"}


def test_d3_keywords_and_defaults_are_those_of_the_parser():
    source = (ROOT / "plugin/d3/settings.cpp").read_text()
    parsed = set(re.findall(r'\{"(\w+)", &D3', source)) | {"check", "parallel"}
    table = README.split("| D3 keyword |")[1].split("\n\n")[0]
    defaults = {}
    for row in table.splitlines()[2:]:
        names, _, values = row.strip("| ").split(" | ")
        keywords = re.findall(r"`(\w+)`", names)
        defaults |= dict(zip(keywords, values.split(", "), strict=False))
        parsed -= set(keywords)
    assert not parsed
    header = (ROOT / "plugin/d3/settings.hpp").read_text()
    fields = re.findall(r"(\w+) = ([\d.]+)", header.split("struct D3Settings")[1])
    for name, value in fields:
        assert float(defaults[name.removesuffix("_width")]) == float(value)


@pytest.mark.parametrize(("section", "model"), [("force_field", ForceField), ("rbmd", Rbmd)])
def test_keys_and_defaults_of_sections(section, model):
    fields = {f.alias or name: f.default for name, f in model.model_fields.items()}
    table = README.split(f"| `[{section}]` |")[1].split("\n\n")[0]
    named = {}
    for row in table.splitlines()[2:]:
        names, _, values = row.strip("| ").split(" | ")
        names = re.findall(r"`(\w+)`", names)
        values = values.replace("`", "").split(", ")
        named |= dict(zip(names, values * len(names) if len(values) == 1 else
                          [values] if len(names) == 1 else values, strict=False))
    assert set(named) == set(fields)
    for name, default in fields.items():
        if isinstance(default, tuple) and not default:
            assert named[name] == "none"
        elif isinstance(default, tuple):
            assert [float(v) for v in named[name]] == list(default)
        elif default is None:
            assert named[name] in {"none", "by accuracy"}
        elif isinstance(default, float):
            assert float(named[name]) == default
        else:
            assert named[name] == str(default).lower()


def test_rigid_water(tmp_path):
    """The specification as it stands, a hundredth as long."""
    water = classical.water(64, 12.42, angle_deg=classical.RIGID_ANGLE_DEG, r0=1.0)
    classical.write(tmp_path, water, "water.data")
    (text,) = [b for b in blocks("toml") if "109.47" in b]
    short = text.replace('"20 ps"', '"0.2 ps"\nequilibration = "0.1 ps"\nthreads = 1')
    (tmp_path / "run.toml").write_text(short.replace("9 A", "6 A"))
    for verb in ("check", "run"):
        done = subprocess.run([str(BIN / "mdbench"), verb], cwd=tmp_path, text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr


def test_rbmd_and_the_way_back(tmp_path):
    """The commands as they stand, in the place of RBMD frames of the LAMMPS run."""
    (commands,) = [b for b in blocks("sh") if "rbmd -j" in b]
    shorter = "sed -i -E 's/^(equilibration|production) = .*/\\1 = \"0.2 ps\"/; " \
        "s/^# format = .*/format = \"custom\"/' spce/run.toml"
    first, rest = commands.split("\n", 1)
    commands = f"{first}\n{shorter}\n{rest}"
    stand_in = tmp_path / "bin/rbmd"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f"#!{sys.executable}\nimport pathlib, re, sys\nassert sys.argv[1:] == ['-j', 'rbmd.json']\n"
        "parts = sorted(pathlib.Path('../spce/runs').glob('*/segments/*.custom'))\n"
        "text = ''.join(p.read_text() for p in parts)\n"
        "pathlib.Path('rbmd.trj').write_text(text.replace('xu yu zu', 'x y z'))\n")
    stand_in.chmod(0o755)
    path = f"{BIN}:{stand_in.parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-euc", commands], cwd=tmp_path, text=True, check=False,
                          env={**os.environ, "PATH": path}, capture_output=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "both/report.html").read_text()
    assert "RBMD" in page
    assert "Higher Order Equivariant" not in page  # no MACE in it
    again = load_spec(tmp_path / "spce-again/run.toml").spec
    assert again.force_field.kind == "cvff"
    assert again.plan().total == 400


@pytest.mark.parametrize("name", ["plugin_vs_calculator", "native_vs_peers", "native_scaling",
                                  "known_truth", "analysis", "d3", "scaling"])
def test_speed_tables_are_made_from_the_results(name, monkeypatch):
    path = ROOT / f"benchmarks/{name}.py"
    monkeypatch.syspath_prepend(path.parent)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.table(json.loads(module.RESULT.read_text())) in README
