"""The verb scaling from request to result, with tiny sizes and few steps."""

import dataclasses
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from faults.driver import foreign_mpiexec, lmp_with, mdbench, start, wait_for
from support import BIN

from mdbench.core import evaluate_atoms
from mdbench.errors import SettingError
from mdbench.model import load_evaluator
from mdbench.scaling import models, worker
from mdbench.scaling.bench import Bench
from mdbench.scaling.cases import base_cell, size_near, sizes_near
from mdbench.scaling.options import Options, make_request
from mdbench.scaling.plan import in_turn, make_plan
from mdbench.scaling.protocol import run
from mdbench.scaling.result_file import read_result
from mdbench.scaling import variants
from mdbench.scaling.variants import VARIANTS, Settings, force_tolerance_ev_ang, reason_against

# --quick leaves out the comparison of the reference with mace-torch, which takes 10 s to start
FEW = ("--quick", "--threads", "1", "--device", "cpu", "--steps", "3", "--repeats", "2", "--rounds", "1")
WRONG = ("fix wrong all addforce 0.01 0.0 0.0",)
OFF_IN_ENERGY = ("fix wrong all addforce 1e-3 0.0 0.0", "fix_modify wrong energy yes")
"""The energy of a weak field: -F x, of atoms some A from the origin."""
SLOW = (
    f'variable slow atom "{"+".join(["exp(-x*x)"] * 400)}"',
    "compute slow all reduce sum v_slow",
    "variable slow_sum equal c_slow",
    "fix slow all halt 1 v_slow_sum > 1e300 error soft",
)


def few(tmp_path, **changes):
    options = {"quick": True, "device": "cpu", "threads": "1", "steps": 3, "repeats": 2, "rounds": 1,
               "sizes": "128", "variants": "native", "output": tmp_path / "out"}
    return make_request(Options(**{**options, **changes}))


def with_commands(request, **commands):
    """The same request with variants changed: what no option and no environment can do."""
    changed = [dataclasses.replace(v, commands=commands.get(v.name, ())) for v in request.variants]
    return dataclasses.replace(request, variants=tuple(changed))


def rows(folder):
    return read_result(folder / "result.json").measurements


def quiet(_):
    pass


# What is planned

def test_quick_plan():
    request = make_request(Options(quick=True, device="cpu"))
    base = base_cell("graphene-water")
    forms = models.Forms(models.bundled(), "", dict.fromkeys(("mace", "pt", "model"), Path("x")))
    plan = make_plan(request, base, forms)
    assert [g[0].size.atoms for g in plan.groups] == [128, 256, 512, 1024]
    assert {c.variant.name for c in plan.cells} == {"torchscript", "native"}
    assert [(v.name, bool(reason)) for v, _, reason in plan.unavailable] == [("cueq", True)]
    assert {s.threads for s in request.settings} == {1}
    assert request.rounds == 2
    assert request.time_limit_s <= 100  # whatever the machine: what does not fit is skipped
    assert request.timing.repeats == 5


def test_variants_take_turns():
    settings = Settings("cpu", "single", 1)
    group = tuple(dataclasses.replace(v) for v in VARIANTS.values())
    orders = [in_turn(group, k) for k in range(4)]
    assert all(set(o) == set(group) for o in orders)
    assert len({o[0].name for o in orders}) == 4
    assert settings.ranks == 1


def test_sizes_are_the_nearest_compact_supercells():
    found = sizes_near("graphene-water", 128, (128, 372, 1038, 2900, 100_000))
    assert [s.atoms for s in found] == [128, 384, 1024, 3072, 100352]
    for size in found:
        assert size.repeat[2] == 1
        assert size.repeat[1] <= size.repeat[0] <= 3 * size.repeat[1]
        assert size.atoms == 128 * math.prod(size.repeat)
    for wanted, size in zip((128, 372, 1038, 2900, 100_000), found, strict=True):
        assert abs(math.log(size.atoms / wanted)) < 0.06
    assert size_near("hea", 54, 54 * 27).repeat == (3, 3, 3)


def test_a_supercell_repeats_the_reference():
    """Every size is compared with the forces of the one cell, repeated."""
    base = base_cell("graphene-water")
    evaluator = load_evaluator(models.bundled().with_suffix(".mace"), precision="double")
    small, large = (evaluate_atoms(evaluator, a) for a in (base, base.repeat((2, 1, 1))))
    assert large.energy == pytest.approx(2 * small.energy, abs=1e-9)
    np.testing.assert_allclose(large.forces, np.tile(small.forces, (2, 1)), atol=1e-9)


