"""Specifications: what files say, what is wrong with them, and their arithmetic."""

import hashlib
import json
import random
import re
import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from hostile import HOSTILE
from support import ROOT

from mdbench.errors import SpecError
from mdbench.spec import RunSpec
from mdbench.spec_file import json_schema, load_spec
from mdbench.spec_text import parse
from mdbench.templates import NAMES, init
from mdbench.units import parse_quantity

TEMPLATES = sorted((ROOT / "python/mdbench/template_files").glob("*/run.toml"))
WATER = {"builder": "water"}


def load(tmp_path, text, suffix="toml"):
    path = tmp_path / f"run.{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return load_spec(path)


def refusal(tmp_path, text, suffix="toml"):
    """The lines of the error, without the folder."""
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text, suffix)
    message = str(caught.value).replace(f"{tmp_path}/", "")
    assert "pydantic" not in message
    assert "Input should" not in message
    assert all(line.isprintable() for line in message.split("\n"))
    return message.split("\n")


# the table of [run], or another, after the two lines of [system]; then the same in YAML
@pytest.mark.parametrize(("section", "line", "message"), [
    ("run", "timestp = '1 fs'", "run.timestp: unknown key; did you mean 'timestep'?"),
    ("run", "timestep_fs = '1 fs'", "run.timestep_fs: unknown key; did you mean 'timestep'?"),
    ("run", "thermo = '1 ps'", "run.thermo: unknown key; 'thermo' belongs in [output]"),
    ("run", "bananas = 1", "run.bananas: unknown key; known are timestep, equilibration,"),
    ("run", "timestep = '1 ps'", "run.timestep: 1000 fs is more than the 20 fs that"),
    ("run", "timestep = '0 fs'", "run.timestep: '0 fs' is not more than 0"),
    ("run", "timestep = '1e-3 s'", "run.timestep: '1e-3 s': unit 's' is not one of fs, ps, ns"),
    ("run", "production = true", "run.production: True is no time: write a number and its unit"),
    ("run", "production = '20 fs'", "run.production: is shorter than output.frames: nothing to"),
    ("run", "production = '1e9 ns'", "run.production: makes more than 2147483647 steps"),
    ("run", "equilibration = '1e290 us'", "run.equilibration: makes more than 2147483647 steps"),
    ("run", "segment = '1e99 us'", "run.segment: makes more than 2147483647 steps"),
    ("run", "seed = [1, 2.5]", "run.seed: 2.5 is not a whole number"),
    ("run", "seed = 0", "run.seed: 0 is less than 1"),
    ("run", "seed = 900000000", "run.seed: 900000000 is more than 899999999"),
    ("run", "seed = []", "run.seed: has 0 values; the least is 1"),
    ("run", "seed = [3, 3]", "run.seed: lists a value twice"),
    ("run", "minimize = 'yes'", "run.minimize: 'yes' is neither true nor false"),
    ("run", "ranks = true", "run.ranks: True is not a whole number"),
    ("ensemble", "tdamp = 100", "ensemble.tdamp: 100 has no unit: write for example '100 fs'"),
    ("ensemble", "kind = 'NVT'", "ensemble.kind: 'NVT' is not one of 'nvt', 'npt' or 'nve'; did "
                                 "you mean 'nvt'?"),
    ("ensemble", "thermostat = 'nose'", "ensemble.thermostat: 'nose' is not one of 'nose-hoover'"),
    ("ensemble", "temperature = [300, -5]", "ensemble.temperature: -5 is not more than 0"),
    ("ensemble", "temperature = [300, '300 K']", "ensemble.temperature: lists a value twice"),
    ("analysis", "viscosity = ['0.9 cP', '0.8 cP']", "analysis.viscosity: lists 2 for 1 temp"),
    ("ensemble", "temperature = nan", "ensemble.temperature: "),
    ("ensemble", "pressure = '1 psi'", "ensemble.pressure: '1 psi': unit 'psi' is not one of bar"),
    ("model", "sha256 = 'abc'", "model.sha256: 'abc' is not 64 digits 0-9 a-f"),
    ("model", "file = ''", "model.file: is empty: name a file"),
    ("model", "file = 5", "model.file: 5 is not the path of a file: put it into quotes"),
    ("model", "head = 7", "model.head: 7 is not text: put it into quotes"),
    ("model", "device = 'gpu'", "model.device: 'gpu' is not auto, cpu, cuda or cuda:N"),
    ("analysis", "rdf = ['O-H', 'oh']", "analysis.rdf: 'oh' is not a pair of elements such as O-H"),
    ("analysis", "diffusion = 'Xx'", "analysis.diffusion: 'Xx' is not the symbol of an element"),
    ("dispersion", "functional = 'pbee'", "dispersion.functional: the functional 'pbee' is not "
                                          "known: did you mean 'PBE'?"),
    ("dispersion", "functional = 'custom'", "dispersion.functional: 'custom' is for LAMMPS inputs"),
    ("dispersion", "functional = 'a b'", "dispersion.functional: 'a b' is not the name of a"),
    ("dispersion", "damping = 'bjj'", "dispersion.damping: 'bjj' is not one of 'bj', 'zero'"),
    ("dispersion", "cutoff = '1 A'", "dispersion.cutoff: cutoff 1 is out of bounds: it takes 2 to"),
    ("dispersion", "cutoff = '9 A'", "dispersion.cutoff: cn 12 is more than cutoff 9"),
    ("dispersion", "switch = '-1 A'", "dispersion.switch: '-1 A' is less than 0"),
    ("dispersion", "switch = '13 A'", "dispersion.switch: switch 13 is not less than cn 12"),
    ("dispersion", "skin = '21 A'", "dispersion.skin: skin 21 is out of bounds"),
    ("dispersion", "atm = '13 A'", "dispersion.atm: atm 13 is out of bounds"),
    ("dispersion", "atm = 'on'", "dispersion.atm: 'on'"),
    ("dispersion", "every = 1", "dispersion.every: unknown key; known are method, functional, dam"),
    ("output", "format = 'xct'", "output.format: 'xct' is not one of 'xtc', 'custom', 'dcd' or "
                                 "'extxyz'; did you mean 'xtc'?"),
])
def test_bad_values_are_refused(tmp_path, section, line, message):
    """One line: file, line, field, what is wrong and what to write."""
    (found,) = refusal(tmp_path, f"[system]\nbuilder = 'water'\n\n[{section}]\n# why\n{line}\n")
    assert found.startswith(f"run.toml:6: {message}")
    key, value = line.split(" = ")
    text = f"system:\n  builder: water\n\n{section}:\n  {key}: {value}\n"
    (found,) = refusal(tmp_path, text, "yaml")
    # in YAML 1.2 nan is text
    assert value == "nan" or found.startswith(f"run.yaml:5: {message}")


