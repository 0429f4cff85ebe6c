"""The CUDA evaluator in LAMMPS without a GPU: its kernels compiled for the CPU, against `device cpu`.

Whatever LAMMPS takes from `pair_style mace` is compared: energies, forces, virials, by atom too.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ranks import write_data
from support import ROOT, boxed, build, carbon_crystal, rattled, triclinic

from mdbench import plugin_folder
from mdbench.programs import lammps_command
from mdbench.structure import graphene_water

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """The installed libraries and the emulated one in a folder."""
    emulated = build("emulated", "mdbench_native_cuda").with_suffix(".so")
    folder = tmp_path_factory.mktemp("plugins")
    for library in [*Path(plugin_folder()).glob("*.so"), emulated]:
        (folder / library.name).unlink(missing_ok=True)
        (folder / library.name).symlink_to(library.resolve())
    return folder


SCRIPT = """units metal
atom_modify map yes
boundary {boundary}
read_data start.data
pair_style {pair_style}
pair_coeff {coeff} C O H
{partner}
neighbor 0.4 bin
neigh_modify every 1 delay 0 check yes
compute e all pe/atom pair
compute s all stress/atom NULL pair
compute c all centroid/stress/atom NULL pair
compute virial all pressure NULL virial
fix site all pair 1 mace site_energy 0 num_neighbors 0
compute graph all pair mace
thermo_style custom step pe c_virial[*] c_graph[1]
thermo_modify format float %.17g
thermo 1
dump 1 all custom 1 out.dump id x y z fx fy fz c_e c_s[*] c_c[*] f_site[*]
dump_modify 1 sort id format float %.17g
{commands}
"""
NUMBER = r"[-+.\deE]+"


class Runs:
    """Runs of one structure, by device."""

    def __init__(self, plugins, folder, atoms):
        self.plugins, self.folder = plugins, folder
        self.boundary = write_data(boxed(atoms).atoms, folder / "start.data")

    def output(self, model, style, *, ranks=1, commands="run 0", partner="", order=0):
        """Exit code and all that LAMMPS printed."""
        pair_style, coeff = f"mace {style}", f"* * {model}"
        if partner:
            pair_style, coeff = f"hybrid/overlay mace {style} {partner}", f"* * mace {model}"
            partner = "pair_coeff * * lj/cut 0.001 1.5"
        (self.folder / "in.test").write_text(SCRIPT.format(
            boundary=self.boundary, pair_style=pair_style, coeff=coeff, partner=partner,
            commands=commands))
        command, environment = lammps_command(ranks, 1)
        environment |= {"LAMMPS_PLUGIN_PATH": str(self.plugins),
                        "MDBENCH_EMULATION_ORDER": str(order)}
        done = subprocess.run(
            [*command, "-log", "none", "-in", "in.test"], cwd=self.folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
        return done.returncode, done.stdout

    def __call__(self, model, style, **settings):
        """Thermo [steps, columns], atoms [steps * atoms, columns], and what was printed."""
        code, output = self.output(model, style, **settings)
        assert code == 0, output
        thermo = re.findall(rf"^ *\d+(?: +{NUMBER}){{8}} *$", output, re.MULTILINE)
        frames = (self.folder / "out.dump").read_text().split("ITEM: ATOMS")[1:]
        rows = [line for frame in frames for line in frame.split("ITEM:")[0].splitlines()[1:]]
        return tuple(np.array([[float(word) for word in line.split()] for line in lines])
                     for lines in (thermo, rows)), output


EV = 1.6021765e6
"""In bar A^3, LAMMPS's unit of virials."""


