#!/usr/bin/env bash
# Builds, tests and times the CUDA evaluator on a machine with a Hopper GPU (H100, H200) and nvcc:
#   OUT=folder PARTS="build tests" bash benchmarks/gpu_session.sh
# A step that fails or lasts too long does not stop the next; all end within DEADLINE seconds. $OUT gets
# log.txt and results while they are made, and summary.txt, printed last. The folders of one call are
# there for the next.
#
# PARTS, done in the order in which they are named; `build` comes by itself where it has not been:
#   build     the tests, the library and the package, for sm_90 alone; always first
#   tests     mdbench_cuda_tests on the GPU (once more where one fails, each in a process of its own),
#             and LAMMPS with the library against `device cpu`
#   kernels   cuda_kernels.py: a step, its kernels, errors in single, double and mixed precision
#   memcheck  the tests under compute-sanitizer's memcheck
#   scaling   `mdbench scaling` of VARIANTS: the native evaluator, cuEquivariance, plain mace-torch
#   memory    gpu_session_memory.py: 13 million atoms, or what the memory holds
#   profile   gpu_session_profile.py: Nsight Compute on the kernels of a step
#   nve       gpu_session_nve.py: drift of the energy over 100 ps
#   races     the tests under compute-sanitizer's racecheck, synccheck and initcheck
#   fastmace  gpu_session_fastmace.py: FastMACE on the same cells, where it is installed
# $PACKAGES/setup.sh puts packages that a machine without a network lacks into $SITE: LAMMPS, MPICH,
# mace-torch, cuEquivariance, ASE, matscipy, pydantic; peers (gpu_bundle.sh packs them). Without it
# only the C++ tests are run. GPU_SESSION_CUDA=EMULATE tries the script without a GPU.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export OUT=${OUT:-$PWD/build/gpu_session}
PARTS=${PARTS:-build tests kernels memcheck scaling memory profile nve races fastmace}
export BUILD=${BUILD:-$PWD/build/gpu}
PACKAGES=${PACKAGES:-.gpu}  # a folder here
SITE=${SITE:-/tmp/site}
SIZES=${SIZES:-128 372 1038 2976 24000}
DEADLINE=${DEADLINE:-570}
export PYTHONUNBUFFERED=1 PATH=$PATH:/usr/local/cuda/bin
for folder in /opt/nvidia/nsight-compute/*/; do PATH=$PATH:$folder; done
mkdir -p "$OUT" "$BUILD"
: > "$OUT/summary.txt"

wanted() { [[ " $PARTS " == *" $1 "* ]]; }
have() { command -v "$1" > /dev/null; }
note() { printf '%-18s %s\n' "$1" "$2" >> "$OUT/summary.txt"; }

left() { echo $((DEADLINE - SECONDS)); }
# In $SITE: what the package needs is all there.
complete() { [ -e "$SITE/lammps/include/lammps/pair.h" ] && [ -e "$SITE/mpich/include/mpi.h" ]; }

# step NAME SECONDS COMMAND...: runs it for so long at most, notes the outcome and its last error
step() {
  local name=$1 limit=$2 begin=$SECONDS outcome=ok log status
  shift 2
  log=$BUILD/$name.log
  rm -f "$log"
  [ "$limit" -le "$(left)" ] || limit=$(left)
  [ "$limit" -ge 15 ] || { note "$name" "left out: no time"; return 1; }
  echo "=== $name" >> "$OUT/log.txt"
  timeout -k 10 "$limit" "$@" 2>&1 | tee -p "$log" | stdbuf -o0 head -c 1500000 >> "$OUT/log.txt"
  status=${PIPESTATUS[0]}
  [ "$status" -eq 0 ] || outcome="FAILED ($status)"
  printf '%-18s %-13s %5d s  %s\n' "$name" "$outcome" $((SECONDS - begin)) \
    "$(grep -aE 'tests,|ERROR SUMMARY|RACECHECK SUMMARY|error:|Error' "$log" | tail -1 | cut -c1-150)" |
    tee -a "$OUT/summary.txt"
  return "$status"
}

# table NAME LINES: the end of what a step said
table() { [ ! -e "$BUILD/$1.log" ] || tail -n "$2" "$BUILD/$1.log" >> "$OUT/summary.txt"; }

# limit NAME BESIDES: shortens the limit of that name where no more time is left beside what its step
# takes besides
limit() { [ $((${!1} + $2)) -le "$(left)" ] || export "$1=$(($(left) - $2))"; }

configure() {
  local where=(-DMDBENCH_LAMMPS_INCLUDE_DIR="$SITE/lammps/include/lammps"
               -DMDBENCH_MPI_INCLUDE_DIR="$SITE/mpich/include" -DMDBENCH_PYTHON=ON)
  if ! complete; then  # only to configure: the plugin is not built
    mkdir -p "$BUILD/no_lammps"
    touch "$BUILD/no_lammps/pair.h" "$BUILD/no_lammps/mpi.h"
    where=(-DMDBENCH_LAMMPS_INCLUDE_DIR="$BUILD/no_lammps" -DMDBENCH_MPI_INCLUDE_DIR="$BUILD/no_lammps"
           -DMDBENCH_LAMMPS_VERSION=none -DMDBENCH_PYTHON=OFF)
  fi
  local generator=()
  have ninja && generator=(-G Ninja)
  cmake -S . -B "$BUILD" "${generator[@]}" -DPython_EXECUTABLE="$(command -v python3)" \
    -DMDBENCH_CUDA="${GPU_SESSION_CUDA:-ON}" -DMDBENCH_CUDA_ARCHITECTURES=90-real -DMDBENCH_TESTS=ON \
    -DMDBENCH_TORCH=OFF "${where[@]}" ||
    cmake -S . -B "$BUILD" -DMDBENCH_PYTHON=OFF  # without Python's headers: all but the binding
}

# build TARGETS...: one that fails does not stop the others
build() {
  local on=-k
  [ -e "$BUILD/build.ninja" ] && on="-k 0"
  # shellcheck disable=SC2086
  cmake --build "$BUILD" -j "$(nproc)" --target "$@" -- $on
}

# The model, while the compilers run, and the package as an installation would have it.
assemble() {
  local status=0
  # a model of the shape of MACE-MP-0b3 medium; random weights take the same time
  [ -e "$BUILD/medium.model" ] || python3 -W ignore tests/models/make_models.py "$BUILD" &
  build all mdbench_cuda_tests || status=1
  local package=$BUILD/package/mdbench
  rm -rf "$package"
  mkdir -p "$BUILD/package"
  cp -r python/mdbench "$BUILD/package/" && cp "$BUILD"/*.so "$package/" || return 1
  rm -rf "$package/models" "$package/cells"
  cp -r models/graphene-water "$package/models" && cp -r inputs "$package/cells" || return 1
  wait %1
  python3 -W ignore -m mdbench convert "$BUILD/medium.model" -o "$BUILD/medium.mace" --elements H,C,O &&
    return $status
}

# In LAMMPS: energies, forces and virials of a short run, one precision after the other.
lammps() {
  local status=0
  python3 benchmarks/gpu_session_nve.py "$BUILD/package/mdbench/models/graphene-water.mace" --compare ||
    status=1
  timeout --foreground 20 python3 -m mdbench doctor  # it also asks for what nothing here needs
  return $status
}

sanitize() {
  compute-sanitizer --tool "$1" --error-exitcode 9 --report-api-errors no "$BUILD/mdbench_cuda_tests"
}

kernels() {
  local script=benchmarks/cuda_kernels.py status=0
  # shellcheck disable=SC2086
  python3 $script "$BUILD/medium.mace" --sizes $SIZES --output "$OUT/kernels_single.json" || status=1
  for precision in double mixed; do
    # shellcheck disable=SC2086
    python3 $script "$BUILD/medium.mace" --sizes ${CHECKED:-128 2976} --steps 10 \
      --precision $precision --output "$OUT/kernels_$precision.json" || status=1
  done
  return $status
}

scaling() {
  local cuda
  cuda=$(python3 -c 'import nvidia.cu13 as n; print(list(n.__path__)[0] + "/lib")' 2> /dev/null)
  # Symmetrix-XL looks for the libraries that torch has
  [[ $VARIANTS == *symmetrix* ]] && export LD_LIBRARY_PATH=$cuda:$LD_LIBRARY_PATH
  python3 -W ignore -m mdbench scaling --random-weights medium --device cuda --variants "$VARIANTS" \
    --sizes "${SIZES// /,}" --rounds 1 --repeats 3 --time-limit "$LIMIT s" --memory-limit "100 GiB" -o "$TIMED"
}
# What was timed so far, where the whole was not finished. A folder for each list of variants, as
# benchmarks/scaling.py takes it.
save_scaling() {
  local to=$OUT/${TIMED##*/}
  mkdir -p "$to"
  cp "$TIMED/result.json" "$TIMED/scaling.png" "$to" || tar -czf "$to/cells.tar.gz" -C "$TIMED/work" cells
} 2>> "$OUT/log.txt"

