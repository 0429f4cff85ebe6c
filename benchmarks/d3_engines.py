"""Programs that compute D3 dispersion, behind one function: energy, forces and stress of a step."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from native_vs_peers import WORK, jittered
from plugin_vs_calculator import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

BOHR_ANG, HARTREE_EV = 0.529177210903, 27.211386245988
GPA = 160.2176634
"""Of an eV/A^3."""
CN_ANG = 12.0
LAMMPS_STEPS = 2
SAMPLE_SECONDS, MOST_EVALUATIONS = 0.4, 20
MEMORY_BYTES = 14 << 30


@dataclass(frozen=True)
class Case:
    """A system and a cutoff; the coordination numbers are counted to 12 A."""

    atoms: int
    cutoff_ang: float
    cutoff: str  # as the table shows it

    @property
    def pairs(self) -> float:
        """Both ways, about: 0.1 atoms an A^3."""
        return self.atoms * 0.1 * 4.19 * self.cutoff_ang**3


@dataclass(frozen=True)
class Variant:
    """A program and how it is used. Those of a family share a process."""

    name: str
    family: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Answer:
    """Energy in eV, forces [atoms, 3] in eV/A, stress [3, 3] in GPa."""

    energy: float
    forces: np.ndarray
    stress: np.ndarray


def structure(count: int) -> Any:  # noqa: ANN401 - ASE has no types
    """Graphene-water of 128, 372 or 1,038 atoms; the last is made where missing."""
    from ase.io.lammpsdata import read_lammps_data, write_lammps_data

    path = ROOT / f"inputs/graphene_water{'' if count == 372 else f'_{count}'}.data"
    if count == 1038:
        path = WORK / path.name
    if not path.exists():
        from mdbench.reference_field import equilibrated
        from mdbench.structure import graphene_water

        WORK.mkdir(parents=True, exist_ok=True)
        made = equilibrated(graphene_water(8, 6, 282), 298.0, seed=11, picoseconds=1.0)
        order = ["C", "O", "H"]
        write_lammps_data(str(path), made, specorder=order, masses=True, atom_style="atomic")
    atoms = read_lammps_data(str(path), atom_style="atomic")
    atoms.pbc = True
    assert len(atoms) == count
    return atoms


def symmetric(six: Any, order: str) -> np.ndarray:  # noqa: ANN401
    """A tensor from its six numbers in an order like "xx yy zz xy xz yz"."""
    tensor = np.empty((3, 3))
    for value, name in zip(six, order.split(), strict=True):
        a, b = ("xyz".index(c) for c in name)
        tensor[a, b] = tensor[b, a] = value
    return tensor


def mdbench_engine(
    case: Case, threads: int = 1, switch: float = 0.0, skin: float = 2.0
) -> Callable[[int], tuple[float, float, Answer]]:
    """The kernel as pair styles and D3Calculator call it."""
    from mdbench import _core

    if not hasattr(_core, "D3"):
        raise ModuleNotFoundError("this build of mdbench has no D3")
    atoms = structure(case.atoms)
    words = ["bj", "pbe", "cutoff", repr(case.cutoff_ang), "cn", repr(CN_ANG)]
    words += ["switch", repr(switch), "skin", repr(skin)]
    d3 = _core.D3(words, threads)
    numbers = np.asarray(atoms.numbers, dtype=np.int32)
    cell = np.ascontiguousarray(atoms.cell.array)

    def evaluate(step: int) -> tuple[float, float, Answer]:
        positions = moved(atoms, step)
        before = dict(d3.statistics)
        start = time.perf_counter()
        found = d3.evaluate(positions, numbers, cell, [True] * 3, with_virials=False)
        seconds = time.perf_counter() - start
        after = dict(d3.statistics)
        built = after["builds"] - before["builds"]
        assert built == (1 if skin == 0.0 or step == 0 else 0), "the list was not as wanted"
        stress = -symmetric(found["virial"], "xx yy zz xy xz yz") / atoms.get_volume() * GPA
        in_list = after["list_seconds"] - before["list_seconds"]
        return seconds, in_list, Answer(found["energy"], np.array(found["forces"]), stress)

    return evaluate


def moved(atoms: Any, step: int) -> np.ndarray:  # noqa: ANN401
    """The atoms' places at step 0, and a little beside them at others."""
    return jittered(atoms.positions, step) if step else atoms.positions.copy()


def sdftd3_engine(case: Case) -> Callable[[int], tuple[float, float, Answer]]:
    """s-dftd3 through its own Python interface. It searches its lattice vectors each time."""
    from dftd3.interface import DispersionModel, RationalDampingParam

    atoms = structure(case.atoms)
    model = DispersionModel(
        atoms.numbers, atoms.positions / BOHR_ANG, atoms.cell.array / BOHR_ANG, np.ones(3, bool)
    )
    cutoff, cn = case.cutoff_ang / BOHR_ANG, CN_ANG / BOHR_ANG
    model.set_realspace_cutoff(disp2=cutoff, disp3=cn, cn=cn)
    damping = RationalDampingParam(method="pbe", atm=False)

    def evaluate(step: int) -> tuple[float, float, Answer]:
        positions = moved(atoms, step) / BOHR_ANG
        start = time.perf_counter()
        model.update(positions)
        found = model.get_dispersion(damping, grad=True)
        seconds = time.perf_counter() - start
        forces = -found["gradient"] * HARTREE_EV / BOHR_ANG
        stress = found["virial"] * HARTREE_EV / atoms.get_volume() * GPA
        return seconds, 0.0, Answer(float(found["energy"]) * HARTREE_EV, forces, stress)

    return evaluate


