"""Native model files hold what mace-torch computes: a NumPy reading of them agrees with it."""

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from support import BUNDLED, ROOT

from mdbench.core import GraphArrays
from mdbench.errors import ModelError
from mdbench.model import convert
from models.native_reference import Evaluation, NativeModel

REFUSALS = {
    "attention": "a RealAgnosticAttResidualInteractionBlock",
    "gates_cut": r"gated layers whose messages do not vanish at the cutoff \(apply_cutoff\)",
    "high_ell": r"spherical harmonics up to l = 4 \(max_ell at most 3\)",
    "high_order": r"correlation 4 \(at most 3\)",
    "so3": r"spherical harmonics 1x0e\+1x1e \(use_so3\)",
    "unequal": r"hidden features 8x0e\+4x1o \(needed: as many channels for each l",
    "parity": r"hidden features 8x0e\+8x0o",
    "edges": "edge features 4x0e beside hidden features 8x0e",
    "gate": "a readout with gate abs",
    "readout": "a readout with biases and no gate",
}
MAKER = (ROOT / "tests/models/native_models.py").read_text()
CASES = re.findall(r'^    "(\w+)": shape\(', MAKER, re.MULTILINE)
GRID = [name for name in CASES if name not in REFUSALS]


def read(folder, name):
    """A file, and its probes as (head, probe)."""
    answer = json.loads((folder / f"{name}.json").read_text())
    model = NativeModel(folder / f"{name}.mace")
    assert model.checksum_holds
    assert answer["metadata"].items() <= model.metadata.items()
    heads = model.metadata["heads"]
    assert model.metadata["head"] == (heads[0] if len(heads) == 1 else "")
    return model, [(h, p) for h, probes in answer["probes"].items() for p in probes]


@pytest.mark.parametrize("kind", ["", "-some"])
@pytest.mark.parametrize("name", GRID)
def test_file_gives_the_energies_and_gradients_of_mace(native_models, name, kind):
    model, probes = read(native_models, name + kind)
    for head, probe in probes:
        stages = Evaluation(model, GraphArrays.from_lists(probe), head).stages
        expected = np.array(probe["edge_gradient"])
        assert stages.energy == pytest.approx(np.array(probe["node_energy"]), rel=1e-10)
        assert abs(stages.edge_gradient - expected).max() < 1e-10 * abs(expected).max()


@pytest.mark.parametrize("name", GRID)
def test_file_of_some_elements_equals_that_of_all(native_models, name):
    full, _ = read(native_models, name)
    some, probes = read(native_models, f"{name}-some")
    place = np.array([full.metadata["elements"].index(z) for z in some.metadata["elements"]])
    assert sum(t.size for t in some.tensors.values()) < sum(t.size for t in full.tensors.values())
    for head, probe in probes:
        graph = GraphArrays.from_lists(probe)
        energy = Evaluation(some, graph, head).stages.energy
        renamed = dataclasses.replace(graph, species=place[graph.species])
        assert Evaluation(full, renamed, head).stages.energy == pytest.approx(energy, rel=1e-13)


def test_grid_reaches_every_term(native_models):
    """Repulsion acts, messages matter, and every choice of the format occurs."""
    seen = set()
    for name in GRID:
        model, probes = read(native_models, name)
        meta = model.metadata
        seen |= {meta["source_dtype"], *(str(v) for v in meta["radial"].values())}
        seen |= {layer["readout"] for layer in meta["layers"]}
        seen |= {layer["interaction"] for layer in meta["layers"]}
        seen |= {re.sub(r"^layers\.\d+\.", "", tensor) for tensor in model.tensors}
        largest = max(abs(Evaluation(model, GraphArrays.from_lists(p), h).stages.zbl).max()
                      for h, p in probes)
        assert (largest > 1) == (meta["zbl"] is not None)
    assert seen >= {
        "float32", "float64", "bessel", "gaussian", "chebyshev", "agnesi", "soft", "none", "basis",
        "weights", "linear", "silu", "tanh", "up.bias", "up.0.2", "up.1.1", "readout.bias",
        "density", "readout.0", "readout.1", "readout.2", "product.0.3.index", "product.2.3.index",
        *(f"RealAgnostic{middle}InteractionBlock"
          for middle in ("", "Residual", "Density", "DensityResidual", "ResidualNonLinear")),
        *("density.factor", "radial.0.scale", "radial.receiver", "gate.3", "residual.1", "after.0"),
        *("gate_residual.2", "readout.mid", "readout.mid.bias"),
    }


