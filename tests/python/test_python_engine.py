"""LAMMPS driven by Python models through fix external, beside the plugin."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from support import BUNDLED, ROOT, SPECIES, STRUCTURES

from mdbench.ase_evaluator import Frame
from mdbench.engine import boxed, load_structure, open_lammps, read_result
from mdbench.errors import EngineError, SettingError
from mdbench.python_engine import attach

BESIDE = """
import json, sys
import numpy as np
from support import BUNDLED, STRUCTURES, Lammps
from mdbench.engine import boxed, load_structure, open_lammps, read_result
from mdbench.python_engine import PythonModel, attach

MD = ("velocity all create 300 4 mom yes loop all\\ntimestep 0.0005\\nfix 1 all nve\\n"
      "thermo_style custom step temp pe etotal press\\nrun 10 post no")
native = BUNDLED.with_suffix(".mace")
found = {}
for name in ("bulk", "triclinic", "slab"):
    atoms = STRUCTURES[name]()
    with Lammps(atoms, native, "precision double") as plugin:
        exact = plugin.point()
        plugin.commands(MD)
        last = plugin.positions(), plugin.lmp.get_thermo("etotal"), plugin.lmp.get_thermo("press")
    system = boxed(atoms)
    lmp = open_lammps()
    load_structure(lmp, system)
    engine = attach(lmp, str(BUNDLED), system.species,
                    PythonModel(precision="double", device="cpu", skin_ang=0.3))
    lmp.commands_string("compute virial all pressure NULL virial\\n"
                        "thermo_style custom step pe c_virial[1]\\nrun 0 post no")
    here = read_result(lmp, system)
    lmp.commands_string(MD)
    x = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
    edge = np.diag(atoms.cell.array) if name == "bulk" else None
    moved = x - last[0]
    if edge is not None:
        moved -= np.round(moved / edge) * edge
    found[name] = {
        "energy": abs(here.energy - exact.energy),
        "forces": float(np.abs(here.forces - exact.forces).max()),
        "virial": float(np.abs(here.virial - exact.virial).max()),
        "positions": float(np.abs(moved).max()) if name != "triclinic" else 0.0,
        "etotal": abs(lmp.get_thermo("etotal") - last[1]),
        "press": abs(lmp.get_thermo("press") - last[2]),
        "evaluations": engine.num_evaluations,
        "kernel": engine.kernel,
    }
    lmp.close()
