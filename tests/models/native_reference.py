"""Native model files evaluated as plugin/evaluator/native/FORMAT.md says, slowly, in NumPy.

Every stage is kept, so that another evaluator can be compared with it stage by stage. What depends
on one edge alone (harmonics, radial functions, density, ZBL) is differentiated by a complex step,
exact to rounding; the rest has its reverse pass written out.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

STEP = 1e-30  # of the complex step: its square vanishes
ACTIVATION = {
    "silu": (lambda x: x / (1 + np.exp(-x)), lambda x: (1 + x / (1 + np.exp(x))) / (1 + np.exp(-x))),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
}


class NativeModel:
    """The content of a file."""

    def __init__(self, path: Path) -> None:
        content = Path(path).read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        self.metadata = json.loads(header.pop("__metadata__")["mdbench"])
        dtypes = {"F64": "<f8", "I32": "<i4"}
        self.tensors = {
            name: np.frombuffer(content[8 + size :][slice(*entry["data_offsets"])], dtypes[entry["dtype"]])
            .reshape(entry["shape"])
            for name, entry in header.items()
        }
        checksum = self.metadata["checksum"].encode()
        blank = content.replace(checksum, b"0" * 64, 1)
        self.checksum_holds = hashlib.sha256(blank).hexdigest().encode() == checksum

    def layer(self, t: int) -> dict[str, np.ndarray]:
        """Tensors of a layer, without its prefix."""
        start = f"layers.{t}."
        return {n[len(start):]: a for n, a in self.tensors.items() if n.startswith(start)}


@dataclass
class Stages:
    """Everything that an evaluation goes through; lists have one entry a layer."""

    Y: np.ndarray  # [edges, components]
    R: list[np.ndarray]  # [edges, paths, K]
    n: list[np.ndarray] = field(default_factory=list)  # [nodes]
    h: list[np.ndarray] = field(default_factory=list)  # [nodes, components, K]
    M: list[list[np.ndarray]] = field(default_factory=list)  # by path: [nodes, 2 l3 + 1, K]
    A: list[np.ndarray] = field(default_factory=list)  # [nodes, components, K]
    c: list[np.ndarray] = field(default_factory=list)  # [nodes, components, K]
    pre: list[np.ndarray | None] = field(default_factory=list)  # [nodes, neurons]
    readout: list[np.ndarray] = field(default_factory=list)  # [nodes], before the scale
    zbl: np.ndarray | None = None  # [nodes]
    energy: np.ndarray | None = None  # [nodes]
    edge_gradient: np.ndarray | None = None  # [edges, 3]


def harmonics(vector: np.ndarray, max_ell: int) -> np.ndarray:
    """[edges, components] real spherical harmonics of e3nn, component normalisation."""
    x, y, z = (vector / np.sqrt((vector**2).sum(1))[:, None]).T
    s = np.sqrt
    a, b = s(3) * x * z, s(3) / 2 * (z * z - x * x)
    q = x * x + z * z
    by_l = [
        [np.ones_like(x)],
        [x, y, z],
        [a, s(3) * x * y, y * y - q / 2, s(3) * y * z, b],
        [s(5 / 6) * (a * z + b * x), s(5) * a * y, s(3 / 8) * (4 * y * y - q) * x,
         y * (2 * y * y - 3 * q) / 2, s(3 / 8) * z * (4 * y * y - q), s(5) * b * y,
         s(5 / 6) * (b * z - a * x)],
    ]
    return np.stack([s(2 * l + 1) * f for l in range(max_ell + 1) for f in by_l[l]], axis=1)


def envelope(r: np.ndarray, cutoff: float | np.ndarray, p: int) -> np.ndarray:
    x = r / cutoff
    inside = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)
    return np.where(x.real < 1, inside, 0)


def basis(model: NativeModel, r: np.ndarray, zi: np.ndarray, zj: np.ndarray) -> np.ndarray:
    """[edges, B] the radial basis, with the cutoff if it is on the basis."""
    radial, t, y = model.metadata["radial"], model.tensors, r
    if radial["transform"] == "agnesi":
        q, p, a = t["radial.transform"]
        x = r / ((t["radial.radius"][zi] + t["radial.radius"][zj]) / 2)
        y = 1 / (1 + a * x**q / (1 + x ** (q - p)))
    elif radial["transform"] == "soft":
        r0 = t["radial.radius"][zi] + t["radial.radius"][zj]
        p0, p1 = 3 / 4 * r0, 4 / 3 * r0
        y = p0 + (r - p0) * (1 + np.tanh(t["radial.transform"][0] / (p1 - p0) * (r - (p0 + p1) / 2))) / 2
    w = t["radial.basis"]
    if radial["basis"] == "bessel":
        b = t["radial.prefactor"] * np.sin(w * y[:, None]) / y[:, None]
    elif radial["basis"] == "gaussian":
        b = np.exp(t["radial.prefactor"] * (y[:, None] - w) ** 2)
    else:
        b = np.stack([np.polynomial.chebyshev.chebval(y, np.eye(int(k) + 1)[-1]) for k in w], axis=1)
    if radial["cutoff_on"] == "basis":
        b = b * envelope(r, model.metadata["cutoff_ang"], radial["cutoff_p"])[:, None]
    return b


def repulsion(model: NativeModel, r: np.ndarray, zi: np.ndarray, zj: np.ndarray) -> np.ndarray:
    """[edges] the receiver's share of ZBL."""
    if model.metadata["zbl"] is None:
        return np.zeros_like(r)
    t, numbers = model.tensors, np.array(model.metadata["elements"], float)
    power, length = t["zbl.screening"]
    a = length * 0.529 / (numbers[zi] ** power + numbers[zj] ** power)
    screened = (t["zbl.c"] * np.exp(-t["zbl.d"] * (r / a)[:, None])).sum(1)
    both = envelope(r, t["zbl.radius"][zi] + t["zbl.radius"][zj], model.metadata["zbl"]["p"])
    return 14.3996 / 2 * numbers[zi] * numbers[zj] / r * screened * both