@pytest.mark.parametrize(("system", "message"), [
    ({"builder": "grafene-water"}, "system.builder: 'grafene-water' is not one of 'file', 'graphene"
     "-water', 'water', 'licl', 'hea', 'lgps'; did you mean 'graphene-water'?"),
    ({}, "system: needs file = '...' or builder = '...', one of file, graphene-water, water"),
    ({"builder": "file"}, "system.file: is missing"),
    ({"file": "a.xyz", "supercell": [2, 2]}, "system.supercell: has too few values"),
    ({"file": "a.xyz", "supercell": [2, 2, 2, 2]}, "system.supercell: has 4 values; the most is 3"),
    ({"file": "a.xyz", "supercell": 2}, "system.supercell: 2 is not a list: write [ ... ]"),
    ({"file": "a.xyz", "num_water": 2},
     "system.num_water: unknown key; it goes with builder 'graphene-water' or 'water'"),
    ({"builder": "graphene-water", "cells": [2, 2]}, "system.cells: goes with cell = 'lattice'"),
    ({"builder": "graphene-water", "height": "9 A"}, "system.height: goes with cell = 'lattice'"),
    ({"builder": "hea", "fractions": [0.5, 0.5]}, "system.fractions: needs 5 numbers, one an el"),
    ({"builder": "hea", "elements": ["Nb", "Ti"], "fractions": [0.5, 0.4]},
     "system.fractions: adds up to 0.9 instead of 1"),
    ({"builder": "hea", "elements": ["Nb", "Nb"]}, "system.elements: names an element twice"),
])
def test_bad_systems_are_refused(tmp_path, system, message):
    text = "name = 'x'\n[system]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in system.items())
    (found,) = refusal(tmp_path, text)
    key = message.split(":")[0].removeprefix("system").lstrip(".")
    line = text.split("\n").index("[system]") + 1
    line += 1 + list(system).index(key) if key in system else 0
    assert found.startswith(f"run.toml:{line}: {message}")
    (found,) = refusal(tmp_path, json.dumps({"name": "x", "system": system}), "yml")
    assert found.startswith(f"run.yml:1: {message}")