export -f have complete configure build assemble lammps sanitize kernels scaling
export SITE SIZES PACKAGES VARIANTS=${VARIANTS:-native,cueq,e3nn} LIMIT=${LIMIT:-400} NVE_S=${NVE_S:-130}
export TIMED=$BUILD/scaling-${VARIANTS//,/-}
# while it is open, the driver need not start anew for each process
for device in /dev/nvidia[0-9]*; do [ -r "$device" ] && exec 9< "$device"; done
nvidia-smi >> "$OUT/log.txt" 2>&1
note commit "$(git rev-parse --short HEAD 2>&1 | tail -1), $(git status --short 2> /dev/null | wc -l) files changed"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >> "$OUT/summary.txt" 2>&1
if [ -e "$PACKAGES/setup.sh" ]; then
  [ -e "$SITE/$PACKAGES.done" ] || { step packages 120 bash "$PACKAGES/setup.sh" && touch "$SITE/$PACKAGES.done"; }
fi
if complete; then
  export PYTHONPATH=$BUILD/package:$SITE PATH=$SITE/bin:$SITE/mpich/bin:$PATH
  export LD_LIBRARY_PATH=$SITE/mpich/lib:${LD_LIBRARY_PATH:-}
fi
if wanted build || [ ! -e "$BUILD/mdbench_cuda_tests" ] || { complete && [ ! -e "$BUILD/medium.mace" ]; }; then
  step configure 120 bash -c configure
  if complete; then
    step build 480 bash -c assemble
  else
    step build 480 bash -c "build mdbench_cuda_tests mdbench_native_cuda"
  fi
fi

model=$BUILD/package/mdbench/models/graphene-water.mace medium=$BUILD/medium.mace
# part NAME: one of PARTS
part() {
  local tool
  case $1 in
    tests)
      step tests 120 "$BUILD/mdbench_cuda_tests" ||
        step tests_apart 150 "$BUILD/mdbench_cuda_tests" --apart
      complete && { step lammps 120 bash -c lammps; table lammps 8; } ;;
    memcheck) step memcheck 200 bash -c "sanitize memcheck" ;;
    races) for tool in racecheck synccheck initcheck; do step $tool 150 bash -c "sanitize $tool"; done ;;
    *) if complete; then timed "$1"; else note "$1" "needs $PACKAGES"; fi ;;
  esac
}

