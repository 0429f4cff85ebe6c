"""Specifications written as text and read back."""

import random
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from mdbench.errors import SpecError
from mdbench.spec import RunSpec
from mdbench.spec_dispersion import FUNCTIONALS, Dispersion
from mdbench.spec_file import load_spec
from mdbench.spec_messages import SECTIONS, SYSTEMS
from mdbench.spec_types import Section
from mdbench.spec_write import spec_text

DECADES = {"time": 3, "length": 1.3, "temperature": 4.9, "pressure": 4, "density": 1,
           "viscosity": 1, "inverse area": 0}
NAMES = ("a.data", "x y/b.data", 'quo"te.data', "ü.data", "back\\slash", "bundled", "# no.comment",
         "a = '''", "../up.data", "-1.0 fs")
KINDS = {"alpha_per_ang2": "inverse area", "pressure_bar": "pressure", "density_gcm3": "density",
         "bulk_modulus_bar": "pressure", "temperature_k": "temperature",
         "viscosity_mpas": "viscosity"}
# What some keys need beside them, which chance hardly ever draws; of several the last counts.
GO_WITH = {
    "GrapheneWater": [({"cells", "num_water", "height"}, {"cell": "lattice"})],
    "ForceField": [({"kspace", "accuracy", "alpha"}, {"kind": "lj-coulomb"}),
                   ({"kmax"}, {"kind": "lj-coulomb", "kspace": "ewald"}),
                   ({"special_bonds", "dihedral", "improper", "shake"}, {"kind": "cvff"}),
                   ({"potential_file"}, {"kind": "eam"})],
    "Ensemble": [({"pressure", "pdamp", "coupling"}, {"kind": "npt"}),
                 ({"barostat", "bulk_modulus"}, {"kind": "npt", "barostat": "berendsen"})],
    "Dispersion": [(set(Dispersion.model_json_schema()["properties"]) - {"method"}, {"method": "d3"})],
}


def number(rng, kind):
    """Any float, with all its digits, or one that a person would write."""
    unit = {"time": "fs", "length": "A", "temperature": "K", "pressure": "bar",
            "density": "g/cm3", "viscosity": "mPa s", "inverse area": "1/A2"}[kind]
    value = 10 ** rng.uniform(-2, DECADES[kind])
    if rng.random() < 0.5:
        value = float(f"{value:.2g}")
    return f"{value!r} {unit}"


def quantity_of(name):
    if name in KINDS:
        return KINDS[name]
    return "time" if name.endswith("_fs") else "length" if name.endswith("_ang") else None


def pick(rng, name, schema, folder):
    """A value that the schema of a key allows; most are then valid."""
    choices = schema.get("anyOf", [schema])
    chosen = rng.choice([c for c in choices if c.get("type") != "null"])
    if "enum" in chosen or "const" in chosen:
        return rng.choice(chosen.get("enum") or [chosen["const"]])
    if kind := quantity_of(name):
        if chosen.get("type") == "array":
            return [number(rng, kind) for _ in range(rng.choice([1, 2, 40]))]
        return number(rng, kind)
    if "prefixItems" in chosen:
        return [pick(rng, "", item, folder) for item in chosen["prefixItems"]]
    match chosen.get("type"):
        case "boolean":
            return rng.random() < 0.5
        case "integer":
            return rng.randint(chosen.get("minimum", 0), min(chosen.get("maximum", 9), 300))
        case "number":
            low, high = chosen.get("minimum", 0), chosen.get("maximum", 1)
            return rng.uniform(low, high)
        case "array":
            values = [pick(rng, "", chosen["items"], folder) for _ in range(rng.choice([1, 3, 80]))]
            return values if name in {"rdf", "temperature_k"} else list(dict.fromkeys(values))
    if chosen.get("format") == "path":
        return str(folder / rng.choice(NAMES)) if rng.random() < 0.8 else "/else/where.data"
    return {"sha256": f"{rng.getrandbits(256):064x}", "name": f"run-{rng.randint(0, 9)}.x",
            "functional": rng.choice(FUNCTIONALS), "device": rng.choice(["cpu", "cuda:3"]),
            "head": "a+b"}.get(name) or rng.choice(
                ["O-H", "Na-Cl"] if chosen["pattern"].count("A-Z") == 2 else ["O", "Cl", "No"])


