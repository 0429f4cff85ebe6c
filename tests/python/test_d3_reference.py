"""The reference data of D3 are those of torch-dftd, unchanged."""

import hashlib
import importlib.util

import numpy as np
import pytest
from support import ROOT

FOLDER = ROOT / "plugin/d3"
SHA256 = "151a912ecb8fece1df8f593fd2b782ab8d5890497faccbf0c86d29d1c5368c6b"
SPEC = importlib.util.spec_from_file_location("convert_reference", FOLDER / "convert_reference.py")
CONVERT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(CONVERT)


def text():
    return (FOLDER / "reference.inc").read_text(encoding="ascii")


def test_file_is_the_one_that_was_checked():
    assert hashlib.sha256(text().encode()).hexdigest() == SHA256


def test_tables_fit_together():
    tables = CONVERT.read_back(text())
    systems = tables["kNumReferences"].sum()
    assert {name: len(column) for name, column in tables.items()} == {
        "kNumReferences": 94, "kReferenceCn": systems, "kC6": systems * (systems + 1) // 2,
        "kCovalentRadius": 94, "kCutoffRadius": 94 * 95 // 2, "kSqrtQ": 94}
    assert CONVERT.text_of(tables) == text()


def test_script_reproduces_the_file():
    if importlib.util.find_spec("torch_dftd") is None:
        pytest.skip("torch_dftd, the source of the data, is not installed")
    assert CONVERT.text_of(CONVERT.tables(CONVERT.source_file())) == text()


@pytest.mark.parametrize(("index", "message"), [((6, 6, 0, 1, 0), "not symmetric"),
                                                ((6, 6, 4, 4, 0), "missing"),
                                                ((6, 6, 0, 0, 1), "multiples")])
def test_damaged_source_is_refused(tmp_path, index, message):
    """Of one element and its references, as torch-dftd lays them out."""
    data = {"c6ab": np.full((95, 95, 5, 5, 3), -1.0), "r0ab": np.ones((95, 95)),
            "rcov": np.ones(95), "r2r4": np.ones(95)}
    data["c6ab"][1:, 1:, 0, 0] = 20.0, 1.0, 1.0
    data["c6ab"][6, 6] = 20.0, 1.0, 1.0
    data["c6ab"][6, 1:, :, 0] = data["c6ab"][1:, 6, 0, :] = 20.0, 1.0, 1.0
    data["c6ab"][index] = {"missing": -1.0, "not symmetric": 21.0, "multiples": 1.00005}[message]
    if message == "multiples":
        data["c6ab"][6, :, 0, :, 1] = data["c6ab"][:, 6, :, 0, 2] = 1.00005
    np.savez(tmp_path / "data.npz", **data)
    with pytest.raises(SystemExit, match=message):
        CONVERT.tables(tmp_path / "data.npz")
