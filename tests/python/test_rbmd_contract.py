"""RBMD's call of a model against the Python calculators, its masses, and everything refused."""

import itertools
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols
from hypothesis import given, settings
from hypothesis import strategies as st
from support import BIN, BUNDLED, BUNDLED_LAMMPS, ROOT, carbon_crystal, rattled, triclinic

from mdbench.errors import MdbenchError, ModelError, Refused, StructureError
from mdbench.rbmd import contract, contract_worker
from mdbench.rbmd.contract import check_contract, check_model
from mdbench.rbmd.masses import MASSES_U, elements_of_types, matches
from mdbench.structure import water_box
from mdbench.structure_file import read_structure

BUNDLED_MACE = BUNDLED.with_suffix(".mace")
KEYS = ["batch", "cell", "edge_index", "energy", "forces", "node_attrs", "positions", "ptr",
        "shifts", "unit_shifts", "weight"]


@pytest.fixture
def in_process(monkeypatch):
    """The worker's functions in this process: no seconds for the start of another."""

    def call(task, request, worker):
        assert worker == contract_worker.__name__
        try:
            answer = getattr(contract_worker, task)(json.loads(json.dumps(request)))
        except (Refused, MdbenchError) as reason:
            raise ModelError(str(reason)) from None
        return json.loads(json.dumps(answer))

    monkeypatch.setattr(contract, "call_worker", call)


def one_line(caught):
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# ---- agreement

def agrees(report):
    print("\n".join(report.lines()))
    assert report.passed
    assert report.energy_error_ev <= 1e-8
    assert report.site_energy_error_ev <= 1e-8
    assert report.force_error_ev_per_ang <= 1e-7
    return report


def test_bundled_model_on_its_cell_against_mace_torch(models):
    """The whole way: a process for RBMD's call and one for mace-torch."""
    atoms = read_structure(ROOT / "inputs/graphene_water.data")
    assert len(atoms) == 372
    report = agrees(check_contract(models["bundled.pt"], atoms, reference=BUNDLED))
    assert "mace-torch" in report.reference
    assert [t.element for t in report.types] == ["C", "O", "H"]
    assert report.mass_margin_u == pytest.approx(0.05, abs=1e-6)


SMALL = {
    "water": lambda: rattled(water_box(33, 9.96)),
    "below_two_cutoffs": lambda: rattled(water_box(8, 6.3)),
    "below_one_cutoff": lambda: carbon_crystal(1),
    "one_atom": lambda: Atoms("C", cell=[20, 21, 22], pbc=True),
    "outside_the_box": lambda: moved_by_boxes(water_box(33, 9.96)),
}


def moved_by_boxes(atoms):
    copy = atoms.copy()
    copy.positions += np.random.default_rng(2).integers(-3, 4, (len(atoms), 3)) * 9.96
    return copy


