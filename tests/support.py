"""What several test files need: LAMMPS in this process and as a program, structures, checks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import filelock
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lammps import Prism

from mdbench.engine import boxed, load_structure, open_lammps, read_result
from mdbench.structure import fill_with_water, graphene, water_box, water_molecule

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
BUNDLED = ROOT / "models/graphene-water/graphene-water.model"
BUNDLED_LAMMPS = ROOT / "models/graphene-water/graphene-water-lammps.pt"
SPECIES = ["C", "O", "H"]
# models that take a charge or a spin, with those that they are converted for
STATES = {"charged": {"charge": -1, "spin": 2}, "charged_heads": {"charge": 2, "spin": 3},
          "charged_single": {"charge": 1}}


def processor_s() -> float:
    """Processor time of this process and of those that it has run, in seconds."""
    return sum(os.times()[:4])


class Stopwatch:
    """What a `with` block takes, in seconds of a Xeon at 2.5 GHz on which nothing else runs.

    Processors are shared: the same report took 3.9 and 6.2 s of processor time within minutes. A
    fixed errand, before and after, tells how slow this machine is now; a faster one earns nothing.
    """

    ERRAND_S = 0.05  # there: 0.048 measured, and 0.092 when something else ran

    def __init__(self, clock):
        self._clock = clock

    def __enter__(self):
        self._before = self._errand()
        self._began = self._clock()
        return self

    def __exit__(self, *_):
        used = self._clock() - self._began
        pace = max(1, (self._before + self._errand()) / 2 / self.ERRAND_S)
        self.seconds = used / pace
        print(f"{used:.3g} s, where errands take {pace:.2f} times as long: {self.seconds:.3g} s")

    def _errand(self) -> float:
        """Mean time of a work that is half Python's and half numpy's."""
        began = self._clock()
        for _ in range(5):
            sum(i & 7 for i in range(400_000))
            x = np.arange(200_000.0)[::-1]
            for _ in range(3):
                x = np.sort(np.sin(x))
                np.fft.rfft(x)
        return (self._clock() - began) / 5


def output_of(*command, **options) -> str:
    """What a command prints, errors too; it must succeed."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(name: str, target: str, *options: str) -> Path:
    """A program or library of the C++ code for tests, in build/NAME, with CUDA emulated.

    With line numbers alone: full debugging information doubles the compiler's time.
    """
    folder = ROOT / "build" / name
    folder.mkdir(parents=True, exist_ok=True)
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-DMDBENCH_TORCH=OFF",
                 "-DMDBENCH_PYTHON=OFF", "-DMDBENCH_TESTS=ON", "-DMDBENCH_CUDA=EMULATE",
                 "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -g1",
                 f"-DPython_EXECUTABLE={sys.executable}", *options]
    with filelock.FileLock(folder / "lock"):  # one of the parallel workers at a time
        output_of(*configure)
        output_of("cmake", "--build", folder, "-j2", "--target", target)
    return folder / target