def test_no_variant_of_the_command_line_has_commands_of_tests():
    assert all(v.commands == () for v in VARIANTS.values())
    assert all(v.commands == () for v in make_request(Options()).variants)


def test_an_offset_of_a_hundredth_is_above_every_tolerance():
    for variant in VARIANTS.values():
        for precision in ("single", "double", "mixed"):
            for rms in (0.05, 1.0, 100.0):
                assert force_tolerance_ev_ang(variant, precision, rms) <= 5e-3 < 1e-2 or (
                    precision == "double" and rms == 100.0)


def test_why_not():
    cpu = Settings("cpu", "single", 1)
    assert not reason_against(VARIANTS["native"], cpu)
    assert "NVIDIA" in reason_against(VARIANTS["cueq"], cpu)
    ranks = dataclasses.replace(cpu, ranks=2)
    assert "one rank" in reason_against(VARIANTS["e3nn"], ranks)
    mixed = dataclasses.replace(cpu, precision="mixed")
    assert "native" in reason_against(VARIANTS["torchscript"], mixed)


def test_native_kernels_on_a_gpu_need_both(monkeypatch):
    """Whether they can run is for their own library to say; nvidia-smi may be missing."""
    native, gpu = VARIANTS["native"], Settings("cuda", "single", 1)
    monkeypatch.setattr(variants, "gpu_names", list)
    monkeypatch.setattr(variants, "cuda_problem", lambda: "built without CUDA kernels")
    assert "no NVIDIA GPU here" in reason_against(native, gpu)
    assert not reason_against(native, Settings("cpu", "single", 1))
    monkeypatch.setattr(variants, "gpu_names", lambda: ["a GPU"])
    assert reason_against(native, gpu) == "built without CUDA kernels"
    monkeypatch.setattr(variants, "cuda_problem", str)
    assert not reason_against(native, gpu)
    monkeypatch.setattr(variants, "gpu_names", list)
    assert not reason_against(native, gpu)
    assert "no NVIDIA GPU here" in reason_against(VARIANTS["torchscript"], gpu)


def test_symmetrix_on_a_gpu_needs_its_package(monkeypatch):
    peer, gpu = VARIANTS["symmetrix-xl"], Settings("cuda", "single", 1)
    monkeypatch.setattr(variants, "gpu_names", lambda: ["a GPU"])
    monkeypatch.setattr(variants, "version", lambda _: "0.1.1")
    for names, reason in ((["symmetrix-xl"], "without a package for this GPU"),
                          (["symmetrix-xl", "symmetrix-xl-cuda13-sm90"], "")):
        found = [SimpleNamespace(name=name) for name in names]
        monkeypatch.setattr("importlib.metadata.distributions", lambda found=found: found)
        assert reason in reason_against(peer, gpu)
        assert bool(reason) == bool(reason_against(peer, gpu))
        assert not reason_against(peer, Settings("cpu", "single", 1))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"system": "water"}, "--system 'water' is none of"),
        ({"variants": "native,fast"}, "--variants 'fast' is none of"),
        ({"variants": ","}, "--variants ',' is none of"),
        ({"precision": "half"}, "--precision 'half' is none of"),
        ({"sizes": "0"}, "--sizes '0'"),
        ({"sizes": "many"}, "--sizes 'many'"),
        ({"sizes": "99999999999"}, "--sizes '99999999999'"),
        ({"sizes": "100000001"}, "--sizes 100000001"),
        ({"threads": "-1"}, "--threads '-1'"),
        ({"device": "gpu"}, "--device 'gpu'"),
        ({"mpi": "both"}, "--mpi 'both'"),
        ({"mpi": "weak", "max_atoms": True}, "--mpi and --max-atoms"),
        ({"mpi": "weak", "threads": "2"}, "--mpi and --threads"),
        ({"random_weights": "huge"}, "--random-weights 'huge'"),
        ({"random_weights": "small", "model": Path("x")}, "exclude each other"),
        ({"model": Path("absent.model")}, "there is no such file"),
        ({"time_limit": "10"}, "--time-limit '10'"),
        ({"memory_limit": "4 pounds"}, "--memory-limit '4 pounds'"),
    ],
)
def test_bad_options(changes, text):
    with pytest.raises(SettingError, match=text):
        make_request(Options(**changes))


