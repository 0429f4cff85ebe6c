"""How RBMD finds its way through a data file: by words in lines, head first.

Neither release can be built here, so that this stands for them: written from what their documents
and behaviour say of the format, not from their code. It is as careless as they are, which is the
point: a title with the word "atoms" in it, a count behind the box or an id that is missing would
go wrong here as it does there.
"""

from dataclasses import dataclass, field

HEAD = ["atoms", "bonds", "angles", "dihedrals", "impropers", "atom types", "bond types",
        "angle types", "dihedral types", "improper types"]
COEFFICIENTS = {"Pair Coeffs": "atom types", "Bond Coeffs": "bond types", "Angle Coeffs": "angle types",
                "Dihedral Coeffs": "dihedral types", "Improper Coeffs": "improper types"}
TERMS = {"Bonds": "bonds", "Angles": "angles", "Dihedrals": "dihedrals", "Impropers": "impropers"}
COLUMNS = {"atomic": 5, "charge": 6, "full": 7}


@dataclass
class AsRbmdReadsIt:
    """Numbers by the places where RBMD puts them."""

    counts: dict = field(default_factory=lambda: dict.fromkeys(HEAD, 0))
    box: dict = field(default_factory=dict)
    sections: dict = field(default_factory=dict)


def read_as_rbmd(path, atom_style, *, has_impropers):
    """Read a data file as RBMD does; only rbmd-2.0 knows impropers."""
    lines = iter(path.read_text().split("\n"))
    found = AsRbmdReadsIt()
    for line in lines:
        if not line.strip():
            continue
        for word in HEAD:  # in this order, the first that is in the line
            if word in line:
                found.counts[word] = int(line.split()[0])
                break
        for axis in "xyz":
            if f"{axis}lo {axis}hi" in line:
                found.box[axis] = tuple(float(w) for w in line.split()[:2])
        if "zlo zhi" in line:
            break

    def take(count, width):
        rows = []
        while len(rows) < count:
            line = next(lines)
            if line.strip():
                words = line.split()
                assert len(words) >= width, line
                rows.append([float(w) for w in words[:width]])
        return rows

    skipped = set() if has_impropers else {"Improper Coeffs", "Impropers"}
    for line in lines:
        if not line.strip():
            continue
        name = next((n for n in ("Masses", *COEFFICIENTS, "Atoms", *TERMS, "Velocities") if n in line), None)
        assert name is not None, f"RBMD would pass over {line!r}"
        assert name not in skipped, f"rbmd-2.2 knows no {name}"
        if name == "Masses":
            rows = take(found.counts["atom types"], 2)
        elif name in COEFFICIENTS:
            width = {"Pair Coeffs": 3, "Bond Coeffs": 3, "Angle Coeffs": 3}.get(name, 4)
            rows = take(found.counts[COEFFICIENTS[name]], width)
        elif name == "Atoms":
            rows = take(found.counts["atoms"], COLUMNS[atom_style])
        elif name == "Velocities":
            rows = take(found.counts["atoms"], 4)
        else:
            rows = take(found.counts[TERMS[name]], 4 if name == "Bonds" else 5 if name == "Angles" else 6)
        assert [int(r[0]) for r in rows] == list(range(1, len(rows) + 1)), f"ids of {name} are places in RBMD"
        found.sections[name] = rows
    return found