def edge_functions(model: NativeModel, vector: np.ndarray, zi: np.ndarray, zj: np.ndarray) -> list[np.ndarray]:
    """What depends on one edge alone: Y, ZBL, then R [edges, P * K] and D [edges] of each layer."""
    r = np.sqrt((vector**2).sum(1))
    b = basis(model, r, zi, zj)
    radial = model.metadata["radial"]
    cut = np.ones_like(r)
    if radial["cutoff_on"] == "weights":
        cut = envelope(r, model.metadata["cutoff_ang"], radial["cutoff_p"])
    out = [harmonics(vector, model.metadata["max_ell"]), repulsion(model, r, zi, zj)]
    for t, about in enumerate(model.metadata["layers"]):
        layer = model.layer(t)
        count = sum(bool(re.fullmatch(r"radial\.\d+", name)) for name in layer)
        x = b
        for i in range(count):
            x = x @ layer[f"radial.{i}"]
            x = ACTIVATION["silu"][0](x) if i < count - 1 else x
        out.append(x * cut[:, None])
        out.append(np.tanh((b @ layer["density"]) ** 2) * cut if about["density"] else np.zeros_like(r))
    return out


def of_element(matrix: np.ndarray, z: np.ndarray) -> np.ndarray:
    """[nodes, ...] of a tensor [1|N, ...]."""
    return matrix[np.zeros_like(z) if len(matrix) == 1 else z]


def part(l: int) -> slice:
    """Components of degree l."""
    return slice(l * l, (l + 1) ** 2)