def torch_engine(case: Case, dtype: str) -> Callable[[int], tuple[float, float, Answer]]:
    """torch-dftd's calculator in its two parts: pymatgen's neighbour list, evaluation."""
    import torch
    from torch_dftd.torch_dftd3_calculator import TorchDFTD3Calculator

    torch.set_num_threads(1)
    atoms = structure(case.atoms)
    calculator = TorchDFTD3Calculator(
        damping="bj", xc="pbe", cutoff=case.cutoff_ang, cnthr=CN_ANG, dtype=getattr(torch, dtype)
    )

    def evaluate(step: int) -> tuple[float, float, Answer]:
        copy = atoms.copy()
        copy.positions = moved(atoms, step)
        start = time.perf_counter()
        graph = calculator._preprocess_atoms(copy)  # noqa: SLF001 - to time the list apart
        in_list = time.perf_counter() - start
        found = calculator.dftd_module.calc_energy_and_forces(**graph, damping="bj")[0]
        seconds = time.perf_counter() - start
        stress = symmetric(found["stress"], "xx yy zz yz xz xy") * GPA
        return seconds, in_list, Answer(found["energy"], found["forces"].astype(float), stress)

    return evaluate


def lammps_engine(case: Case, *, rebuild: bool) -> Callable[[int], tuple[float, float, Answer]]:
    """`pair_style dispersion/d3` of LAMMPS: a step of `run`, energy and virial at each."""
    from mdbench.engine import boxed, load_structure, open_lammps, read_result

    system = boxed(structure(case.atoms), ["C", "O", "H"])
    lmp = open_lammps()
    load_structure(lmp, system)
    skin, check = ("0.0", "no") if rebuild else ("2.0", "yes")
    lmp.commands_string(
        f"pair_style dispersion/d3 bj pbe {case.cutoff_ang!r} {CN_ANG!r}\n"
        f"pair_coeff * * {' '.join(system.species)}\n"
        f"neighbor {skin} bin\n"
        f"neigh_modify every 1 delay 0 check {check} one 200000 page 2000000\n"
        "compute virial all pressure NULL virial\n"
        "thermo_style custom step pe c_virial[1]\nthermo 1\n"
        "velocity all create 298 4 mom yes dist gaussian\nfix 1 all nve\ntimestep 1e-5"
    )

    def evaluate(step: int) -> tuple[float, float, Answer]:
        start = time.perf_counter()
        lmp.command(f"run {LAMMPS_STEPS} pre no post no" if step else "run 0 post no")
        seconds = (time.perf_counter() - start) / (LAMMPS_STEPS if step else 1)
        found = read_result(lmp, system)
        stress = -found.virial / system.atoms.get_volume() * GPA
        return seconds, 0.0, Answer(found.energy, found.forces, stress)

    return evaluate


FAMILIES = {
    "mdbench": mdbench_engine,
    "s-dftd3": sdftd3_engine,
    "lammps": lammps_engine,
    "torch-dftd": torch_engine,
}

VARIANTS = (
    Variant("mdbench", "mdbench"),
    Variant("s-dftd3", "s-dftd3"),
    Variant("LAMMPS", "lammps", {"rebuild": False}),
    Variant("torch-dftd float32", "torch-dftd", {"dtype": "float32"}),
    Variant("mdbench, rebuilt", "mdbench", {"skin": 0.0}),
    Variant("LAMMPS, rebuilt", "lammps", {"rebuild": True}),
    Variant("torch-dftd float64", "torch-dftd", {"dtype": "float64"}),
    Variant("mdbench, 2 threads", "mdbench", {"threads": 2}),
    Variant("mdbench, switch 2", "mdbench", {"switch": 2.0}),
)


def limit_memory() -> None:
    """A program that wants more fails by itself, and takes no other down with it."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


def sample(variant: Variant, case: Case) -> dict[str, Any]:
    """A fresh evaluator: its first answer, and times in ms of the evaluations after it.

    As many of them as the time allows, the same for all programs.
    """
    evaluate = FAMILIES[variant.family](case, **variant.options)
    answer = evaluate(0)[2]
    found: list[tuple[float, float]] = []
    end = time.perf_counter() + SAMPLE_SECONDS
    while not found or (time.perf_counter() < end and len(found) < MOST_EVALUATIONS):
        found.append(evaluate(len(found) + 1)[:2])
    return {
        "ms": [1e3 * total for total, _ in found],
        "list_ms": [1e3 * part for _, part in found],
        "answer": answer,
    }


def difference(answer: Answer, other: Answer) -> dict[str, float]:
    """How far two answers are apart."""
    count = len(answer.forces)
    return {
        "energy_mev_per_atom": 1e3 * abs(answer.energy - other.energy) / count,
        "largest_force_mev_per_ang": 1e3 * float(np.abs(answer.forces - other.forces).max()),
        "largest_stress_gpa": float(np.abs(answer.stress - other.stress).max()),
    }