def agree(found, expected, tolerance=1e-9):
    """Differences are small beside the largest number of their kind, and 1 eV or eV/A.

    Sums over edges are integers on a GPU, units of 2^-40 = 1e-12.
    """
    kinds = [  # of the thermo, of the atoms
        {"energy": (1, 1.0), "virial": (slice(2, 8), EV / 100), "edges": (8, 1.0)},
        {"position": (slice(1, 4), 1.0), "force": (slice(4, 7), 1.0), "energy": (7, 1.0),
         "virials": (slice(8, 23), EV), "site": (slice(23, 25), 1.0)},
    ]
    for some, other, columns in zip(found, expected, kinds, strict=True):
        assert some.shape == other.shape
        assert len(some) > 0
        for kind, (which, least) in columns.items():
            size = np.abs(other[:, which]).max(initial=least)
            error = np.abs(some[:, which] - other[:, which]).max()
            assert error < tolerance * size, (kind, error, size)


@pytest.fixture
def crystal(plugins, tmp_path):
    return Runs(plugins, tmp_path, carbon_crystal(2))


ON_CPU, ON_GPU = "precision double device cpu", "precision double device cuda"
MOVING = ("velocity all create 2000 3 mom yes dist gaussian loop all\ntimestep 0.0005\n"
          "fix 1 all nve\nrun {}")
NAMES = ["agnostic", "beyond_reach", "chebyshev", "density", "density_residual", "gated",
         "gated_deep", "last_readout", "mixed", "one_layer", "plain", "residual", "scalars", "soft"]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_model(plugins, native_models, tmp_path, name):
    """In a sheared cell smaller than the cutoff, and then moved."""
    runs = Runs(plugins, tmp_path, triclinic())
    settings = {"commands": MOVING.format(2)}
    heads = json.loads((native_models / f"{name}.json").read_text())["metadata"]["heads"]
    expected, _ = runs(native_models / f"{name}.mace", f"head {heads[-1]} {ON_CPU}", **settings)
    found, output = runs(native_models / f"{name}.mace", f"head {heads[-1]} {ON_GPU}", **settings)
    agree(found, expected)
    assert re.search(r"native .*, double precision, device cuda:0", output)


@pytest.mark.parametrize("ranks", [1, 2])
def test_dynamics_of_the_bundled_model(plugins, models, tmp_path, ranks):
    """Through rebuilds of the pairs, and atoms that change their rank."""
    runs = Runs(plugins, tmp_path, rattled(graphene_water(2, 1, 4), 0.02))
    settings = {"ranks": ranks, "commands": MOVING.format(12)}
    expected, output = runs(models["bundled.mace"], ON_CPU, **settings)
    assert int(re.search(r"(\d+) list builds", output)[1]) > 2
    found, output = runs(models["bundled.mace"], ON_GPU, **settings)
    agree(found, expected)
    assert re.search(r", of a GPU: [1-9]\d* MiB", output)


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("more", ["", " deterministic no", " workspace 1",
                                  " deterministic no workspace 1"])
def test_ranks_passes_and_orders_of_sums(crystal, native_models, ranks, more):
    model = native_models / "density_residual.mace"
    settings = {"ranks": ranks, "commands": MOVING.format(3)}
    expected, _ = crystal(model, f"head a {ON_CPU}", **settings)
    found, _ = crystal(model, f"head a {ON_GPU}{more}", **settings)
    agree(found, expected)


@pytest.mark.parametrize("precision", ["single", "mixed"])
def test_single_precision(crystal, models, precision):
    expected, _ = crystal(models["two_heads.mace"], ON_CPU)
    found, _ = crystal(models["two_heads.mace"], f"precision {precision} device cuda")
    agree(found, expected, 1e-4)


def test_runs_repeat_bit_for_bit(crystal, models):
    """Whatever the order in which threads come to their sums."""
    style = "precision mixed device cuda"
    first, again, other = (crystal(models["two_heads.mace"], style, commands=MOVING.format(4),
                                   order=order)[0] for order in (0, 0, 3))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(b, a)
        np.testing.assert_array_equal(c, a)


@pytest.mark.parametrize("ranks", [1, 2])
def test_hybrid(crystal, models, ranks):
    settings = {"ranks": ranks, "partner": "lj/cut 4.0", "commands": MOVING.format(2)}
    expected, _ = crystal(models["two_heads.mace"], ON_CPU, **settings)
    found, _ = crystal(models["two_heads.mace"], ON_GPU, **settings)
    agree(found, expected)