@pytest.mark.parametrize(("text", "suffix", "message"), [
    ("[run]\nseed = 1\n", "toml", "1: system: needs file = '...' or builder = '...', one of"),
    ("[[system]]\nbuilder = 'water'", "toml", "1: system: [{'builder': 'water'}] is not a table"),
    ("name = 'x'\n\nsystem = 5", "toml", "3: system: 5 is not a table: write its keys below [sys"),
    ("[system]\nbuilder = water\n", "toml",
     "2:11: not valid TOML: Invalid value: texts and quantities stand in quotes"),
    ("[system]\nnum_water = 5 fs\n", "toml", "2:15: not valid TOML: "),
    ("[a]\n[b]\n[a]\n", "toml", "3:3: not valid TOML: "),
    ("a = [1,\n\n", "toml", "3:1: not valid TOML: Invalid value"),
    ("a = 2024-02-30", "toml", "1"),
    ("a = " + "[" * 1500, "toml", "1: lists or tables are nested too deeply"),
    ("a." * 2000 + "b = 1", "toml", "1: the line is longer than 2000 characters"),
    ("\n\ttab: 1", "yaml", "2:1: not valid YAML: found character '\\t' that cannot start any"),
    ("a: 1\nb: [\n", "yaml", "3:1: not valid YAML: "),
    ("a: 1\nb: 2\na: 3\n", "yaml", "3:1: not valid YAML: key 'a' stands twice in its table"),
    ("a: &x [1]\nb: *x\n", "yaml", "2:4: not valid YAML: aliases (*x) are not read"),
    ("<<: {a: 1}\nsystem: {builder: water}", "yaml", "1: '<<': unknown key; known are name,"),
    ("a: !!python/name:os.system x", "yaml", "1:4: not valid YAML: tag "),
    ("a: !!binary aGk=", "yaml", "1:4: not valid YAML: tag "),
    ("? [1, 2]\n: 3", "yaml", "1:3: not valid YAML: a key is a list or a table"),
    ("- a\n- b\n", "yaml", "1: not a specification: write keys and values"),
    ("a: 1\n---\nb: 2\n", "yaml", "2:1: not valid YAML: "),
    ("a: " + "[" * 1500, "yaml", "1:23: not valid YAML: lists or tables are nested too deeply"),
    ("a: 1\nb: \x07", "yaml", "2: not valid YAML: special characters are not allowed"),
    ("seed: !!int x", "yaml", "1:7: not valid YAML: this is no int"),
    (b"a = 1\nb = '\xff'", "toml", "2: not UTF-8 text: save it in that encoding"),
    (b"\xff\xfea\x00", "yaml", "1: not UTF-8 text"),
    (" \n\n", "toml", "1: is empty: 'mdbench init' writes one to start from"),
    ("# nothing\n", "yaml", "1: system: needs file"),
    ("#" * 50 + "\n" + "# a\n" * 25_000, "toml", " is larger than 100000 bytes"),
])
def test_broken_files_are_refused(tmp_path, text, suffix, message):
    start = time.process_time()
    (found,) = refusal(tmp_path, text, suffix)
    assert time.process_time() - start < 5
    assert found.startswith(f"run.{suffix}:{message}")


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "a.ini").write_text("x")
    for path, message in ((tmp_path / "no.toml", "No such file or directory"),
                          (tmp_path, "is a folder: name the specification in it"),
                          (tmp_path / "a.ini", "the name of a specification ends in .toml, "),
                          (Path("/dev/zero"), "is not a file"),
                          (Path("a\x00.toml"), "embedded null byte"),
                          (Path("a" * 300 + ".toml"), "File name too long")):
        with pytest.raises(SpecError, match=re.escape(message)) as caught:
            load_spec(path)
        assert str(caught.value).isprintable()