def test_gradient_of_a_part_of_the_atoms(native_models):
    """Edge gradients are of the local atoms' energy alone; against central differences."""
    model, probes = read(native_models, "density_residual-some")
    graph = dataclasses.replace(GraphArrays.from_lists(probes[1][1]), num_local=2)
    gradient = Evaluation(model, graph).stages.edge_gradient
    for edge in (0, 7, 29):
        for axis in range(3):
            energy = []
            for step in (-1e-4, 1e-4):
                vector = graph.edge_vector.copy()
                vector[edge, axis] += step
                moved = dataclasses.replace(graph, edge_vector=vector)
                energy.append(Evaluation(model, moved).stages.energy[:2].sum())
            assert (energy[1] - energy[0]) / 2e-4 == pytest.approx(
                gradient[edge, axis], rel=1e-5, abs=1e-7 * abs(gradient).max())


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_name_what_is_not_supported(native_models, name):
    reason = json.loads((native_models / f"{name}.json").read_text())["error"]
    assert re.match(f"a native file cannot hold {REFUSALS[name]}", reason)
    assert reason.endswith("convert to TorchScript instead (-o NAME-lammps.pt)")
    assert "\n" not in reason
    assert not (native_models / f"{name}.mace").exists()


def test_checksum_covers_every_byte(native_models, tmp_path):
    content = bytearray((native_models / "scalars.mace").read_bytes())
    content[-9] ^= 1
    (tmp_path / "damaged.mace").write_bytes(content)
    assert not NativeModel(tmp_path / "damaged.mace").checksum_holds


def test_convert_writes_a_native_file(native_models, tmp_path):
    metadata = convert(native_models / "one_layer.model", tmp_path / "a.mace", head="r2scan",
                       elements=["O", "H"], labels_include_dispersion="d3")
    model = NativeModel(tmp_path / "a.mace")
    assert model.checksum_holds
    assert metadata.items() <= model.metadata.items()
    assert metadata["elements"] == [1, 8]
    assert (metadata["heads"], metadata["head"]) == (["pbe", "r2scan"], "r2scan")
    assert metadata["labels_include_dispersion"] == "d3"
    assert [p.name for p in tmp_path.iterdir()] == ["a.mace"]


@pytest.mark.parametrize(("output", "options", "message"), [
    ("a.mace", {"dtype": "float32"}, "leave --dtype out"),
    ("a.mace", {"elements": ["C", "Xx"]}, "unknown element 'Xx'"),
    ("a.mace", {"elements": ["C", "Au"]}, r"does not know atomic numbers \[79\]"),
    ("a.pt", {"elements": ["C"]}, "only .mace files keep some"),
    ("a.model", {}, r"end the name in .mace \(native\) or .pt"),
])
def test_options_that_do_not_fit(tmp_path, output, options, message):
    with pytest.raises(ModelError, match=message):
        convert(BUNDLED, tmp_path / output, **options)
    assert not list(tmp_path.iterdir())


def test_torchscript_refuses_what_torch_cannot_differentiate(native_models):
    reason = json.loads((native_models / "chebyshev-torchscript.json").read_text())["error"]
    assert "Chebyshev basis, which torch cannot differentiate" in reason


def test_export_imports_nothing_outside_the_worker():
    code = "import sys, mdbench.model; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "mace", "e3nn", "safetensors"} & set(done.stdout.split())
