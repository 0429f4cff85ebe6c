#!/usr/bin/env bash
# Builds and tests the CUDA evaluator on a machine with a Hopper GPU (H100, H200), nvcc and CMake:
#   OUT=folder bash benchmarks/gpu_session.sh
# It compiles for sm_90 alone, runs mdbench_cuda_tests on the GPU, then under compute-sanitizer
# (memory, races, barriers) and Nsight Compute where these are installed. A step that fails does
# not stop the next. $OUT gets summary.txt, printed last, and all logs as logs.tar.gz.
# Where ./.gpu/setup.sh is (LAMMPS and MPICH packed for a machine without a network), it is run
# first; without LAMMPS the tests are built all the same.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
OUT=${OUT:-build/gpu_session}
BUILD=${BUILD:-build/gpu}
SITE=/tmp/site
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
            -DMDBENCH_MPI_INCLUDE_DIR="$SITE/mpich/include")
  else  # only to configure: the plugin is not built
    mkdir -p "$LOGS/no_lammps"
    touch "$LOGS/no_lammps/pair.h" "$LOGS/no_lammps/mpi.h"
    lammps=(-DMDBENCH_LAMMPS_INCLUDE_DIR="$LOGS/no_lammps" -DMDBENCH_MPI_INCLUDE_DIR="$LOGS/no_lammps")
  fi
  cmake -S . -B "$BUILD" -DPython_EXECUTABLE="$(command -v python3)" -DMDBENCH_CUDA=ON \
    -DMDBENCH_CUDA_ARCHITECTURES=90-real -DMDBENCH_TESTS=ON -DMDBENCH_TORCH=OFF \
    -DMDBENCH_PYTHON=OFF "${lammps[@]}"
}

sanitize() {
  compute-sanitizer --tool "$1" --error-exitcode 9 --report-api-errors no "$BUILD/mdbench_cuda_tests"
}

profile() {
  ncu --clock-control none --launch-count 200 --csv \
    --metrics gpu__time_duration.sum,launch__registers_per_thread,sm__warps_active.avg.pct_of_peak_sustained_active \
    "$BUILD/mdbench_cuda_tests"
}

export BUILD
export -f sanitize profile
nvidia-smi > "$LOGS/device.log" 2>&1
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader >> "$OUT/summary.txt" 2>&1
have nvcc && nvcc --version | tail -2 | head -1 >> "$OUT/summary.txt"
if [ -e .gpu/setup.sh ]; then
  step packages 120 bash .gpu/setup.sh
  export PYTHONPATH=$SITE PATH=$SITE/bin:$PATH LD_LIBRARY_PATH=$SITE/mpich/lib:${LD_LIBRARY_PATH:-}
fi
configure > "$LOGS/configure.log" 2>&1 || echo "configure FAILED" >> "$OUT/summary.txt"
if step build 400 cmake --build "$BUILD" -j "$(nproc)" --target mdbench_cuda_tests mdbench_native_cuda; then
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
tar czf "$OUT/logs.tar.gz" -C "$LOGS" . && rm -rf "$LOGS"
echo
cat "$OUT/summary.txt"
