"""Wrong use gets one line that says what, where and what to do."""

import functools
import random
import shutil
import subprocess
import sys
import time
import zipfile

import pytest
import torch
from support import BUNDLED, BUNDLED_LAMMPS, SPECIES, carbon_crystal, message, run_lmp

from mdbench.engine import boxed, load_structure, open_lammps

MODEL = str(BUNDLED_LAMMPS)


def usual(style="", coeff=f"* * {MODEL} C O H", more=""):
    return f"pair_style mace {style}\npair_coeff {coeff}\n{more}\nrun 0"


PAIR_ARGUMENTS = {
    "unknown keyword": (usual("no_domain_composition"), "did you mean 'no_domain_decomposition'"),
    "misspelt keyword": (usual("presicion double"), "did you mean 'precision'"),
    "missing value": (usual("precision"), "'precision' needs a value"),
    "wrong value": (usual("precision dubble"), "did you mean 'double'"),
    "mixed precision": (usual("precision mixed"), "say 'precision single' or 'double'"),
    "native evaluator": (usual("evaluator native"), "evaluator native reads *.mace files"),
    "both decompositions": (usual("domain_decomposition no_domain_decomposition"), "either"),
    "unknown head": (usual("head pbe0"), "has no head 'pbe0': it has Default"),
    "short hash": (usual("sha256 abc"), "sha256sum"),
    "wrong hash": (usual("sha256 " + 64 * "0"), "it is another or a damaged file"),
    "unknown element": (usual(coeff=f"* * {MODEL} C O Hx"), "'Hx' is not a chemical element"),
    "element the model lacks": (usual(coeff=f"* * {MODEL} C O Fe"), "does not know element Fe"),
    "too few elements": (usual(coeff=f"* * {MODEL} C O"), "names 2 element(s)"),
    "too many elements": (usual(coeff=f"* * {MODEL} C O H H"), "names 4 element(s)"),
    "types not * *": (usual(coeff=f"1 1 {MODEL} C O H"), "* *"),
    "no file": (usual(coeff="* *"), "pair_coeff * * FILE"),
    "repeated pair_coeff": (
        usual(more=f"pair_coeff * * {MODEL} C O H"), "give pair_style mace again first",
    ),
    "wrong order of elements": (usual(coeff=f"* * {MODEL} C H O"), "mass is that of O"),
    "no pair_coeff the second time": (
        usual(more="run 0\npair_style mace precision double"), "pair coeffs are not set"),
    "pairs for another style": (
        f"pair_style hybrid mace lj/cut 3\npair_coeff * * mace {MODEL} C O H\n"
        "pair_coeff 1 2 lj/cut 0.1 1\nrun 0",
        "atom types 1 and 2, and a later pair_coeff gives their pairs to another style"),
    "pairs of one type for another": (
        f"pair_style hybrid mace lj/cut 3\npair_coeff * * mace {MODEL} C O H\npair_coeff 2 3 none\n"
        "pair_coeff 1 1 lj/cut 0.1 1\nrun 0", "atom types 1 and 1, and a later pair_coeff"),
    "no pair_coeff": ("pair_style mace\nrun 0", "pair coeffs are not set"),
    "unknown device": (usual("device gpu"), "did you mean 'cpu'"),
    "device number": (usual("device cuda:x"), "is none of cpu, cuda, cuda:N"),
    "memory that is no number": (usual("workspace 2GB"), "workspace takes a positive number of MB"),
    "neither yes nor no": (usual("deterministic maybe"), "not a value of 'deterministic'"),
}


@pytest.mark.parametrize("case", PAIR_ARGUMENTS)
def test_pair_arguments(case):
    commands, expected = PAIR_ARGUMENTS[case]
    assert expected in message(commands)


ENVIRONMENT = {
    "units": ("", "units lj", "units metal or real, not 'lj'"),
    "newton": ("", "newton off", "needs 'newton on'"),
    "exclude": ("neigh_modify exclude type 1 2", "", "remove 'neigh_modify exclude'"),
    "fix gcmc": ("fix g all gcmc 1 20 0 1 777 300 -4.5 0.0 full_energy", "",
                 "fixes that use it, such as gcmc"),
    "include": ("group own type 2\natom_modify first own\nneigh_modify include own", "",
                "remove 'neigh_modify include'"),
    "no map": ("", "atom_modify map none", "add 'atom_modify map yes'"),
}


@pytest.mark.parametrize("case", ENVIRONMENT)
def test_environment(case, tmp_path):
    more, setup, expected = ENVIRONMENT[case]
    script = f"""units metal
atom_modify map yes
{setup}
region box block 0 9 0 9 0 9
create_box 3 box
create_atoms 2 single 4 4 4
mass 1 12.011
mass 2 15.999
mass 3 1.008
{usual(more=more)}
"""
    if case == "no map":
        script = script.replace("atom_modify map yes\natom_modify map none\n", "")
    start = time.monotonic()
    code, output = run_lmp(script, tmp_path)
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    assert code != 0
    assert len(errors) == 1
    assert expected in errors[0]
    assert time.monotonic() - start < 10


def test_a_line_may_come_again_corrected():
    """In a notebook, say, where LAMMPS goes on after an error."""
    lmp = open_lammps()
    load_structure(lmp, boxed(carbon_crystal(1), SPECIES))
    lmp.command("pair_style mace")
    for coefficients in (f"{MODEL}x C O H", f"{MODEL} C O Fe"):
        with pytest.raises(Exception, match="ERROR.*model file"):
            lmp.command(f"pair_coeff * * {coefficients}")
    lmp.commands_string(f"pair_coeff * * {MODEL} C O H\nrun 0")
    assert lmp.get_thermo("pe") < 0
    lmp.close()


