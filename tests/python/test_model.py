"""Model files: conversion and its refusals."""

import hashlib
import json
import sys
import zipfile

import pytest
import torch
from support import BUNDLED, output_of

from mdbench import _core
from mdbench.errors import ModelError
from mdbench.model import convert, default_output, inspect


def test_hash_is_that_of_hashlib():
    assert inspect(BUNDLED).sha256 == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()


def test_converted_file_carries_its_metadata(models, tmp_path):
    output = tmp_path / "two.pt"
    metadata = convert(models["two_heads"], output, head="r2scan", dtype="float32",
                       labels_include_dispersion="d3")
    with zipfile.ZipFile(output) as archive:
        name = next(n for n in archive.namelist() if n.endswith("extra/mdbench.json"))
        assert json.loads(archive.read(name)) == metadata
    assert metadata["source_sha256"] == inspect(models["two_heads"]).sha256
    assert metadata["labels_include_dispersion"] == "d3"
    info = _core.load_evaluator(str(output)).info
    assert (info["head"], info["precision"]) == ("r2scan", "single")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["two.pt"]


def test_default_keeps_the_weights_precision(models, tmp_path):
    assert convert(models["two_heads"], tmp_path / "a.pt", head="pbe")["dtype"] == "float64"
    assert default_output(BUNDLED) == BUNDLED.with_suffix(".mace")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gated_models_of_which_mace_makes_no_script(models, tmp_path, dtype):
    metadata = convert(models["gated"], tmp_path / "a.pt", head="spice", dtype=dtype)
    assert (metadata["dtype"], metadata["num_layers"]) == (dtype, 2)


def test_gates_other_than_mace_has_are_refused(models, tmp_path):
    code = f"""
import sys, torch
from mace import modules
model = torch.load({str(models["gated"])!r}, weights_only=False)
model.interactions[1].equivariant_nonlin._act_gate = torch.nn.functional.silu
torch.save(model, {str(tmp_path / "odd.model")!r})
"""
    output_of(sys.executable, "-W", "ignore", "-c", code)
    with pytest.raises(ModelError, match="gates are not those of mace-torch's own models"):
        convert(tmp_path / "odd.model", tmp_path / "a.pt", head="spice")


def test_several_heads_need_a_choice(models, tmp_path):
    with pytest.raises(ModelError, match=r"several heads \(pbe, r2scan\): choose with --head"):
        convert(models["two_heads"], tmp_path / "a.pt")
    with pytest.raises(ModelError, match="has no head 'scan'"):
        convert(models["two_heads"], tmp_path / "a.pt", head="scan")
    assert not list(tmp_path.iterdir())


def test_refusals(models, tmp_path):
    target = tmp_path / "out.pt"
    with pytest.raises(ModelError, match="already a TorchScript archive"):
        convert(models["analytic.pt"], target)
    with pytest.raises(ModelError, match="cannot open model file"):
        convert(tmp_path / "absent.model", target)
    weights = tmp_path / "weights.model"
    torch.save(torch.nn.Linear(2, 2).state_dict(), weights)
    with pytest.raises(ModelError, match="holds a OrderedDict, which LAMMPS cannot run"):
        convert(weights, target)
    noise = tmp_path / "noise.model"
    noise.write_bytes(b"\x80\x02 nothing of a pickle")
    with pytest.raises(ModelError, match="torch cannot open it"):
        convert(noise, target)
    with pytest.raises(ModelError, match="cannot write"):
        convert(BUNDLED, tmp_path / "absent" / "out.pt")
    assert not target.exists()


class Trap:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_looking_at_a_model_file_runs_no_code_in_it(tmp_path):
    model, sprung = tmp_path / "trap.model", tmp_path / "sprung"
    torch.save(Trap(sprung), model)
    inspect(model)
    with pytest.raises(_core.CoreError):
        _core.load_evaluator(str(model))
    assert not sprung.exists()
    torch.load(model, weights_only=False).close()
    assert sprung.exists()  # the trap works