def test_all_problems_are_told_in_the_order_of_the_file(tmp_path):
    text = "name = 'a b'\n[run]\nseed = 0\n\"x\x7f\" = 1\n[system]\nbuilder = 'water'\n"
    text = text.replace("\x7f", "\\u202e")
    assert refusal(tmp_path, text) == [
        "run.toml:1: name: 'a b' is not 1 to 64 letters, digits and _ . -, a letter or digit first",
        "run.toml:3: run.seed: 0 is less than 1",
        "run.toml:4: run.'x\\u202e': unknown key; known are timestep, equilibration, production, "
        "segment, minimize, velocities, seed, ranks, threads"]
    many = "[system]\nbuilder='water'\n[run]\n" + "".join(f"k{i} = 1\n" for i in range(12))
    lines = refusal(tmp_path, many)
    assert [line.split(":")[1] for line in lines[:10]] == [str(i) for i in range(4, 14)]
    assert lines[10:] == ["and 2 more"]


TOML = """
name = "a" # [no.table]
text = '''
[not.a.table]
''' # c
other = \"\"\"x ""\\" y
fake = 1\"\"\"\"\"
"quoted \\u00e9".'b c' . d = [ # list
  1, "]",
  { e = 2 },
]
inline = { f = 1, g.h = "=" }
[ table . "sub" ] # x
k=1
[[array]]
k = 2
[[array]]
k = 3
[array.inner]
k = 4
"""


def test_lines_of_toml_keys():
    parsed = parse(TOML.replace("\n", "\r\n"), "x", is_toml=True)
    at = {"/".join(map(str, keys)): line for keys, line in parsed.lines.items() if keys}
    assert at == {
        "name": 2, "text": 3, "other": 6, "quoted é": 8, "quoted é/b c": 8, "quoted é/b c/d": 8,
        "inline": 12, "table": 13, "table/sub": 13, "table/sub/k": 14, "array": 15, "array/0": 15,
        "array/0/k": 16, "array/1": 17, "array/1/k": 18, "array/1/inner": 19, "array/1/inner/k": 20}
    assert parsed.line(("inline", "f")) == 12
    assert parsed.line(("nowhere",)) == 1


def test_lines_of_yaml_keys():
    parsed = parse("a: 1\nb:\n  c: |\n    d: 2\n  e: [1,\n   {f: 2}]\n", "x", is_toml=False)
    assert parsed.data == {"a": 1, "b": {"c": "d: 2\n", "e": [1, {"f": 2}]}}
    keys = [("a",), ("b",), ("b", "c"), ("b", "e", 1, "f")]
    assert [parsed.line(k) for k in keys] == [1, 2, 3, 6]


def test_yaml_is_read_as_version_1_2(tmp_path):
    """`No` is nobelium, a date is text, an empty section is an empty table."""
    text = "system: {file: a, elements: [No, Y, N]}\nname: 2024-01-01\nrun:\nmodel:\n"
    spec = load(tmp_path, text, "yaml").spec
    assert spec.system.elements == ("No", "Y", "N")
    assert spec.name == "2024-01-01"


