"""Write reference.inc, the reference data of D3 as integers, from those of torch-dftd.

`python convert_reference.py [dftd3_params.npz]`; without a file, that of the installed torch_dftd.
What is written is read back and compared with the source before the file is replaced.
"""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BOHR = 0.52917726  # Angstrom; what the source was converted with
ELEMENTS = 94
HEADER = """\
// Reference data of D3: S. Grimme, J. Antony, S. Ehrlich, H. Krieg, J. Chem. Phys. 132, 154104
// (2010), doi 10.1063/1.3382344, for hydrogen to plutonium.
// Written by convert_reference.py from torch_dftd/nn/params/dftd3_params.npz of torch-dftd,
// Copyright (c) 2021 Preferred Networks, Inc., MIT licence: LICENSE.torch-dftd. Do not edit.
"""
COMMENTS = {
    "kNumReferences": "reference systems of each element",
    "kReferenceCn": "coordination numbers of the reference systems of all elements, 1e-4",
    "kC6": "C6 of pairs of them, lower triangle by rows, 1e-4 Hartree Bohr^6",
    "kCovalentRadius": "covalent radii, 1e-2 Angstrom",
    "kCutoffRadius": "cutoff radii R0 of pairs of elements, lower triangle by rows, 1e-4 Angstrom",
    "kSqrtQ": "sqrt(Q) of each element",
}

Tables = dict[str, NDArray[np.int32] | NDArray[np.float32]]


def source_file() -> Path:
    """Find the data of the installed torch_dftd, without importing it."""
    found = importlib.util.find_spec("torch_dftd")
    if found is None or not found.submodule_search_locations:
        sys.exit("torch_dftd is not installed: name its file dftd3_params.npz")
    return Path(found.submodule_search_locations[0]) / "nn/params/dftd3_params.npz"


def integers(values: NDArray[np.floating], step: float, tolerance: float) -> NDArray[np.int32]:
    """Multiples of a step; stops where the values are none."""
    counts = np.rint(values / step)
    worst = np.abs(counts * step - values).max()
    if worst > tolerance:
        sys.exit(f"values are off the multiples of {step} by {worst:.3g}: another data set?")
    return counts.astype(np.int32)


def references(c6ab: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Element and place of each reference system; stops unless all pairs of them are given."""
    c6 = c6ab[1:, 1:, :, :, 0]
    given = (c6 > 0).any(axis=(1, 3))
    z, a = np.nonzero(given)
    complete = given[:, None, :, None] & given[None, :, None, :]
    if not np.array_equal(c6 > 0, complete) or (np.diff(given.astype(int), axis=1) > 0).any():
        sys.exit("the C6 of some pairs of reference systems are missing")
    return z + 1, a


def tables(source: Path) -> Tables:
    """Integers from the source, after checks of its symmetry and completeness."""
    data = np.load(source)
    z, a = references(data["c6ab"])
    pairs = data["c6ab"][z[:, None], z[None, :], a[:, None], a[None, :]]
    c6, cn, cn_partner = np.moveaxis(pairs, -1, 0)
    if not np.array_equal(c6, c6.T) or not np.array_equal(cn, cn_partner.T):
        sys.exit("the C6 are not symmetric")
    if (cn != cn[:, :1]).any():
        sys.exit("the coordination number of a reference system depends on its partner")
    radii = data["r0ab"][1:, 1:]
    if not np.array_equal(radii, radii.T):
        sys.exit("the cutoff radii are not symmetric")
    return {
        "kNumReferences": np.bincount(z, minlength=ELEMENTS + 1)[1:].astype(np.int32),
        "kReferenceCn": integers(cn[:, 0], 1e-4, 1e-10),
        "kC6": integers(c6[np.tril_indices(len(z))], 1e-4, 1e-8),
        "kCovalentRadius": integers(data["rcov"][1:] * (0.75 * BOHR), 1e-2, 1e-6),
        "kCutoffRadius": integers(radii[np.tril_indices(ELEMENTS)] * BOHR, 1e-4, 1e-6),
        "kSqrtQ": data["r2r4"][1:].astype(np.float32),
    }


def wrapped(numbers: list[str], width: int = 100) -> str:
    """Numbers in lines of at most `width` characters."""
    lines, length = [[]], 0
    for number in numbers:
        length += len(number) + 1
        if length > width:
            lines.append([])
            length = len(number) + 1
        lines[-1].append(number)
    return ",\n".join(",".join(line) for line in lines)


def text_of(values: Tables) -> str:
    """Contents of reference.inc."""
    parts = [HEADER]
    for name, column in values.items():
        real = column.dtype == np.float32
        # the shortest digits that give the same float32
        digits = [np.format_float_positional(v, unique=True) if real else str(v) for v in column]
        kind = "double" if real else "std::int32_t"
        parts.append(f"// {COMMENTS[name]}\n"
                     f"constexpr {kind} {name}[{len(digits)}] = {{\n{wrapped(digits)}}};\n")
    return "".join(parts)


def read_back(text: str) -> Tables:
    """Tables of a reference.inc."""
    found = re.findall(r"constexpr (\S+) (\w+)\[(\d+)\] = \{([^}]*)\};", text)
    result: Tables = {}
    for kind, name, size, body in found:
        dtype = np.float32 if kind == "double" else np.int32
        result[name] = np.array([dtype(word) for word in body.split(",")], dtype)
        if len(result[name]) != int(size):
            sys.exit(f"{name} has {len(result[name])} numbers, not {size}")
    return result


def main() -> None:
    """Convert, check and write."""
    values = tables(Path(sys.argv[1]) if sys.argv[1:] else source_file())
    text = text_of(values)
    again = read_back(text)
    if again.keys() != values.keys() or any((again[k] != values[k]).any() for k in values):
        sys.exit("the tables do not survive the writing")
    Path(__file__).with_name("reference.inc").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