def run_lmp(
    script: str,
    folder: Path,
    *,
    ranks: int = 1,
    environment: dict[str, str] | None = None,
    timeout_s: float = 300,
    arguments: tuple[str, ...] | list[str] = (),
) -> tuple[int, str]:
    """Run the lmp program on an input text; returns its exit code and everything it printed."""
    path = folder / "in.test"
    path.write_text(script)
    launch = [str(BIN / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run(
        [*launch, str(BIN / "lmp"), "-log", "none", "-in", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        timeout=timeout_s,
        check=False,
    )
    return done.returncode, done.stdout


class Lammps:
    """A LAMMPS in this process with a structure and `pair_style mace`; a context manager."""

    def __init__(self, atoms, model, style="", *, species=None, setup="", more=""):
        self.system = boxed(atoms, species)
        self.lmp = open_lammps()
        load_structure(self.lmp, self.system, setup)
        self.commands(
            f"pair_style mace {style}\npair_coeff * * {model} {' '.join(self.system.species)}\n"
            f"compute virial all pressure NULL virial\n"
            f"thermo_style custom step pe etotal c_virial[1]\n{more}"
        )

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.lmp.close()

    def commands(self, text):
        self.lmp.commands_string(text)

    def point(self):
        """Energy, forces, virial now."""
        self.commands("run 0 post no")
        return read_result(self.lmp, self.system)

    def move_to(self, positions):
        """Set the positions [atoms, 3] in the structure's axes."""
        raw = self.system.prism.vector_to_lammps(np.asarray(positions), wrap=False)
        flat = np.ascontiguousarray(raw, dtype=np.float64).ravel()
        self.lmp.scatter_atoms("x", 1, 3, flat.ctypes.data_as(__import__("ctypes").c_void_p))

    def set_cell(self, cell):
        """Give a triclinic box another cell [3, 3]; atoms keep their fractions, turned with it."""
        sizes = zip(("x final 0", "y final 0", "z final 0", "xy final", "xz final", "yz final"),
                    Prism(cell).get_lammps_prism(), strict=True)
        words = " ".join(f"{what} {size:.17g}" for what, size in sizes)
        self.commands(f"change_box all {words} remap units box")

    def positions(self):
        return np.array(self.lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)

    def velocities(self):
        return np.array(self.lmp.gather_atoms("v", 1, 3)).reshape(-1, 3)


def message(commands, setup=""):
    """LAMMPS's error text for an input on a small crystal; one line."""
    lmp = open_lammps()
    try:
        with pytest.raises(Exception, match="ERROR") as caught:
            load_structure(lmp, boxed(carbon_crystal(1), SPECIES), setup)
            lmp.commands_string(commands)
        lines = str(caught.value).strip().splitlines()
        assert len([line for line in lines if line.startswith("ERROR")]) == 1
        assert "Traceback" not in str(caught.value)
        return lines[0]
    finally:
        lmp.close()


def water_dimer() -> Atoms:
    rng = np.random.default_rng(3)
    positions = np.r_[water_molecule(rng), water_molecule(rng) + [2.9, 0.3, 0.2]]
    return Atoms("OHHOHH", positions, pbc=False)


def slab() -> Atoms:
    """Graphene with three molecules on it, open along z."""
    sheet = graphene(2, 1)
    sheet.cell[2, 2] = 12.0
    atoms = fill_with_water(sheet, 3, 2.9, 6.5, np.random.default_rng(4))
    atoms.pbc = [True, True, False]
    return rattled(atoms)


def triclinic() -> Atoms:
    """A sheared cell of a carbon atom and a molecule, smaller than any cutoff."""
    cell = np.array([[5.1, 0.0, 0.0], [1.9, 4.8, 0.0], [-1.2, 1.6, 5.3]])
    rng = np.random.default_rng(132)  # the seed that keeps the molecule farthest from all images
    atoms = Atoms("C", [[0.2, 0.1, 0.3]], cell=cell, pbc=True)
    atoms += Atoms("OHH", water_molecule(rng) + rng.uniform(size=3) @ cell)
    return rattled(atoms)


def one_atom() -> Atoms:
    return bulk("C", "fcc", a=3.6)


def rattled(atoms: Atoms, sigma: float = 0.08, seed: int = 1) -> Atoms:
    copy = atoms.copy()
    copy.positions += np.random.default_rng(seed).normal(scale=sigma, size=copy.positions.shape)
    return copy


def carbon_crystal(repeat: int = 2, seed: int = 1) -> Atoms:
    """An fcc crystal for the analytic model, rattled; three elements."""
    atoms = bulk("C", "fcc", a=3.5, cubic=True).repeat(repeat)
    rng = np.random.default_rng(seed)
    atoms.symbols = rng.choice(SPECIES, len(atoms))
    atoms.symbols[:3] = SPECIES
    return rattled(atoms, 0.1, seed)


STRUCTURES = {
    "slab": slab,
    "bulk": lambda: rattled(water_box(8, 6.3)),
    "triclinic": triclinic,
    "molecule": water_dimer,
    "one_atom": one_atom,
}