def test_defaults(tmp_path):
    loaded = load(tmp_path, "\ufeff[system]\nfile = 'a.data'\n")
    spec = loaded.spec
    assert loaded.sha256 == hashlib.sha256(loaded.path.read_bytes()).hexdigest()
    assert loaded.text == "[system]\nfile = 'a.data'\n"
    assert spec.system.builder == "file"
    assert str(spec.model.file) == "bundled"
    assert (spec.model.precision, spec.model.device) == ("mixed", "auto")
    assert not spec.model.is_reference
    assert (spec.ensemble.temperature_k, spec.ensemble.tdamp_fs) == ((298.0,), 100.0)
    assert (spec.run.timestep_fs, spec.run.seed, spec.run.segment_fs) == (0.5, (1,), None)
    with pytest.raises(Exception, match="frozen"):
        spec.run.timestep_fs = 1.0


def test_units(tmp_path):
    spec = load(tmp_path, """[system]
builder = "graphene-water"
cell = "lattice"
height = "1.9 nm"
[ensemble]
kind = "npt"
temperature = ["25e1 K", 300]
pressure = "-0.1 GPa"
[run]
timestep = ".0005 ps"
production = "0.02 ns"
[analysis]
rdf = "O-H"
viscosity = ["0.85 cP", "1.3e-3 Pa s"]
""").spec
    assert spec.system.height_ang == pytest.approx(19)
    assert spec.ensemble.temperature_k == (250, 300)
    assert spec.ensemble.pressure_bar == pytest.approx(-1000)
    assert spec.run.timestep_fs == pytest.approx(0.5)
    assert spec.run.production_fs == pytest.approx(20_000)
    assert spec.analysis.rdf == ("O-H",)
    assert spec.analysis.viscosity_mpas == pytest.approx((0.85, 1.3))
    spec = load(tmp_path, "system.builder = 'graphene-water'\nsystem.cell = 128").spec
    assert spec.system.cell == "128"


def test_each_temperature_has_its_viscosity(tmp_path):
    text = "[system]\nbuilder = 'water'\n[ensemble]\ntemperature = [280, 300]\n[analysis]\n"
    assert refusal(tmp_path, f"{text}viscosity = ['0.9 cP', '0.8 cP', '0.7 cP']\n") == [
        "run.toml:6: analysis.viscosity: lists 3 for 2 temperatures: give one for each, in order"]
    # of campaigns that were begun when one stood for all: check warns, and nothing is corrected
    assert load(tmp_path, f"{text}viscosity = '0.9 cP'\n").spec.analysis.viscosity_mpas == (0.9,)
    assert load(tmp_path, f"{text}viscosity = ['0.9 cP', '0.8 cP']\n").spec.analysis.viscosity_mpas


@pytest.mark.parametrize(("value", "kind", "expected"), [
    ("1 atm", "pressure", 1.01325), ("100 kPa", "pressure", 1), ("1 MPa", "pressure", 10),
    ("997 kg/m3", "density", 0.997), ("1e-3 Pa s", "viscosity", 1), ("+2. us", "time", 2e9),
    ("5 Å", "length", 5), (300, "temperature", 300)])
def test_quantities(value, kind, expected):
    assert parse_quantity(value, kind) == pytest.approx(expected, rel=1e-14)