@pytest.mark.parametrize("ranks", [1, 2])
def test_minimize(crystal, models, ranks):
    settings = {"ranks": ranks, "commands": "min_style fire\nminimize 0 1e-3 10 50"}
    expected, _ = crystal(models["bundled.mace"], ON_CPU, **settings)
    found, _ = crystal(models["bundled.mace"], ON_GPU, **settings)
    agree(found, expected)
    assert found[0][-1, 1] < found[0][0, 1]


@pytest.mark.parametrize("ranks", [1, 2])
def test_atoms_closer_than_the_tables_reach(plugins, models, tmp_path, ranks):
    """Two atoms of one rank at 0.3 A: that rank alone evaluates on the CPU, and comes back."""
    atoms = carbon_crystal(2)
    atoms.positions[1] = atoms.positions[0] + [0.1, 0.2, 0.2]
    runs = Runs(plugins, tmp_path, atoms)
    apart = "\ndisplace_atoms all random 0.3 0.3 0.3 7\nrun 1"
    settings = {"ranks": ranks, "commands": "fix 1 all nve\nrun 0" + apart}
    expected, _ = runs(models["two_heads.mace"], ON_CPU, **settings)
    found, _ = runs(models["two_heads.mace"], ON_GPU, **settings)
    agree(found, expected)


def test_coincident_atoms_stop_the_run(plugins, models, tmp_path):
    atoms = carbon_crystal(2)
    atoms.positions[1] = atoms.positions[0]
    code, output = Runs(plugins, tmp_path, atoms).output(models["two_heads.mace"], ON_GPU)
    assert code != 0
    assert output.count("ERROR") == 1
    assert "not finite at step 0: the closest atoms are IDs" in output


def test_a_gpu_that_is_not_there(crystal, models):
    code, output = crystal.output(models["two_heads.mace"], "device cuda:99")
    assert code != 0
    assert output.count("ERROR") == 1
    assert "device cuda:99 was asked for" in output
    assert "say 'device cpu'" in output


def test_auto_takes_the_gpu(crystal, models):
    _, output = crystal(models["two_heads.mace"], "precision double")
    assert ", device cuda:0," in output
    assert "note:" not in output


def test_auto_leaves_a_gpu_without_kernels_of_this_build(crystal, models, monkeypatch):
    monkeypatch.setenv("MDBENCH_EMULATION_NO_CODE", "1")
    expected, _ = crystal(models["two_heads.mace"], ON_CPU)
    found, output = crystal(models["two_heads.mace"], "precision double")
    agree(found, expected)
    assert ", device cpu," in output
    assert output.count("note: the GPU here is left out") == 1
    code, output = crystal.output(models["two_heads.mace"], ON_GPU)
    assert code != 0
    assert output.count("ERROR") == 1
    assert re.search("loading the kernels failed: .*MDBENCH_CUDA_ARCHITECTURES, or say 'device cpu'",
                     output)


def test_python(plugins, models, tmp_path):
    """The graph's way, the pairs' way and the calculator, on the emulated GPU."""
    program = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("mdbench._core", {str(next(plugins.glob("_core*")))!r})
core = importlib.util.module_from_spec(spec)
sys.modules["mdbench._core"] = core
spec.loader.exec_module(core)
sys.path.insert(0, {str(ROOT / "tests")!r})
import numpy as np
from mdbench import MACECalculator
from support import triclinic
assert core.cuda_devices() == 1
found = []
for device in ("cpu", "cuda"):
    atoms = triclinic()
    atoms.calc = MACECalculator({str(models["two_heads.mace"])!r}, precision="double",
                                device=device, deterministic=False)
    assert atoms.calc.info["device"].startswith(device)
    found.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
for a, b in zip(*found):
    assert np.abs(a - b).max() < 1e-9
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