# timed NAME: one of PARTS that needs the package
timed() {
  local script=benchmarks/gpu_session_$1.py result=$OUT/$1.json
  case $1 in
    kernels) step kernels 240 bash -c kernels; table kernels 150 ;;
    scaling)
      limit LIMIT 100  # models, references, and what is said at the end
      step scaling $((LIMIT + 100)) bash -c scaling
      save_scaling
      table scaling 40 ;;
    memory) step memory 200 python3 "$script" "$medium" --output "$result"; table memory 4 ;;
    profile) step profile 240 python3 "$script" "$medium" --output "$result"; table profile 60 ;;
    nve)
      limit NVE_S 40  # LAMMPS ends by itself, so that nothing is lost
      step nve $((NVE_S + 40)) python3 "$script" "$model" --limit-s "$NVE_S" --precisions single \
        --output "$result"
      table nve 4 ;;
    fastmace)
      step fastmace 300 python3 "$script" "$BUILD/medium.model" --output "$result"
      table fastmace 4 ;;
    *) note "$1" "is none of the parts" ;;
  esac
}

for tool in compute-sanitizer ncu; do have $tool || note $tool "is not here"; done
for name in $PARTS; do
  [ "$name" = build ] || part "$name"
done
echo
cat "$OUT/summary.txt"