@pytest.mark.parametrize("reference", [None, BUNDLED_MACE], ids=["torchscript", "native"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.usefixtures("in_process")
def test_bundled_model_against_own_calculator(models, name, reference):
    agrees(check_contract(models["bundled.pt"], SMALL[name](), reference=reference))


@pytest.mark.parametrize("name", ["water", "below_one_cutoff"])
@pytest.mark.usefixtures("in_process")
def test_random_model_of_another_shape(models, name):
    """Vector features, several heads; conftest converts for the first of them."""
    report = agrees(check_contract(models["two_heads.pt"], SMALL[name](),
                                   reference=models["two_heads.mace"], head="pbe"))
    assert report.cutoff_ang == 4
    other = check_contract(models["two_heads.pt"], SMALL[name](),
                           reference=models["two_heads.mace"], head="r2scan")
    assert not other.passed


@pytest.mark.usefixtures("in_process")
def test_random_model_against_mace_torch(models):
    agrees(check_contract(models["two_heads.pt"], SMALL["below_two_cutoffs"](),
                          reference=models["two_heads"], head="pbe"))


# ---- the call

def every_image(positions, lengths, cutoff):
    """RBMD's edges by a search over all images, as (i, j, shift)."""
    spread = np.ptp(positions, axis=0)
    reach = [range(-n, n + 1) for n in np.ceil((cutoff + spread) / lengths).astype(int)]
    found = set()
    for shift in itertools.product(*reach):
        vector = positions[None] + np.array(shift) * lengths - positions[:, None]
        r2 = (vector**2).sum(axis=-1)
        for i, j in np.argwhere((r2 > 1e-4) & (r2 < cutoff**2 - 1e-4)).tolist():
            found.add((i, j, *shift))
    return found


@pytest.mark.parametrize("seed", range(60))
def test_edges_are_those_of_a_search_over_all_images(seed):
    rng = np.random.default_rng(seed)
    lengths, cutoff = rng.uniform(1.5, 9, 3), rng.uniform(0.5, 5)
    positions = rng.uniform(-1.2, 2.2, (rng.integers(1, 7), 3)) * lengths
    index, shift = contract_worker.edges(positions, lengths, cutoff)
    assert (index.dtype, shift.dtype) == (np.int64, np.float64)
    found = [(*ij, *s) for ij, s in zip(index.T.tolist(), shift.astype(int).tolist(), strict=True)]
    assert len(found) == len(set(found))
    assert set(found) == every_image(positions, lengths, cutoff)


@pytest.mark.parametrize(("r2", "count"), [(4.5**2 - 0.5e-4, 0), (4.5**2 - 2e-4, 2), (0.5e-4, 0),
                                           (2e-4, 2)])
def test_pairs_at_the_limits_of_the_squared_distance(r2, count):
    positions = np.array([[1.0, 1, 1], [1 + np.sqrt(r2), 1, 1]])
    index, _ = contract_worker.edges(positions, np.full(3, 30.0), 4.5)
    assert index.shape == (2, count)


class Stub(torch.nn.Module):
    """Fails unless called as RBMD calls; answers with what it was given."""

    keys: list[str]
    energies: str

    def __init__(self, keys, energies="node_energy"):
        super().__init__()
        self.keys = keys
        self.energies = energies
        self.register_buffer("r_max", torch.tensor(4.5))
        self.register_buffer("num_interactions", torch.tensor(2))
        self.register_buffer("atomic_numbers", torch.tensor([1, 6, 8]))

    def forward(self, data: dict[str, torch.Tensor], mask: torch.Tensor,
                compute_virials: bool) -> dict[str, torch.Tensor]:
        assert sorted(data.keys()) == self.keys, "wrong keys"
        n, edges = data["positions"].shape[0], data["edge_index"].shape[1]
        assert not compute_virials
        assert mask.dtype == torch.bool and mask.shape == [n] and bool(mask.all())
        shapes = {"batch": [n], "cell": [3, 3], "edge_index": [2, edges], "energy": [1],
                  "forces": [n, 3], "node_attrs": [n, 3], "positions": [n, 3], "ptr": [2],
                  "shifts": [edges, 3], "unit_shifts": [edges, 3], "weight": [1]}
        for key, value in data.items():
            assert value.shape == shapes[key], "wrong shape"
            whole = key in ["batch", "edge_index", "ptr"]
            assert value.dtype == (torch.int64 if whole else torch.float64), "wrong type"
            assert value.is_contiguous()
        assert bool((data["ptr"] == torch.tensor([0, n])).all()), "wrong ptr"
        assert bool((data["batch"] == 0).all()), "wrong batch"
        assert bool((data["weight"] == 1).all()), "wrong weight"
        lengths = torch.diag(data["cell"])
        assert bool((data["cell"] == torch.diag(lengths)).all()), "wrong cell"
        assert bool((data["shifts"] == data["unit_shifts"] * lengths).all()), "wrong shifts"
        i, j = data["edge_index"][0], data["edge_index"][1]
        vector = data["positions"][j] + data["shifts"] - data["positions"][i]
        r = torch.linalg.norm(vector, dim=-1)
        element = data["node_attrs"] @ torch.tensor([1.0, 6.0, 8.0], dtype=torch.float64)
        return {"total_energy_local": r.sum().unsqueeze(0), self.energies: element,
                "forces": data["positions"].clone()}


def scripted(module, path):
    torch.jit.script(module.double()).save(str(path))
    return path


def request_of(atoms, path):
    kinds = list(dict.fromkeys(atoms.get_chemical_symbols()))
    return {"model": str(path), "positions": atoms.positions.tolist(),
            "lengths": atoms.cell.lengths().tolist(), "elements": kinds,
            "types": [kinds.index(s) for s in atoms.get_chemical_symbols()],
            "masses_u": [MASSES_U[k] for k in kinds]}


def test_the_call_is_exactly_that_of_rbmd(tmp_path):
    atoms = SMALL["below_two_cutoffs"]()
    path = scripted(Stub(KEYS), tmp_path / "stub.pt")
    answer = contract_worker.evaluate(request_of(atoms, path))
    assert answer["node_energy"] == atoms.numbers.tolist()
    assert answer["forces"] == atoms.positions.tolist()
    expected = every_image(atoms.positions, atoms.cell.lengths(), 4.5)
    assert answer["num_edges"] == len(expected)
    x, lengths = atoms.positions, atoms.cell.lengths()
    total = sum(np.linalg.norm(x[j] + np.array(s) * lengths - x[i]) for i, j, *s in expected)
    assert answer["total_energy_local"][0] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("keys", [KEYS[1:], sorted([*KEYS, "head"])])
def test_a_model_that_wants_other_keys_is_refused(keys, tmp_path):
    path = scripted(Stub(keys), tmp_path / "stub.pt")
    with pytest.raises(Refused, match="fails in RBMD's call: .*wrong keys") as caught:
        contract_worker.evaluate(request_of(SMALL["one_atom"](), path))
    one_line(caught)


def test_answers_that_rbmd_cannot_read(tmp_path):
    path = scripted(Stub(KEYS, "energies"), tmp_path / "stub.pt")
    with pytest.raises(Refused, match=r"does not answer RBMD's call with 'node_energy', float64 "):
        contract_worker.evaluate(request_of(SMALL["one_atom"](), path))


@pytest.mark.parametrize("name", ["r_max", "num_interactions", "atomic_numbers"])
def test_attributes_that_rbmd_reads(name, tmp_path):
    class Bare(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    bare = Bare()
    for other in {"r_max", "num_interactions", "atomic_numbers"} - {name}:
        bare.register_buffer(other, torch.tensor([1]))
    with pytest.raises(Refused, match=f"has no {name}, which RBMD reads"):
        contract_worker.load(str(scripted(bare, tmp_path / "bare.pt")))


@pytest.mark.parametrize(("name", "value"), [("atomic_numbers", [0, 8]), ("atomic_numbers", [119]),
                                             ("r_max", -1.0), ("r_max", float("nan"))])
def test_attributes_without_sense(name, value, tmp_path):
    stub = Stub(KEYS)
    setattr(stub, name, torch.tensor(value))
    path = scripted(stub, tmp_path / "stub.pt")
    with pytest.raises(Refused, match="it is no MACE model"):
        contract_worker.evaluate(request_of(SMALL["one_atom"](), path))


# ---- what must fail

class Perturbed(torch.nn.Module):
    """A model with one number changed."""

    key: str
    by: float

    def __init__(self, model, key, by):
        super().__init__()
        self.model, self.key, self.by = model, key, by
        for name in contract_worker.ATTRIBUTES:
            self.register_buffer(name, getattr(model, name))
        self.register_buffer("head", model.head)

    def forward(self, data: dict[str, torch.Tensor], mask: torch.Tensor,
                compute_virials: bool) -> dict[str, torch.Tensor | None]:
        out = self.model(data, mask, compute_virials)
        value = out[self.key]
        assert value is not None
        value.view(-1)[0] += self.by
        return out


@pytest.mark.parametrize(("key", "by", "failed"), [
    ("forces", 1e-6, ["forces"]), ("forces", -1e-6, ["forces"]), ("forces", 0.0, []),
    ("node_energy", 1e-7, ["sum of site energies"]),
    ("total_energy_local", 1e-7, ["energy", "sum of site energies"]),
    ("forces", float("nan"), ["forces"]),
])
@pytest.mark.usefixtures("in_process")
def test_a_perturbed_model_fails(models, tmp_path, key, by, failed):
    path = scripted(Perturbed(torch.jit.load(models["bundled.pt"]), key, by), tmp_path / "p.pt")
    report = check_contract(path, SMALL["below_two_cutoffs"](), reference=BUNDLED_MACE)
    assert [c.name for c in report.checks if not c.passed] == failed
    assert sum(line.startswith("FAILED") for line in report.lines()) == len(failed)
    assert report.as_dict()["passed"] is (not failed)


@pytest.mark.usefixtures("in_process")
def test_the_model_decides_the_reference(models):
    """Another model's reference is not mistaken for this one's."""
    report = check_contract(models["two_heads.pt"], SMALL["water"](), reference=BUNDLED_MACE)
    assert not report.passed


# ---- refusals

def water(**masses_u):
    atoms = SMALL["below_two_cutoffs"]()
    for element, mass_u in masses_u.items():
        weights = atoms.get_masses()
        weights[atoms.symbols == element] = mass_u
        atoms.set_masses(weights)
    return atoms


@pytest.mark.parametrize(("masses_u", "text"), [
    ({"H": 1.1}, r"type 2 \(H, 1\.1 u\): RBMD knows no element of this mass; give H its 1\.008 u"),
    ({"O": 15.9}, r"type 1 \(O, 15\.9 u\): RBMD knows no element of this mass; give O its 15\.999"),
    ({"O": 12.01}, r"type 1 \(O, 12\.01 u\): RBMD takes this mass for C; give O"),
    ({"H": 2.014}, r"type 2 \(H, 2\.014 u\)"),
    ({"H": float("nan")}, r"type 2 \(H, nan u\)"),
])
@pytest.mark.usefixtures("in_process")
def test_wrong_masses(models, masses_u, text):
    for arguments in [(water(**masses_u),), (water(), masses_u)]:
        with pytest.raises(ModelError, match=text) as caught:
            check_contract(models["bundled.pt"], *arguments)
        one_line(caught)


@pytest.mark.usefixtures("in_process")
def test_one_wrong_atom_is_a_type_of_its_own(models):
    atoms = water()
    atoms.set_masses([*atoms.get_masses()[:-1], 1.1])
    with pytest.raises(ModelError, match=r"type 3 \(H, 1\.1 u\)"):
        check_contract(models["bundled.pt"], atoms)
    check_contract(models["bundled.pt"], atoms, {"H": 1.008})


def nitrogen():
    atoms = water()
    atoms.symbols[0] = "N"
    return Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)


@pytest.mark.parametrize(("atoms", "error", "text"), [
    (nitrogen, ModelError, r"type 1 \(N, 14\.007 u\): the model has no N, it knows H, C, O"),
    (triclinic, StructureError, "tilted or turned cell"),
    (lambda: Atoms("C", cell=[[0, 5, 0], [5, 0, 0], [0, 0, 5]], pbc=True), StructureError, "turned"),
    (lambda: Atoms("C", cell=[5, 5, -5], pbc=True), StructureError, "turned"),
    (lambda: Atoms("C", cell=[9, 9, 9], pbc=[1, 1, 0]), StructureError, "is open in some direction"),
    (lambda: Atoms("C", pbc=True), StructureError, "is open in some direction"),
    (lambda: Atoms(cell=[9, 9, 9], pbc=True), StructureError, "has no atoms"),
    (lambda: Atoms("C", [[0, 0, np.nan]], cell=[9, 9, 9], pbc=True), StructureError, "not finite"),
])
@pytest.mark.usefixtures("in_process")
def test_structures_that_rbmd_cannot_have(models, atoms, error, text):
    with pytest.raises(error, match=text) as caught:
        check_contract(models["bundled.pt"], atoms())
    one_line(caught)


@pytest.mark.usefixtures("in_process")
def test_rounding_of_a_cell_is_no_tilt(models):
    atoms = water()
    atoms.cell[1, 0] = 4e-16
    agrees(check_contract(models["bundled.pt"], atoms))
    atoms.cell[1, 0] = 1e-6
    with pytest.raises(StructureError, match="tilted"):
        check_contract(models["bundled.pt"], atoms)


def damaged(folder, change):
    data = bytearray(BUNDLED_LAMMPS.read_bytes())
    path = folder / "damaged-lammps.pt"
    path.write_bytes(change(data))
    return path


def flipped(data):
    """One bit of a weight."""
    with zipfile.ZipFile(BUNDLED_LAMMPS) as archive:
        largest = max((e for e in archive.infolist() if "/data/" in e.filename),
                      key=lambda e: e.file_size)
    data[largest.header_offset + largest.file_size // 2] ^= 1
    return data


@pytest.mark.parametrize(("make", "text"), [
    (lambda _: BUNDLED_MACE, r"is a safetensors file and RBMD reads TorchScript only: convert the"),
    (lambda _: BUNDLED, r"is a pickled mace-torch model.*'mdbench convert NAME\.model -o "),
    (lambda _: BUNDLED_LAMMPS, r"float32 weights and RBMD passes float64: .* --dtype float64'"),
    (lambda folder: folder / "absent.pt", "cannot open model file"),
    (lambda folder: damaged(folder, lambda data: data[:-1000]), "is damaged or cut off"),
    (lambda folder: damaged(folder, flipped), "is damaged or cut off"),
    (lambda folder: damaged(folder, lambda _: b"PK nothing"), "is damaged or cut off"),
    (lambda folder: damaged(folder, lambda _: b"text"), "RBMD reads TorchScript only"),
    (lambda folder: damaged(folder, lambda _: b""), "is empty"),
])
@pytest.mark.usefixtures("in_process")
def test_files_that_rbmd_cannot_load(make, text, tmp_path):
    with pytest.raises(ModelError, match=text) as caught:
        check_contract(make(tmp_path), water())
    one_line(caught)


# ---- masses

def test_standard_masses():
    assert list(MASSES_U) == chemical_symbols[1:]
    masses = np.array(list(MASSES_U.values()))
    text = [f"{m:.5g}" for m in masses]
    assert np.array_equal(masses, [float(t) for t in text])  # five figures
    apart = [e for e, m in zip(MASSES_U, atomic_masses[1:], strict=True) if matches(m, [e]) != [e]]
    assert apart == ["Tc", "Pm", *chemical_symbols[94:]]
    off = {e: abs(MASSES_U[e] - atomic_masses[chemical_symbols.index(e)]) for e in MASSES_U}
    assert [e for e in MASSES_U if e not in apart and off[e] > 0.03] == ["Np"]  # 237.048 in ASE


def test_elements_that_no_mass_tells_apart():
    everything = list(MASSES_U)
    twins = {"Bi": "Po", "Cm": "Bk", "Ts": "Og"}
    for element, mass_u in MASSES_U.items():
        pair = next((p for p in twins.items() if element in p), None)
        if pair:
            with pytest.raises(StructureError, match=f"tell {pair[0]} from {pair[1]} by") as caught:
                elements_of_types([mass_u], [element], everything)
            one_line(caught)
            others = [e for e in everything if e not in pair or e == element]
            elements_of_types([mass_u], [element], others)
        else:
            (found,) = elements_of_types([mass_u], [element], everything)
            assert (found.type, found.element, found.mass_u) == (1, element, mass_u)
            assert 0.049 < found.margin_u <= 0.05


@pytest.mark.parametrize("element", ["H", "C", "Zr", "U"])
def test_the_limit_is_strict_and_in_single_precision(element):
    middle = np.float32(MASSES_U[element])
    heavier = middle
    while np.float32(heavier - middle) < np.float32(0.05):
        accepted, heavier = heavier, np.nextafter(heavier + np.float32(0.049) * (heavier == middle),
                                                  np.float32(np.inf))
    assert matches(float(accepted), [element]) == [element]
    assert matches(float(heavier), [element]) == []


@settings(max_examples=1000, deadline=None)
@given(st.floats(), st.lists(st.sampled_from(list(MASSES_U)), min_size=1, unique=True))
def test_any_mass_is_matched_or_refused(mass_u, elements):
    near = {e: abs(mass_u - m) for e, m in MASSES_U.items() if e in elements}
    try:
        (found,) = elements_of_types([mass_u], elements[:1], elements)
    except StructureError as reason:
        assert len(str(reason).splitlines()) == 1
        assert not near[elements[0]] < 0.0499 or sum(d < 0.0501 for d in near.values()) > 1
    else:
        assert [e for e, d in near.items() if d < 0.0501] == [found.element] == elements[:1]


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(list(MASSES_U)), st.floats(-0.06, 0.06),
       st.lists(st.sampled_from(["Bi", "Po", "Ca", "Ar", "Cm", "Bk", "H"]), unique=True))
def test_margins(element, shift, others):
    """Within the margin the answer stays, beyond it there is a mass with another."""
    elements = [element, *(e for e in others if e != element)]
    mass_u = MASSES_U[element] + shift
    try:
        (found,) = elements_of_types([mass_u], [element], elements)
    except StructureError:
        return
    inside, outside = found.margin_u - 5e-5, found.margin_u + 5e-5
    for sign in (-1, 1):
        if inside > 0:
            assert matches(mass_u + sign * inside, elements) == [element]
    assert any(matches(mass_u + sign * outside, elements) != [element] for sign in (-1, 1))


# ---- command line and processes

def mdbench(*arguments):
    return subprocess.run([str(BIN / "mdbench"), *map(str, arguments)], capture_output=True,
                          text=True, check=False)


def test_verb_without_structure():
    """Converts the pickled model, and takes the bundled cell."""
    done = mdbench("verify", BUNDLED, "--rbmd")
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.startswith("graphene_water_128.data: 128 atoms, 4,858 edges within 4.5 A\n")
    assert f"{BUNDLED}, converted against mace-torch's calculator" in done.stdout
    assert done.stdout.count("\nok ") == 3


def test_verb_fails_on_a_perturbed_model(models, tmp_path):
    path = scripted(Perturbed(torch.jit.load(models["bundled.pt"]), "forces", 1e-6),
                    tmp_path / "p.pt")
    for name in ("a.xyz", "b.xyz"):
        water().write(tmp_path / name)
    done = mdbench("verify", BUNDLED_MACE, "--rbmd", "--lammps-file", path, "--json",
                   "-s", tmp_path / "a.xyz", "-s", tmp_path / "b.xyz")
    assert done.returncode == 1
    reports = json.loads(done.stdout)
    assert [r["structure"] for r in reports] == [str(tmp_path / n) for n in ("a.xyz", "b.xyz")]
    for report in reports:
        assert not report["passed"]
        assert report["force_error_ev_per_ang"] == pytest.approx(1e-6, rel=0.1)
        assert [c["passed"] for c in report["checks"]] == [True, True, False]


@pytest.mark.parametrize(("arguments", "text"), [
    ([BUNDLED_MACE], "RBMD reads TorchScript only"),
    ([BUNDLED, "--dtype", "float32"], "leave --dtype out"),
    ([BUNDLED, "--lammps-file", "absent.pt"], "cannot open model file 'absent.pt'"),
])
def test_verb_refuses_in_one_line(arguments, text):
    done = mdbench("verify", "--rbmd", *arguments)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("mdbench: error: ")
    assert text in done.stderr


def test_a_model_without_the_bundled_elements_gets_a_crystal(tmp_path, monkeypatch):
    elements = ["Bi", "Po", "Ni", "Al"]
    monkeypatch.setattr(contract, "call_worker", lambda *_: {"elements": elements})
    ((name, atoms),) = contract._default_structure(tmp_path).items()  # noqa: SLF001
    assert name == "a small crystal"
    assert set(atoms.get_chemical_symbols()) == {"Ni", "Al"}
    assert elements_of_types(atoms.get_masses(), atoms.get_chemical_symbols(), elements)
    assert atoms.get_all_distances(mic=True)[np.triu_indices(12, 1)].min() > 1.8


@pytest.mark.usefixtures("in_process")
def test_a_crystal_of_other_elements_is_evaluated(models):
    atoms = contract._crystal(["H", "C"])  # noqa: SLF001
    agrees(check_contract(models["bundled.pt"], atoms))


def test_the_main_process_loads_no_model():
    code = "import sys, mdbench.rbmd.contract; print('torch' in sys.modules, 'mace' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.usefixtures("in_process")
def test_a_torchscript_file_alone_is_its_own_reference(models):
    path = models["bundled.pt"]
    for structures in ([], [ROOT / "inputs/graphene_water_128.data"]):
        (report,) = check_model(path, structures)
        assert agrees(report).num_edges == 4858
        assert report.reference == f"mdbench's calculator with {path}"
        assert report.model == str(path)