def section(rng, cls, folder, share):
    """Random values for some keys of a section."""
    properties = cls.model_json_schema()["properties"]
    data = {}
    for name, field in cls.model_fields.items():
        key = field.alias or name
        if "$ref" in properties[key] or name == "builder":
            continue
        if field.is_required() or rng.random() < share:
            data[key] = pick(rng, name, properties[key], folder)
    if "fractions" in data:
        count = len(data.get("elements", range(5)))
        data["fractions"] = [1 / count] * count
    for keys, needed in GO_WITH.get(cls.__name__, []):
        if keys & data.keys():
            data |= needed
    if data.get("kind") == "eam":
        data |= {"units": "metal", "potential_file": str(folder / rng.choice(NAMES))}
    return data


def random_spec(rng, folder):
    """A valid specification, or none."""
    share = rng.choice([0.05, 0.2, 0.4])
    builder, cls = rng.choice([*SYSTEMS.items(), ("file", SYSTEMS["file"])])
    data = {"system": {"builder": builder, **section(rng, cls, folder, share)}}
    for name, field in RunSpec.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            if rng.random() < share:
                data[name] = section(rng, field.annotation, folder, share)
    for _ in range(30):  # without the keys that do not go with others
        try:
            return RunSpec.model_validate(data, context={"folder": folder})
        except ValidationError as problem:
            error = problem.errors()[0]
            keys = [k for k in error["loc"] if isinstance(k, str) and k != builder]
            keys += error.get("ctx", {}).get("key", "").split(".")
            table = data if len(keys) < 2 or keys[0] not in data else data[keys[0]]
            table.pop(keys[1 if table is not data else 0], None)
    return None


def written(spec, folder):
    path = folder / "run.toml"
    path.write_text(spec_text(spec, folder), "utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path):
    """Thousands of random specifications, every key of every section among them."""
    rng = random.Random(9)
    seen, count = set(), 0
    for _ in range(2500):
        spec = random_spec(rng, tmp_path)
        if spec is None:
            continue
        count += 1
        path = written(spec, tmp_path)
        assert load_spec(path).spec == spec, path.read_text()
        for part in (spec, *(v for _, v in spec if isinstance(v, Section))):
            seen |= {f"{type(part).__name__}.{n}" for n, f in type(part).model_fields.items()
                     if f.default is not PydanticUndefined and getattr(part, n) != f.default}
        assert all(len(line) <= 160 for line in path.read_text().splitlines())
    every = {f"{cls.__name__}.{n}" for cls in SECTIONS for n, f in cls.model_fields.items()
             if not f.is_required() and n != "builder"}
    assert count > 1900
    assert " ".join(sorted(every - seen)) == ""


def test_only_what_differs_is_written(tmp_path):
    text = """\
[system]
file = "in.data"

[ensemble]
temperature = [280, 298.5]
tdamp = "0.3 ps"

[run]
seed = 7
"""
    (tmp_path / "run.toml").write_text(text)
    spec = load_spec(tmp_path / "run.toml").spec
    found = spec_text(spec, tmp_path)
    bare = [line.partition("#")[0].rstrip() for line in found.splitlines()]
    assert "\n".join(bare) + "\n" == text.replace("0.3 ps", "300 fs")
    assert all(len(line) <= 100 for line in found.splitlines())
    assert "# Time constant of the thermostat\n" in found


def test_paths(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, expected in (("sub/a.data", "a.data"), ("b.data", str(tmp_path / "b.data")),
                           ("sub/bundled", "bundled")):
        spec = RunSpec.model_validate({"system": {"file": str(tmp_path / name)}})
        assert f'file = "{expected}"' in spec_text(spec, Path("sub")).replace("./", "")
    spec = RunSpec.model_validate({"system": {"file": "a"}, "model": {"file": "bundled"}})
    assert "model" not in spec_text(spec, tmp_path)
    spec = RunSpec.model_validate({"system": {"file": "a"},
                                   "model": {"file": str(tmp_path / "bundled")}})
    path = written(spec, tmp_path)
    assert load_spec(path).spec.model == spec.model
    spec = spec.model_copy(update={"system": spec.system.model_copy(
        update={"file": tmp_path / "a\nb"})})
    with pytest.raises(SpecError, match="do not print"):
        spec_text(spec, tmp_path)