def test_bonded_atoms_need_special_bonds(tmp_path):
    (tmp_path / "water.data").write_text("""water

3 atoms
3 atom types
2 bonds
1 bond types

0 9 xlo xhi
0 9 ylo yhi
0 9 zlo zhi

Masses

1 12.011
2 15.999
3 1.008

Atoms # bond

1 1 2 4.0 4.0 4.0
2 1 3 4.9 4.0 4.0
3 1 3 4.0 4.9 4.0

Bonds

1 1 1 2
2 1 1 3
""")
    script = "units metal\natom_style bond\natom_modify map yes\nread_data water.data\n{}\n"
    script += "bond_style zero\nbond_coeff *\n" + usual()
    code, output = run_lmp(script.format(""), tmp_path)
    assert code != 0
    assert "add 'special_bonds lj/coul 1 1 1'" in output
    code, output = run_lmp(script.format("special_bonds lj/coul 1 1 1"), tmp_path)
    assert code == 0, output


def test_absent_gpu_is_an_error_not_a_cpu_run():
    if torch.cuda.is_available():
        device, expected = f"cuda:{torch.cuda.device_count()}", "torch sees"
    else:
        device, expected = "cuda", "torch sees no GPU"
    assert expected in message(usual(f"device {device}"))


def damaged(kind, path):
    """Write a bad model file."""
    good = BUNDLED_LAMMPS.read_bytes()
    rng = random.Random(3)
    if kind == "missing":
        return "cannot open"
    if kind == "folder":
        path.mkdir()
        return "is a folder"
    if kind == "eager":
        shutil.copy(BUNDLED, path)
        return "mdbench convert"
    if kind == "state_dict":
        torch.save({"weights": torch.ones(3)}, path)
        return "dictionary of weights"
    if kind == "other TorchScript":
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
        return "was not made for LAMMPS"
    if kind == "NaN weight":
        module = torch.jit.load(str(BUNDLED_LAMMPS))
        next(module.parameters()).data.flatten()[0] = float("nan")
        module.save(str(path))
        return "not finite numbers"
    contents = {
        "empty": b"",
        "half": good[: len(good) // 2],
        "random": rng.randbytes(5000),
        "safetensors": (2).to_bytes(8, "little") + b"{}" + bytes(64),
    }
    path.write_bytes(contents[kind])
    return {
        "empty": "is empty",
        "half": "is damaged or cut off",
        "random": "not a model file that mdbench knows",
        "safetensors": "a safetensors file",
    }[kind]


KINDS = ["missing", "folder", "empty", "half", "random", "eager", "state_dict", "safetensors",
         "other TorchScript", "NaN weight"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_model_files(kind, tmp_path):
    path = tmp_path / "model.pt"
    expected = damaged(kind, path)
    line = message(usual(coeff=f"* * {path} C O H"))
    assert expected in line
    assert str(path) in line


def energy_with(path):
    """Energy with a model file, or LAMMPS's error text."""
    lmp = open_lammps()
    try:
        load_structure(lmp, boxed(carbon_crystal(1), SPECIES))
        lmp.commands_string(usual(coeff=f"* * {path} C O H"))
        return lmp.get_thermo("pe")
    except Exception as problem:  # noqa: BLE001 - LAMMPS raises bare exceptions
        return str(problem)
    finally:
        lmp.close()


def flipped(rng, low, high, path):
    contents = bytearray(BUNDLED_LAMMPS.read_bytes())
    contents[rng.randrange(low, high)] ^= 1 << rng.randrange(8)
    path.write_bytes(contents)
    return path


def test_flipped_bits_are_found_without_a_hash(tmp_path):
    """In any member, weights or code: refused. Elsewhere (padding): refused or without effect."""
    rng = random.Random(5)
    path = tmp_path / "flipped.pt"
    size = BUNDLED_LAMMPS.stat().st_size
    with zipfile.ZipFile(BUNDLED_LAMMPS) as archive:
        members = [m for m in archive.infolist() if m.compress_size > 0]
    for member in rng.sample(members, 40):
        with BUNDLED_LAMMPS.open("rb") as file:
            file.seek(member.header_offset + 26)
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
        start = member.header_offset + 30 + name + extra
        text = energy_with(flipped(rng, start, start + member.compress_size, path))
        assert isinstance(text, str), member.filename
        assert text.count("ERROR") == 1
    for _ in range(25):
        text = energy_with(flipped(rng, 0, size, path))
        assert isinstance(text, str) or text == expected_energy()


@functools.cache
def expected_energy():
    return energy_with(BUNDLED_LAMMPS)


def test_back_end_missing(tmp_path):
    """A plugin without its TorchScript part says so when a model is asked for, not before."""
    from mdbench import plugin_folder  # noqa: PLC0415

    shutil.copy(f"{plugin_folder()}/mdbenchplugin.so", tmp_path)
    program = (
        "import os, sys\n"
        "from mdbench.engine import boxed, load_structure\n"
        "import mdbench.engine as engine\n"
        "engine.plugin_folder = lambda: sys.argv[1]\n"
        "lmp = engine.open_lammps()\n"
        "print('libtorch' in open('/proc/self/maps').read())\n"
        "lmp.commands_string('units metal\\natom_modify map yes\\nregion b block 0 9 0 9 0 9\\n"
        "create_box 1 b\\nmass 1 12.0\\npair_style mace')\n"
        "lmp.command(f'pair_coeff * * {sys.argv[2]} C')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), MODEL],
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout.split()[0] == "False"  # torch is not loaded until a model needs it
    assert "TorchScript evaluator is not installed" in done.stderr