class Evaluation:
    """One evaluation of a graph; ``stages`` holds the results."""

    def __init__(self, model: NativeModel, graph: Any, head: str | None = None) -> None:
        self.model, self.meta = model, model.metadata
        self.layers = [model.layer(t) for t in range(len(self.meta["layers"]))]
        self.head = self.meta["heads"].index(head or self.meta["head"] or self.meta["heads"][0])
        self.z = np.asarray(graph.species)
        self.sender = np.asarray(graph.sender)
        self.receiver = np.repeat(np.arange(len(self.z)), np.diff(graph.first_edge))
        self.vector = np.asarray(graph.edge_vector, float).reshape(-1, 3)
        self.local = np.arange(len(self.z)) < graph.num_local
        self.K = self.meta["channels"]
        self.C = [self.dense_coefficients(t) for t in range(len(self.layers))]
        self.forward()
        self.reverse()

    def edges(self, vector: np.ndarray) -> list[np.ndarray]:
        return edge_functions(self.model, vector, self.z[self.receiver], self.z[self.sender])

    def dense_coefficients(self, t: int) -> list[np.ndarray]:
        """By path: [2 l1 + 1, 2 l2 + 1, 2 l3 + 1]."""
        dense = [np.zeros([2 * l + 1 for l in path]) for path in self.meta["layers"][t]["paths"]]
        for (p, *m), value in zip(self.layers[t]["cg.index"], self.layers[t]["cg.value"], strict=True):
            dense[p][tuple(m)] += value
        return dense

    def add(self, per_edge: np.ndarray, where: np.ndarray) -> np.ndarray:
        """Sum over the edges of each node."""
        total = np.zeros((len(self.z), *per_edge.shape[1:]))
        np.add.at(total, where, per_edge)
        return total

    def forward(self) -> None:
        y, zbl, *rest = self.edges(self.vector)
        s = self.stages = Stages(y, [r.reshape(len(r), -1, self.K) for r in rest[::2]])
        s.zbl = self.add(zbl, self.receiver)
        for t, about in enumerate(self.meta["layers"]):
            s.h.append(self.features(t))
            s.n.append(1 + self.add(rest[2 * t + 1], self.receiver))
            s.M.append([
                self.add(np.einsum("abc,eak,eb,ek->eck", self.C[t][p], s.h[t][self.sender, part(l1)],
                                   y[:, part(l2)], s.R[t][:, p]), self.receiver)
                for p, (l1, l2, _) in enumerate(about["paths"])
            ])
            s.A.append(np.concatenate([
                np.concatenate([s.M[t][p] for p in self.paths_to(t, l)], axis=2)
                @ of_element(self.layers[t][f"linear.{l}"], self.z) / s.n[t][:, None, None]
                for l in range(self.meta["max_ell"] + 1)], axis=1))
            s.c.append(self.product(t))
            s.readout.append(self.read(t))
        tensors = self.model.tensors
        s.energy = (tensors["atomic_energies"][self.head, self.z] + tensors["shift"][self.head]
                    + tensors["scale"][self.head] * (s.zbl + sum(s.readout)))

    def paths_to(self, t: int, l: int) -> list[int]:
        return [p for p, path in enumerate(self.meta["layers"][t]["paths"]) if path[2] == l]

    def features(self, t: int) -> np.ndarray:
        if t == 0:
            return self.layers[0]["embedding"][self.z][:, None]
        h = np.zeros((len(self.z), (self.meta["layers"][t]["sender_l"] + 1) ** 2, self.K))
        for s, l, matrix in self.maps(t, "up"):
            h[:, part(l)] += self.stages.c[s][:, part(l)] @ matrix
        h[:, 0] += self.layers[t].get("up.bias", np.zeros((len(self.meta["elements"]), 1)))[self.z]
        return h

    def maps(self, t: int, name: str) -> list[tuple[int, int, np.ndarray]]:
        """(s, l, [nodes, in, out]) of the linear maps of earlier products."""
        names = [re.fullmatch(rf"{name}\.(\d+)(?:\.(\d+))?", n) for n in self.layers[t]]
        return [(int(m[1]), int(m[2] or 0), of_element(self.layers[t][m[0]], self.z)) for m in names if m]

    def monomials(self, t: int):
        """(component of c, components of A, u * weight [nodes, K]) of every entry."""
        for name in self.layers[t]:
            if found := re.fullmatch(r"product\.(\d)\.(\d)\.index", name):
                l, order = int(found[1]), int(found[2])
                start = f"product.{l}.{order}."
                weight = of_element(self.layers[t][start + "weight"], self.z)
                for row, u in zip(self.layers[t][name], self.layers[t][start + "value"], strict=True):
                    yield l * l + row[order], row[:order], u * weight[:, row[-1]]

    def product(self, t: int) -> np.ndarray:
        c = np.zeros((len(self.z), (self.meta["layers"][t]["output_l"] + 1) ** 2, self.K))
        for m, factors, weight in self.monomials(t):
            c[:, m] += weight * self.stages.A[t][:, factors].prod(1)
        return c

    def read(self, t: int) -> np.ndarray:
        kind, layer = self.meta["layers"][t]["readout"], self.layers[t]
        self.stages.pre.append(None)
        if kind == "none":
            return np.zeros(len(self.z))
        pre = sum((self.stages.c[s][:, :1] @ v)[:, 0] for s, _, v in self.maps(t, "readout"))
        pre = self.stages.pre[t] = pre + (layer["readout.bias"][self.z] if "readout.bias" in layer else 0)
        return pre[:, self.head] if kind == "linear" else ACTIVATION[kind][0](pre) @ layer["readout.out"][:, self.head]

    def reverse(self) -> None:
        s, tensors = self.stages, self.model.tensors
        upstream = tensors["scale"][self.head] * self.local
        back = [np.zeros_like(c) for c in s.c]  # dE/dc
        parts = [np.zeros_like(s.Y), upstream[self.receiver]]  # dE/d(edge function)
        for t in reversed(range(len(self.layers))):
            if s.pre[t] is not None:
                self.reverse_readout(t, upstream, back)
        layers = []
        for t in reversed(range(len(self.layers))):
            layers = [*self.reverse_layer(t, back, parts[0]), *layers]
        parts += layers
        s.edge_gradient = np.zeros_like(self.vector)
        for axis in range(3):
            moved = self.edges(self.vector + 1j * STEP * np.eye(3)[axis])
            for d_e, f in zip(parts, moved, strict=True):
                s.edge_gradient[:, axis] += (d_e * f.imag / STEP).reshape(len(self.vector), -1).sum(1)

    def reverse_readout(self, t: int, upstream: np.ndarray, back: list[np.ndarray]) -> None:
        kind, pre = self.meta["layers"][t]["readout"], self.stages.pre[t]
        if kind == "linear":
            slope = np.eye(pre.shape[1])[self.head] * upstream[:, None]
        else:
            slope = ACTIVATION[kind][1](pre) * self.layers[t]["readout.out"][:, self.head] * upstream[:, None]
        for s, _, v in self.maps(t, "readout"):
            back[s][:, 0] += np.einsum("in,ikn->ik", slope, v)

    def reverse_layer(self, t: int, back: list[np.ndarray], d_y: np.ndarray) -> list[np.ndarray]:
        """dE/dR and dE/dD of a layer; adds to dE/dY and to dE/dc of earlier layers."""
        s, about = self.stages, self.meta["layers"][t]
        d_a, d_r, d_h = np.zeros_like(s.A[t]), np.zeros_like(s.R[t]), np.zeros_like(s.h[t])
        for m, factors, weight in self.monomials(t):
            for place, a in enumerate(factors):
                d_a[:, a] += back[t][:, m] * weight * s.A[t][:, np.delete(factors, place)].prod(1)
        d_n = -(d_a * s.A[t]).sum((1, 2)) / s.n[t]
        for l in range(self.meta["max_ell"] + 1):
            matrix = of_element(self.layers[t][f"linear.{l}"], self.z)
            d_m = d_a[:, part(l)] @ matrix.swapaxes(1, 2) / s.n[t][:, None, None]
            for place, p in enumerate(self.paths_to(t, l)):
                one = d_m[self.receiver, :, place * self.K : (place + 1) * self.K]
                l1, l2, _ = about["paths"][p]
                given = s.h[t][self.sender, part(l1)], s.Y[:, part(l2)], s.R[t][:, p]
                d_r[:, p] += np.einsum("abc,eak,eb,eck->ek", self.C[t][p], given[0], given[1], one)
                d_y[:, part(l2)] += np.einsum("abc,eak,ek,eck->eb", self.C[t][p], given[0], given[2], one)
                d_h[:, part(l1)] += self.add(
                    np.einsum("abc,eb,ek,eck->eak", self.C[t][p], given[1], given[2], one), self.sender)
        if t:
            for earlier, l, matrix in self.maps(t, "up"):
                back[earlier][:, part(l)] += d_h[:, part(l)] @ matrix.swapaxes(1, 2)
        return [d_r.reshape(len(d_r), -1), d_n[self.receiver]]