print(json.dumps(found))
"""


@pytest.mark.slow
def test_forces_virial_and_dynamics_are_those_of_the_plugin():
    """In a process of its own: it imports mace."""
    import json  # noqa: PLC0415

    done = subprocess.run([sys.executable, "-W", "ignore", "-c", BESIDE], capture_output=True,
                          text=True, check=False, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stderr
    for name, row in json.loads(done.stdout.strip().splitlines()[-1]).items():
        assert row["energy"] < 1e-7, name
        assert row["forces"] < 1e-7, name
        assert row["virial"] < 1e-6, name
        assert row["positions"] < 1e-7, name
        assert row["etotal"] < 1e-6, name
        assert row["press"] < 1e-2, name  # bar, of some 1e4
        assert row["evaluations"] == 12  # two set-ups
        assert "mace-torch" in row["kernel"]


def attached(calculator, name="bulk"):
    system = boxed(STRUCTURES[name]())
    lmp = open_lammps()
    load_structure(lmp, system)
    return lmp, attach(lmp, calculator, system.species), system


def lennard_jones():
    return LennardJones(sigma=0.7, epsilon=0.01, rc=3.0, smooth=True)


def test_any_ase_calculator_drives_lammps():
    lmp, engine, system = attached(lennard_jones())
    lmp.commands_string("compute virial all pressure NULL virial\n"
                        "thermo_style custom step pe c_virial[1]\nrun 0 post no")
    here = read_result(lmp, system)
    atoms = system.atoms.copy()
    atoms.calc = lennard_jones()
    assert here.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(here.forces, atoms.get_forces(), atol=1e-12)
    exact = -atoms.get_stress(voigt=False) * atoms.get_volume()
    np.testing.assert_allclose(here.virial, exact, atol=1e-10)
    assert engine.kernel == "ASE calculator LennardJones"
    lmp.commands_string("velocity all create 50 4\ntimestep 0.0005\nfix 1 all nve\n"
                        "thermo_style custom step temp pe etotal\nrun 0 post no")
    before = lmp.get_thermo("etotal")
    lmp.command("run 50 post no")
    assert lmp.get_thermo("etotal") == pytest.approx(before, abs=1e-3)
    lmp.close()


def test_a_side_that_opens_is_open_for_the_model_too():
    """Of two atoms across a side, the energy was still that of the periodic cell."""
    lmp = open_lammps()
    lmp.commands_string("units metal\natom_modify map yes\nregion b block 0 6 0 6 0 6\n"
                        "create_box 1 b\ncreate_atoms 1 single 3 3 0.2\ncreate_atoms 1 single 3 3 5.6\n"
                        "mass 1 1")
    attach(lmp, lennard_jones(), ["H"])
    energies = []
    for sides in ("p p p", "p p f"):
        lmp.commands_string(f"change_box all boundary {sides}\nrun 0 post no")
        energies.append(lmp.get_thermo("pe"))
    lmp.close()
    pair = Atoms("H2", [[3, 3, 0.2], [3, 3, 5.6]], cell=[6, 6, 6], pbc=True, calculator=lennard_jones())
    assert energies[0] == pytest.approx(pair.get_potential_energy(), abs=1e-12)
    assert abs(energies[0]) > 1e-4 and energies[1] == 0


def test_pairs_of_a_side_that_opens():
    from mdbench.torch_pairs import Pairs  # noqa: PLC0415 - imports torch

    frame = Frame(np.array([1, 1]), np.array([[3, 3, 0.2], [3, 3, 5.6]]), 6.0 * np.eye(3), np.ones(3, bool))
    pairs = Pairs(2.0, 0.5, "cpu")
    assert pairs.update(frame)[0].shape[1] == 2
    opened = dataclasses.replace(frame, pbc=np.array([True, True, False]))
    assert pairs.update(opened)[0].shape[1] == 0


class Failing(LennardJones):
    count = 0

    def calculate(self, *arguments, **options):
        type(self).count += 1
        if type(self).count > 3:
            raise RuntimeError("no more\nsecond line")
        super().calculate(*arguments, **options)


def test_a_model_that_fails_ends_the_run_with_its_reason():
    """ctypes would print the exception and LAMMPS go on with the forces of the step before."""
    lmp, engine, _ = attached(Failing(sigma=0.7, epsilon=0.01, rc=3.0))
    lmp.commands_string("timestep 0.0005\nfix 1 all nve\ntimer timeout off every 1")
    with pytest.raises(EngineError, match="the Python model failed: no more"):
        lmp.command("run 100000 post no")
    assert lmp.get_thermo("step") < 100
    with pytest.raises(EngineError, match="no more"):
        lmp.command("run 1")
    lmp.close()


class NotFinite(LennardJones):
    def calculate(self, *arguments, **options):
        super().calculate(*arguments, **options)
        self.results["forces"] = self.results["forces"] * np.nan


def test_forces_that_are_no_numbers_are_an_error():
    lmp, _, _ = attached(NotFinite(sigma=0.7, epsilon=0.01, rc=3.0))
    with pytest.raises(EngineError, match="not finite"):
        lmp.command("run 0 post no")
    lmp.close()


@pytest.mark.parametrize(
    ("elements", "units", "text"),
    [
        (["O"], "metal", "1 elements for 2 atom types"),
        (["O", "Xx"], "metal", "unknown element 'Xx'"),
        (["O", "H"], "real", "needs 'units metal'"),
    ],
)
def test_what_does_not_fit_is_refused(elements, units, text):
    lmp = open_lammps()
    lmp.commands_string(f"units {units}\natom_modify map yes\nregion box block 0 9 0 9 0 9\n"
                        "create_box 2 box")
    with pytest.raises(SettingError, match=text):
        attach(lmp, lennard_jones(), elements)
    lmp.close()


def test_importing_it_imports_no_torch():
    code = "import sys, mdbench.python_engine; print('torch' in sys.modules, 'mace' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_structures_of_these_tests_have_the_elements_of_the_bundled_model():
    assert BUNDLED.exists()
    assert all(set(make().get_chemical_symbols()) <= set(SPECIES) for make in STRUCTURES.values())


def test_an_mpi4py_of_another_mpi_library_is_left_alone(tmp_path):
    """LAMMPS's module would import it, and start a second MPI library beside its own."""
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py/__init__.py").write_text('__version__ = "4.1.0"\n')
    (tmp_path / "mpi4py/MPI.py").write_text('raise RuntimeError("cannot load MPI library")\n')
    program = ("from mdbench.engine import open_lammps\nopen_lammps().close()\n"
               "import mpi4py\nprint(mpi4py.__version__)")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4.1.0\n"