def test_paths_count_from_the_folder_of_the_file(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    for written, model in (("bundled", "bundled"), ("reference", "reference"),
                           ("./bundled", tmp_path / "in/bundled"), ("/x/y.mace", "/x/y.mace"),
                           ("../m.mace", tmp_path / "in/../m.mace")):
        Path("in/run.toml").write_text(f"system.file = 'bundled'\nmodel.file = '{written}'")
        spec = load_spec(Path("in/run.toml")).spec
        assert str(spec.model.file) == str(model)
        assert spec.model.is_reference == (written == "reference")
        assert spec.system.file == tmp_path / "in/bundled"


def make(**sections):
    return RunSpec.model_validate({"system": WATER, **sections})


def test_plan_rounds_lengths_up_to_whole_frames():
    plan = make(run={"timestep": "0.5 fs", "equilibration": "101 fs", "production": "1 ps",
                     "segment": "130 fs"},
                output={"frames": "50 fs", "thermo": "9.9 fs", "velocities": "0.1 fs"}).plan()
    # 101 fs are 202 steps: 3 frames of 100 steps; 130 fs: 3 frames as well
    assert (plan.frames, plan.equilibration, plan.total, plan.segment) == (100, 300, 2300, 300)
    assert (plan.thermo, plan.velocities) == (20, 1)


def test_segments_end_where_the_equilibration_does():
    plan = make(run={"timestep": "1 fs", "equilibration": "250 fs", "production": "700 fs",
                     "segment": "200 fs"}, output={"frames": "50 fs"}).plan()
    assert plan.boundaries() == [0, 200, 250, 400, 600, 800, 950]
    plan = make(run={"timestep": "1 fs", "equilibration": "0 fs", "production": "1 ps"},
                output={"frames": "50 fs"}).plan()
    assert plan.segment == 50  # a twentieth
    assert plan.boundaries() == list(range(0, 1001, 50))


@pytest.mark.parametrize("timestep", ["0.1 fs", "0.3 fs", "0.7 fs", "2 fs"])
def test_lengths_that_are_whole_in_decimals_gain_no_frame(timestep):
    """0.3 fs x 10 is 3.0000000000000004 fs in binary."""
    dt = float(timestep.split()[0])
    plan = make(run={"timestep": timestep, "equilibration": f"{dt * 70!r} fs",
                     "production": f"{dt * 990!r} fs"}, output={"frames": f"{dt * 10!r} fs"}).plan()
    assert (plan.frames, plan.equilibration, plan.total) == (10, 70, 1060)


def test_tiny_segments_are_a_frame_or_refused():
    plan = make(run={"segment": "1e-20 fs", "production": "10 ps"}).plan()
    assert plan.segment == plan.frames
    with pytest.raises(ValueError, match="more than 10000 segments"):
        make(run={"segment": "1e-20 fs", "production": "1 us"})


def test_variants_have_names_of_their_own():
    spec = make(ensemble={"temperature": [298, 350.5]}, run={"seed": [1, 7]})
    assert [v.name for v in spec.variants()] == [
        "298K-seed1", "298K-seed7", "350.5K-seed1", "350.5K-seed7"]
    with pytest.raises(ValueError, match="six digits count"):
        make(ensemble={"temperature": [298.00001, 298.00002]})


def test_dispersion():
    """Defaults are those of the pair style; names of functionals are as people write them."""
    d3 = make(dispersion={"method": "d3"}).dispersion
    assert d3.words() == ["bj", "pbe", "cutoff", "15", "switch", "2", "cn", "12", "skin", "2",
                          "atm", "0", "every", "1", "delay", "0", "check", "yes"]
    for name in ("r2SCAN", "R2-scan", "r2_scan"):
        named = make(dispersion={"method": "d3", "functional": name}).dispersion
        assert named.words()[1] == "r2scan"
    assert make(dispersion={"method": "d3", "atm": "off"}).dispersion == d3
    assert make(dispersion={"method": "none", "functional": "pbe"}) == make()  # as a manifest has it
    chosen = make(dispersion={"method": "d3", "functional": "PBE0", "damping": "bjm", "cutoff": "20 A", "atm": "1 nm",
                              "switch": "0 A", "coordination_cutoff": "14 A", "skin": "0.5 A"})
    assert chosen.dispersion.words()[:12] == [
        "bjm", "pbe0", "cutoff", "20", "switch", "0", "cn", "14", "skin", "0.5", "atm", "10"]
    assert RunSpec.model_validate(chosen.model_dump(mode="json")) == chosen


@pytest.mark.parametrize(("section", "keys", "message"), [
    ("dispersion", {"functional": "pbe"}, "method: is missing: d3"),
    ("dispersion", {"functional": "pbe0", "damping": "zero"}, "method: is missing: d3"),
    ("dispersion", {"allow_double_counting": True}, "method: is missing: d3"),
    ("dispersion", {"method": "none", "atm": "10 A"}, "method: 'none' leaves the other keys"),
    ("ensemble", {"pressure": "2 bar"}, "pressure: goes with kind = 'npt'"),
    ("ensemble", {"kind": "nve", "pdamp": "2 ps"}, "pdamp: goes with kind = 'npt'"),
    ("ensemble", {"coupling": "z"}, "coupling: goes with kind = 'npt'"),
    ("ensemble", {"barostat": "berendsen"}, "barostat: goes with kind = 'npt'"),
    ("ensemble", {"bulk_modulus": "2 GPa"}, "bulk_modulus: goes with barostat = 'berendsen'"),
    ("ensemble", {"kind": "npt", "bulk_modulus": "2 GPa"}, "bulk_modulus: goes with barostat ="),
])
def test_keys_without_what_they_go_with_are_refused(section, keys, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make(**{section: keys})


def test_a_manifest_holds_a_specification_that_validates_again():
    for path in TEMPLATES:
        if path.parent.name == "graphene-water":
            continue  # has placeholders
        spec = load_spec_of(path)
        dumped = json.loads(json.dumps(spec.model_dump(mode="json")))
        assert RunSpec.model_validate(dumped) == spec
    spec = make(run={"timestep": f"{1 / 3!r} fs"}, system={"builder": "graphene-water"})
    dumped = spec.model_dump(mode="json")
    assert dumped["run"]["timestep"] == "0.3333333333333333 fs"
    assert RunSpec.model_validate(dumped) == spec


def load_spec_of(path):
    text = path.read_text().replace("$name", "x")
    return RunSpec.model_validate(parse(text, "x", is_toml=True).data)


def test_schema():
    schema = json_schema()
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    text = json.dumps(schema)
    for word in ("_fs\"", "prefixItems", "discriminator", "Timestep Fs"):
        assert word not in text
    tables = {"RunSpec": schema, **schema["$defs"]}
    for name, table in tables.items():
        assert table["description"], name
        assert table["additionalProperties"] is False
        for key, field in table["properties"].items():
            assert "$ref" in field or field["description"], (name, key)
    run = schema["$defs"]["Run"]["properties"]
    assert run["timestep"]["default"] == "0.5 fs"
    for value, fits in (("0.5 fs", True), ("1e-3ps", True), ("5", False), ("5 s", False)):
        assert bool(re.search(run["timestep"]["pattern"], value)) is fits
    d3 = schema["$defs"]["Dispersion"]["properties"]
    assert (d3["cutoff"]["default"], d3["atm"]["anyOf"][0]) == ("15.0 A", {"const": "off"})
    assert {"PBE", "r2SCAN", "HSE06"} <= set(d3["functional"]["examples"])
    assert schema["$defs"]["GrapheneWater"]["properties"]["cells"]["additionalItems"] is False


def test_templates_fit_the_schema(tmp_path):
    schema = json_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    for name in NAMES:
        text = (init(name, tmp_path / name) / "run.toml").read_text()
        validator.validate(parse(text, "x", is_toml=True).data)
    assert not validator.is_valid({"system": {"builder": "water"}, "run": {"timestep": 0.5}})
    assert not validator.is_valid({"system": {"builder": "water"}, "run": {"timestp": "1 fs"}})


# every field that takes text, or a list of texts, or a quantity
TEXTS = ["name", "system.builder", "system.file", "system.elements", "model.file", "model.sha256",
         "model.head", "model.precision", "model.device", "dispersion.method",
         "dispersion.functional", "dispersion.damping", "dispersion.cutoff",
         "dispersion.switch", "dispersion.coordination_cutoff", "dispersion.atm",
         "dispersion.skin", "ensemble.kind",
         "ensemble.temperature", "ensemble.thermostat", "ensemble.tdamp", "ensemble.pressure",
         "ensemble.coupling", "run.timestep", "run.production", "run.seed", "run.threads",
         "output.thermo", "output.frames", "output.format", "output.velocities", "analysis.rdf",
         "analysis.rdf_range", "analysis.profile", "analysis.sheet", "analysis.diffusion",
         "analysis.viscosity"]
HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:-]{0,63}")


def texts_of(data, keys=()):
    """Every text in validated data, with its keys."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from texts_of(value, (*keys, key))
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from texts_of(value, keys)
    elif isinstance(data, (str, Path)):
        yield keys, data


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("form", ["toml", "yaml"])
def test_hostile_texts_are_refused_or_harmless(tmp_path, field, form):
    section, _, key = field.rpartition(".")
    accepted = 0
    for text in HOSTILE:
        value = [text] if key in {"elements", "rdf", "diffusion"} else text
        data = {"system": {"file": "a.xyz"}}
        (data.setdefault(section, {}) if section else data)[key] = value
        if form == "yaml":
            written = yaml.safe_dump(data, allow_unicode=True, width=10**6)
        else:
            quoted = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            head = "" if field == "system.file" else "system.file = 'a.xyz'\n"
            written = f"{head}{field} = {quoted}\n"
        try:
            spec = load(tmp_path, written, form).spec
        except SpecError as problem:
            assert all(c.isprintable() or c == "\n" for c in str(problem))
            assert max(map(len, str(problem).split("\n"))) < 400
            continue
        accepted += 1
        for keys, found in texts_of(spec.model_dump()):
            if isinstance(found, Path):
                assert keys in {("system", "file"), ("model", "file")}
                assert str(found).isprintable()
            else:
                assert HARMLESS.fullmatch(found), (keys, found)
    assert accepted == 0 or field in {"name", "system.file", "model.file", "model.head"}


def mutated(rng, text, words):
    """A text with one to five bytes flipped, pieces cut out, doubled or swapped."""
    raw = bytearray(text.encode())
    for _ in range(rng.randint(1, 5)):
        i, length = rng.randrange(len(raw) + 1), rng.choice([1, 2, 5, 30, 200])
        match rng.randrange(6):
            case 0 if i < len(raw):
                raw[i] ^= 1 << rng.randrange(8)
            case 1:
                del raw[i:i + length]
            case 2:
                raw[i:i] = raw[i:i + length] * rng.choice([1, 2, 10])
            case 3:
                raw[i:i] = rng.choice(words)
            case 4:
                a, b = rng.choice(words), rng.choice(words)
                raw = raw.replace(a, b, 1)
            case 5:
                raw[i:i + 1] = rng.choice(list(b"\"'[]{}=.#,\n:&*!|>- \\\x00\xff\r")).to_bytes()
    return bytes(raw)


@pytest.mark.parametrize("cases", [2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_fuzzed_files_load_or_are_refused(memory_path, cases):
    rng = random.Random(cases)  # noqa: S311
    corpus = []
    for path in TEMPLATES:
        text = re.sub(r"^ *#.*\n|(?<=.)  +#.*|\$system", "", path.read_text(), flags=re.MULTILINE)
        corpus.append(("toml", text.replace("$name", "x")))
        data = parse(corpus[-1][1], "x", is_toml=True).data
        corpus += [("yaml", yaml.safe_dump(data)), ("yaml", json.dumps(data))]
    words = sorted({w.encode() for _, text in corpus for w in re.findall(r"\w+|[^\w\s]", text)}
                   | {b"1e999", b"-1", b"9" * 5000, b"nan", b"true", b"null", b"{}", b"'''"})
    outcomes = {"loaded": 0, "refused": 0}
    slowest = 0.0
    for _ in range(cases):
        suffix, text = rng.choice(corpus)
        start = time.process_time()
        try:
            plan = load(memory_path, mutated(rng, text, words), suffix).spec.plan()
            assert plan.boundaries()[-1] == plan.total
            outcomes["loaded"] += 1
        except SpecError as problem:
            assert re.match(r".*run\.(toml|yaml):", str(problem))
            assert all(c.isprintable() or c == "\n" for c in str(problem))
            outcomes["refused"] += 1
        slowest = max(slowest, time.process_time() - start)
    print(outcomes, slowest)
    assert min(outcomes.values()) > cases / 50
    assert slowest < 5