@pytest.mark.parametrize(
    "arguments",
    [["--variants", "fast"], ["--system", "hea", "--threads", "1"], ["--sizes", "-3"]],
)
def test_bad_arguments_are_one_line_and_exit_code_2(arguments, tmp_path):
    code, out, err = mdbench("scaling", *arguments, "-o", tmp_path / "out")
    assert code == 2
    assert len(err.strip().splitlines()) == 1, err
    assert err.startswith("mdbench: error: ")
    assert "Traceback" not in out + err


def test_the_driver_imports_neither_torch_nor_mace():
    code = ("import sys, mdbench.scaling.protocol, mdbench.scaling.options\n"
            "print([m for m in ('torch', 'mace', 'e3nn', 'cuequivariance') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# What is run

def test_native_and_torchscript_are_timed_and_cueq_says_why_not(tmp_path):
    code, out, err = mdbench("scaling", *FEW, "--sizes", "128,256", "--variants",
                             "native,torchscript,cueq", "-o", tmp_path / "out")
    assert code == 0, out + err
    found = {(r.variant, r.atoms): r for r in rows(tmp_path / "out")}
    assert found.keys() == {("native", 128), ("native", 256), ("torchscript", 128),
                            ("torchscript", 256), ("cueq", None)}
    for (variant, atoms), row in found.items():
        if variant == "cueq":
            assert row.status == "unavailable"
            assert "NVIDIA" in row.reason
            continue
        assert row.status == "timed"
        assert row.kernel.startswith(variant)
        assert row.steps == 3
        assert len(row.loop_s) == 2
        assert row.force_error_ev_ang < 1e-3
        assert row.edges == pytest.approx(4858 * atoms / 128)
        assert {"Pair", "Neigh", "Comm", "Output", "Other"} <= row.shares.keys()
        assert row.rss_mib > 10
        assert row.setup_s > 0
    for name in ("result.csv", "scaling.html", "scaling.png", "scaling.svg"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    assert "cueq" in out
    assert "unavailable" in out


def test_steps_follow_the_target_when_they_are_left_out(tmp_path):
    request = few(tmp_path, steps=None, rounds=2)
    request = dataclasses.replace(
        request, timing=dataclasses.replace(request.timing, target_s=0.05, warmup_steps=2))
    (row,) = run(request, quiet).measurements
    assert row.status == "timed"
    assert 5 <= row.steps < 200
    assert row.processes == (2, 2)  # the second process took as many steps


def test_a_wrong_variant_is_refused_before_timing(tmp_path):
    request = with_commands(few(tmp_path, variants="native,torchscript"), native=WRONG)
    result = run(request, quiet)
    wrong, right = sorted(result.measurements, key=lambda m: m.variant)
    assert wrong.status == "refused"
    assert wrong.loop_s == ()
    assert wrong.force_error_ev_ang == pytest.approx(0.01, rel=0.01)
    assert "1.0e-02 eV/A" in wrong.reason
    assert right.status == "timed"


def test_a_wrong_energy_is_refused_too(tmp_path):
    """Forces alone would pass; the limit of energies is an atom's, whatever their number."""
    (right,) = run(few(tmp_path, sizes="512"), quiet).measurements
    assert 0 < right.energy_error_ev_atom < 1e-6  # of single precision
    wrong = with_commands(few(tmp_path, sizes="512"), native=OFF_IN_ENERGY)
    (row,) = run(wrong, quiet).measurements
    assert row.force_error_ev_ang < 2e-3
    # 1e-3 eV/A times the mean x of 512 atoms, about half of the cell's 19.94 A
    assert row.energy_error_ev_atom == pytest.approx(1e-3 * 19.94 / 2, rel=0.03)
    assert row.status == "refused"
    assert f"{row.energy_error_ev_atom:.1e} eV an atom" in row.reason


@pytest.mark.slow
def test_a_wrong_python_variant_is_refused_too(tmp_path):
    request = few(tmp_path, variants="e3nn", rounds=1)
    (good,) = run(request, quiet).measurements
    assert good.status == "timed"
    assert good.kernel.startswith("e3nn")
    (wrong,) = run(with_commands(request, e3nn=WRONG), quiet).measurements
    assert wrong.status == "refused"
    assert wrong.loop_s == ()


def test_double_precision_has_a_sharper_gate(tmp_path):
    """What passes in single precision does not in double."""
    slightly = ("fix wrong all addforce 1e-5 0.0 0.0",)
    request = with_commands(few(tmp_path, precision="single,double"), native=slightly)
    found = {m.precision: m.status for m in run(request, quiet).measurements}
    assert found == {"single": "timed", "double": "refused"}


@pytest.mark.alone
def test_a_slowed_variant_is_caught_by_compare(tmp_path):
    request = few(tmp_path, steps=20, repeats=3, rounds=3, sizes="128,256,512")
    from mdbench.scaling.files import write_files  # noqa: PLC0415

    write_files(run(request, quiet), tmp_path / "fast")
    write_files(run(with_commands(request, native=SLOW), quiet), tmp_path / "slow")
    fast, slow = (rows(tmp_path / name)[-1].median_ms for name in ("fast", "slow"))
    assert slow > 1.3 * fast
    code, out, err = mdbench("compare", tmp_path / "fast", tmp_path / "slow")
    assert code == 1, out + err
    assert mdbench("compare", tmp_path / "fast", tmp_path / "fast")[0] == 0


# What goes wrong

@pytest.mark.parametrize(
    ("fault", "text"),
    [("echo something is wrong; exit 7", "exit code 7: something is wrong"),
     ("kill -9 $$", "killed by SIGKILL")],
)
def test_a_worker_that_dies_is_a_row_with_its_reason(fault, text, tmp_path, monkeypatch):
    for name, value in lmp_with(tmp_path, fault).items():
        monkeypatch.setenv(name, value)
    (row,) = run(few(tmp_path), quiet).measurements
    assert row.status == "failed"
    assert text in row.reason
    monkeypatch.delenv("MDBENCH_LMP")
    (row,) = run(few(tmp_path), quiet).measurements
    assert row.status == "timed", "what failed is tried again"


def test_serial_copies_are_not_timed_as_ranks(tmp_path, monkeypatch):
    """An mpiexec of another MPI library starts them."""
    monkeypatch.setattr("mdbench.scaling.options.cores", lambda: 2)
    for name, value in foreign_mpiexec(tmp_path).items():
        monkeypatch.setenv(name, value)
    result = run(few(tmp_path, mpi="strong", threads=None), quiet)
    status = {m.ranks: (m.status, m.reason) for m in result.measurements}
    assert status[1][0] == "timed"
    assert status[2][0] == "unavailable"
    assert "LAMMPS runs on 1 MPI rank(s) instead of 2" in status[2][1]


def test_an_error_of_lammps_before_it_starts_makes_a_variant_unavailable(tmp_path):
    request = with_commands(few(tmp_path, sizes="128,256"), native=("pair_style absent",))
    (row,) = run(request, quiet).measurements
    assert row.status == "unavailable"
    assert row.atoms is None
    assert "absent" in row.reason


def test_an_error_at_one_size_stops_no_other(tmp_path, monkeypatch):
    """A later process that finds no memory before its first forces says nothing of other sizes."""
    real = worker.run

    def run_or_fail(job, *arguments):
        if job.start.num_atoms == 256:
            return worker.Outcome("failed", "out of memory", is_clean=True)
        return real(job, *arguments)

    monkeypatch.setattr(worker, "run", run_or_fail)
    found = {r.atoms: r for r in run(few(tmp_path, sizes="128,256,512"), quiet).measurements}
    assert {n: r.status for n, r in found.items()} == {128: "timed", 256: "failed", 512: "timed"}
    assert found[256].reason == "out of memory"


def test_max_atoms_ends_with_an_error_of_memory(tmp_path, monkeypatch):
    real = worker.run

    def run_or_fail(job, *arguments):
        if job.start.num_atoms > 300:
            return worker.Outcome("failed", "out of memory", is_clean=True)
        return real(job, *arguments)

    monkeypatch.setattr(worker, "run", run_or_fail)
    result = run(few(tmp_path, max_atoms=True, steps=None, repeats=None, sizes=None), quiet)
    (probe,) = result.probes
    assert probe.reason == "out of memory" and probe.next_atoms > 300 > probe.largest_atoms
    assert {m.status for m in result.measurements} == {"timed"}


def test_paths_with_blanks(tmp_path):
    folder = tmp_path / "a folder with blanks"
    model = folder / "my model.mace"
    folder.mkdir()
    shutil.copy(models.bundled().with_suffix(".mace"), model)
    (row,) = run(few(tmp_path, output=folder / "out put", model=model, steps=None), quiet).measurements
    assert row.status == "timed", row.reason


@pytest.mark.parametrize("change", [("MDBENCH_ISA", "baseline"), ("MDBENCH_LMP", str(BIN / "lmp"))])
def test_other_kernels_start_anew(change, tmp_path, monkeypatch):
    run(few(tmp_path), quiet)
    said = []
    monkeypatch.setenv(*change)
    run(few(tmp_path), said.append)
    assert any("starting anew" in line for line in said)


def finished(folder):
    return {p.name: p.stat().st_mtime_ns for p in (folder / "work/cells").glob("*.json")}


def test_killed_half_way_it_goes_on_and_measures_nothing_twice(tmp_path):
    arguments = ["scaling", *FEW, "--sizes", "128,256,512", "--variants", "native,torchscript",
                 "-o", tmp_path / "out"]
    process = start(*arguments)
    wait_for(process, lambda: len(finished(tmp_path / "out")) >= 2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = finished(tmp_path / "out")
    assert 2 <= len(before) < 6
    assert not (tmp_path / "out/result.json").exists()
    code, out, err = mdbench(*arguments)
    assert code == 0, out + err
    assert out.count(": finished before") == len(before)
    after = finished(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    assert len(rows(tmp_path / "out")) == 6
    code, out, _ = mdbench(*arguments)
    assert out.count(": finished before") == 6
    assert finished(tmp_path / "out") == after


def test_a_changed_request_starts_anew(tmp_path):
    said = []
    run(few(tmp_path), quiet)
    before = finished(tmp_path / "out")
    folder = os.open(tmp_path / "out/work/cells", os.O_RDONLY)
    (row,) = run(few(tmp_path, steps=4), said.append).measurements
    assert os.fstat(folder).st_nlink  # the same folder: at no moment is there none
    os.close(folder)
    assert row.steps == 4
    assert any("starting anew" in line for line in said)
    assert finished(tmp_path / "out") != before


def test_time_limit_skips_what_does_not_fit(tmp_path):
    code, _, err = mdbench("scaling", *FEW, "--sizes", "128,256,512", "--variants", "native",
                           "--time-limit", "0.01 s", "-o", tmp_path / "out")
    first, *others = rows(tmp_path / "out")
    assert code == (0 if first.status == "timed" else 1), err
    assert [r.status for r in others] == ["skipped", "skipped"]
    assert "time limit" in others[0].reason


@pytest.mark.parametrize(("step_s", "wall_s", "need_s"), [
    (0.01, 60.0, 60.7),  # 0.08 s a step: fewer steps in much the same time
    (0.2, 66.0, 106.6),  # 1.6 s a step, which took the least number of steps before
])
def test_a_size_is_left_out_by_its_steps_not_by_its_start(step_s, wall_s, need_s, tmp_path):
    request = few(tmp_path, sizes="128,1024", quick=False, steps=None, repeats=3,
                  time_limit="1000 s")
    forms = models.Forms(models.bundled(), "", {"mace": Path("x")})
    plan = make_plan(request, base_cell(request.system), forms)
    small, large = plan.cells
    assert large.size.atoms == 8 * small.size.atoms
    path = request.work / "cells" / f"{small.key}.0.json"
    path.parent.mkdir(parents=True)
    found = {"status": "timed", "steps": 5, "loop_s": [5 * step_s] * 3, "wall_s": wall_s}
    path.write_text(json.dumps(found))

    def reason(limit_s):
        limited = dataclasses.replace(request, time_limit_s=limit_s)
        bench = Bench(limited, None, None, forms, 0)
        assert bench.measured(small, 0).step_s == step_s
        return bench.reason_to_skip(large)

    assert reason(need_s + 1) == ""
    assert re.match(rf"it would take some {need_s:.0f} s of the \d+ s left", reason(need_s - 1))


def test_later_rounds_warm_up_as_long_as_the_first():
    """They are told the steps that the first found; as many before them get a processor going."""
    timing = make_request(Options(repeats=3)).timing
    for steps, warm in ((7, 10), (100, 50), (401, 201)):
        told = timing.with_steps(steps)
        assert (told.steps, told.warmup_steps) == (steps, warm)


def test_seconds_of_a_process_are_those_of_its_steps():
    timing = make_request(Options(repeats=3)).timing
    assert (timing.warmup_steps, timing.least_steps, timing.target_s) == (10, 5, 1.0)
    assert timing.seconds(2.0) == 2 * (4 + 10 + 3 * 5)
    assert timing.seconds(0.01) == pytest.approx(0.01 * (4 + 50 + 3 * 100))
    assert timing.seconds(1e-6) == pytest.approx(1e-6 * (4 + 10_000 + 3 * 20_000))
    assert dataclasses.replace(timing, steps=7).seconds(2.0) == 2 * (4 + 10 + 3 * 7)


def test_max_atoms_ends_where_memory_does(tmp_path):
    said = []
    request = few(tmp_path, max_atoms=True, memory_limit="60 MiB", steps=None, repeats=None,
                  sizes=None)
    result = run(request, said.append)
    (probe,) = result.probes
    assert probe.largest_atoms >= 256  # two sizes before memory can be told
    assert probe.next_atoms > probe.largest_atoms
    assert "memory" in probe.reason
    assert any(f"{probe.largest_atoms:,} atoms" in line for line in said)
    assert result.measurements[-1].status == "skipped"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
@pytest.mark.parametrize(("kind", "atoms"), [("strong", [256, 256]), ("weak", [256, 512])])
def test_mpi(kind, atoms, tmp_path, monkeypatch):
    monkeypatch.setattr("mdbench.scaling.options.cores", lambda: 2)
    request = few(tmp_path, mpi=kind, threads=None, sizes="256", precision="double")
    assert [s.ranks for s in request.settings] == [1, 2]
    found = {r.ranks: r for r in run(request, quiet).measurements}
    assert [found[n].atoms for n in (1, 2)] == atoms
    assert all(found[n].status == "timed" for n in (1, 2))
    assert all(found[n].force_error_ev_ang < 1e-7 for n in (1, 2))


def test_a_native_file_alone_says_what_the_others_need(tmp_path):
    mine = tmp_path / "mine.mace"
    mine.write_bytes(models.bundled().with_suffix(".mace").read_bytes())
    result = run(few(tmp_path, variants="native,torchscript", model=mine), quiet)
    found = {r.variant: r for r in result.measurements}
    assert found["native"].status == "timed"
    assert found["torchscript"].status == "unavailable"
    assert "give the *.model file" in found["torchscript"].reason


def test_two_at_once_do_not_share_a_folder(tmp_path):
    arguments = ["scaling", *FEW, "--sizes", "2048", "--steps", "2000", "--variants", "native",
                 "-o", tmp_path / "out"]
    first = start(*arguments)
    try:
        wait_for(first, (tmp_path / "out/work/run").exists)
        code, _, err = mdbench(*arguments)
        assert code == 1
        assert "another process is running" in err
    finally:
        first.kill()
        first.communicate()


@pytest.mark.slow
def test_hea_with_random_weights(tmp_path):
    arguments = ["scaling", *FEW[1:], "--system", "hea", "--random-weights", "small", "--sizes", "54",
                 "-o", tmp_path / "out", "--variants", "native,torchscript"]
    code, out, err = mdbench(*arguments)
    assert code == 0, out + err
    result = read_result(tmp_path / "out/result.json")
    assert result.system.model.random_weights
    assert {r.status for r in result.measurements} == {"timed"}
    assert "mace-torch" in result.protocol.reference
    assert json.loads((tmp_path / "out/work/request.json").read_text())["model"] == "random small"


@pytest.mark.slow
@pytest.mark.alone
def test_quick_takes_less_than_two_minutes(tmp_path):
    began = time.monotonic()
    code, out, err = mdbench("scaling", "--quick", "-o", tmp_path / "out")
    assert code == 0, out + err
    assert time.monotonic() - began < 120
    result = read_result(tmp_path / "out/result.json")
    assert {m.status for m in result.measurements} <= {"timed", "skipped", "unavailable"}
    assert len(result.timed) == 8, "on an idle machine nothing is skipped"
    assert result.fits is not None
