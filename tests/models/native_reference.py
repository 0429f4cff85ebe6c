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

from models.native_edges import ACTIVATION, edge_functions

STEP = 1e-30  # of the complex step: its square vanishes

class NativeModel:
    """The content of a file."""

    def __init__(self, path: Path) -> None:
        content = Path(path).read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        self.metadata = json.loads(header.pop("__metadata__")["mdbench"])
        dtypes = {"F64": "<f8", "I32": "<i4"}
        self.tensors = {
            name: np.frombuffer(content[8 + size :][slice(*entry["data_offsets"])],
                                dtypes[entry["dtype"]]).reshape(entry["shape"])
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
    R: list[np.ndarray]  # [edges, paths, E]
    n: list[np.ndarray] = field(default_factory=list)  # [nodes]
    h: list[np.ndarray] = field(default_factory=list)  # [nodes, components, E]
    M: list[list[np.ndarray]] = field(default_factory=list)  # by path: [nodes, 2 l3 + 1, E]
    S: list[np.ndarray] = field(default_factory=list)  # [nodes, components and gates, K]
    A: list[np.ndarray] = field(default_factory=list)  # [nodes, components, K]
    c: list[np.ndarray] = field(default_factory=list)  # [nodes, components, K]
    pre: list[np.ndarray | None] = field(default_factory=list)  # [nodes, neurons]
    mid: list[np.ndarray | None] = field(default_factory=list)  # of a second hidden layer
    readout: list[np.ndarray] = field(default_factory=list)  # [nodes], before the scale
    zbl: np.ndarray | None = None  # [nodes]
    energy: np.ndarray | None = None  # [nodes]
    edge_gradient: np.ndarray | None = None  # [edges, 3]


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
        self.K, self.L = self.meta["channels"], self.meta["max_ell"]
        self.E = [about.get("edge_channels", self.K) for about in self.meta["layers"]]
        self.C = [self.dense_coefficients(t) for t in range(len(self.layers))]
        self.forward()
        self.reverse()

    def edges(self, vector: np.ndarray) -> list[np.ndarray]:
        return edge_functions(self.model, vector, self.z[self.receiver], self.z[self.sender])

    def dense_coefficients(self, t: int) -> list[np.ndarray]:
        """By path: [2 l1 + 1, 2 l2 + 1, 2 l3 + 1]."""
        dense = [np.zeros([2 * l + 1 for l in path]) for path in self.meta["layers"][t]["paths"]]
        layer = self.layers[t]
        for (p, *m), value in zip(layer["cg.index"], layer["cg.value"], strict=True):
            dense[p][tuple(m)] += value
        return dense

    def add(self, per_edge: np.ndarray, where: np.ndarray) -> np.ndarray:
        """Sum over the edges of each node."""
        total = np.zeros((len(self.z), *per_edge.shape[1:]))
        np.add.at(total, where, per_edge)
        return total

    def forward(self) -> None:
        y, zbl, *rest = self.edges(self.vector)
        s = self.stages = Stages(y, [r.reshape(len(r), r.shape[1] // e, e)
                                     for r, e in zip(rest[::2], self.E, strict=True)])
        s.zbl = self.add(zbl, self.receiver)
        for t, about in enumerate(self.meta["layers"]):
            s.h.append(self.features(t))
            s.n.append(1 + self.add(rest[2 * t + 1], self.receiver))
            s.M.append([
                self.add(
                    np.einsum("abc,eak,eb,ek->eck", self.C[t][p], s.h[t][self.sender, part(l1)],
                              y[:, part(l2)], s.R[t][:, p]), self.receiver)
                for p, (l1, l2, _) in enumerate(about["paths"])
            ])
            s.S.append(np.concatenate([
                np.concatenate([s.M[t][p] for p in self.paths_to(t, l)], axis=2)
                @ self.of(t, name) / s.n[t][:, None, None]
                for name, _, l in self.sums(t)], axis=1) + self.residual(t))
            s.A.append(self.gated(t) if "after.0" in self.layers[t] else s.S[t])
            s.c.append(self.product(t))
            s.readout.append(self.read(t))
        tensors = self.model.tensors
        s.energy = (tensors["atomic_energies"][self.head, self.z] + tensors["shift"][self.head]
                    + tensors["scale"][self.head] * (s.zbl + sum(s.readout)))

    def of(self, t: int, name: str) -> np.ndarray:
        """[nodes, in, out] of a linear map."""
        return of_element(self.layers[t][name], self.z)

    def sums(self, t: int) -> list[tuple[str, str, int]]:
        """The sums of messages in order: their map, that of the own features, their degree."""
        plain = [(f"linear.{l}", f"residual.{l}", l) for l in range(self.L + 1)]
        gates = [(f"gate.{l}", f"gate_residual.{l}", 0) for l in range(1, self.L + 1)]
        return plain + (gates if "after.0" in self.layers[t] else [])

    def residual(self, t: int) -> np.ndarray:
        """What the atoms' own features add to the sums."""
        h = self.stages.h[t]
        return np.concatenate([
            h[:, part(l)] @ self.of(t, name) if name in self.layers[t]
            else np.zeros((len(self.z), 2 * l + 1, self.K))
            for _, name, l in self.sums(t)], axis=1)

    def gates(self, t: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[nodes, components, K]: what the components of S are multiplied with, and its slope."""
        gate = np.concatenate([x[:, :1], x[:, (self.L + 1) ** 2 :]], axis=1)
        by_degree = np.repeat(gate, [2 * l + 1 for l in range(self.L + 1)], axis=1)
        opened = 1 / (1 + np.exp(-by_degree))
        return opened, opened * (1 - opened)

    def gated(self, t: int) -> np.ndarray:
        s = self.stages.S[t]
        opened = self.gates(t, s)[0] * s[:, : (self.L + 1) ** 2]
        return np.concatenate(
            [opened[:, part(l)] @ self.of(t, f"after.{l}") for l in range(self.L + 1)], axis=1)

    def gated_reverse(self, t: int, d_a: np.ndarray) -> np.ndarray:
        """dE/dS from dE/dA."""
        s = self.stages.S[t]
        d_opened = np.concatenate(
            [d_a[:, part(l)] @ self.of(t, f"after.{l}").swapaxes(1, 2) for l in range(self.L + 1)],
            axis=1)
        plain = s[:, : (self.L + 1) ** 2]
        opened, slope = self.gates(t, s)
        d_gate = d_opened * plain * slope
        d_gates = [d_gate[:, part(l)].sum(1, keepdims=True) for l in range(1, self.L + 1)]
        d_plain = d_opened * opened
        d_plain[:, :1] += d_gate[:, :1]  # the scalar is its own gate
        return np.concatenate([d_plain, *d_gates], axis=1)

    def paths_to(self, t: int, l: int) -> list[int]:
        return [p for p, path in enumerate(self.meta["layers"][t]["paths"]) if path[2] == l]

    def features(self, t: int) -> np.ndarray:
        if t == 0:
            return self.layers[0]["embedding"][self.z][:, None]
        h = np.zeros((len(self.z), (self.meta["layers"][t]["sender_l"] + 1) ** 2, self.E[t]))
        for s, l, matrix in self.maps(t, "up"):
            h[:, part(l)] += self.stages.c[s][:, part(l)] @ matrix
        h[:, 0] += self.layers[t].get("up.bias", np.zeros((len(self.meta["elements"]), 1)))[self.z]
        return h

    def maps(self, t: int, name: str) -> list[tuple[int, int, np.ndarray]]:
        """(s, l, [nodes, in, out]) of the linear maps of earlier products."""
        layer = self.layers[t]
        names = [re.fullmatch(rf"{name}\.(\d+)(?:\.(\d+))?", n) for n in layer]
        return [(int(m[1]), int(m[2] or 0), of_element(layer[m[0]], self.z)) for m in names if m]

    def monomials(self, t: int):
        """(component of c, components of A, u * weight [nodes, K]) of every entry."""
        for name in self.layers[t]:
            if found := re.fullmatch(r"product\.(\d)\.(\d)\.index", name):
                l, order = int(found[1]), int(found[2])
                start = f"product.{l}.{order}."
                weight, values = (self.layers[t][start + n] for n in ("weight", "value"))
                weight = of_element(weight, self.z)
                for row, u in zip(self.layers[t][name], values, strict=True):
                    yield l * l + row[order], row[:order], u * weight[:, row[-1]]

    def product(self, t: int) -> np.ndarray:
        c = np.zeros((len(self.z), (self.meta["layers"][t]["output_l"] + 1) ** 2, self.K))
        for m, factors, weight in self.monomials(t):
            c[:, m] += weight * self.stages.A[t][:, factors].prod(1)
        return c

    def read(self, t: int) -> np.ndarray:
        kind, layer = self.meta["layers"][t]["readout"], self.layers[t]
        self.stages.pre.append(None)
        self.stages.mid.append(None)
        if kind == "none":
            return np.zeros(len(self.z))
        pre = sum((self.stages.c[s][:, :1] @ v)[:, 0] for s, _, v in self.maps(t, "readout"))
        if "readout.bias" in layer:
            pre = pre + layer["readout.bias"][self.z]
        self.stages.pre[t] = pre
        if kind == "linear":
            return pre[:, self.head]
        value = ACTIVATION[kind][0](pre)
        if "readout.mid" in layer:
            self.stages.mid[t] = value @ layer["readout.mid"] + layer["readout.mid.bias"]
            value = ACTIVATION[kind][0](self.stages.mid[t])
        return value @ layer["readout.out"][:, self.head]

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
                slope = d_e * f.imag / STEP
                s.edge_gradient[:, axis] += slope.sum(tuple(range(1, slope.ndim)))

    def reverse_readout(self, t: int, upstream: np.ndarray, back: list[np.ndarray]) -> None:
        kind, pre = self.meta["layers"][t]["readout"], self.stages.pre[t]
        if kind == "linear":
            slope = np.eye(pre.shape[1])[self.head] * upstream[:, None]
        else:
            out = self.layers[t]["readout.out"][:, self.head]
            if self.stages.mid[t] is not None:
                out = (ACTIVATION[kind][1](self.stages.mid[t]) * out
                       @ self.layers[t]["readout.mid"].T)
            slope = ACTIVATION[kind][1](pre) * out * upstream[:, None]
        for s, _, v in self.maps(t, "readout"):
            back[s][:, 0] += np.einsum("in,ikn->ik", slope, v)

    def reverse_layer(self, t: int, back: list[np.ndarray], d_y: np.ndarray) -> list[np.ndarray]:
        """dE/dR and dE/dD of a layer; adds to dE/dY and to dE/dc of earlier layers."""
        s, about = self.stages, self.meta["layers"][t]
        d_a, d_r, d_h = np.zeros_like(s.A[t]), np.zeros_like(s.R[t]), np.zeros_like(s.h[t])
        for m, factors, weight in self.monomials(t):
            for place, a in enumerate(factors):
                d_a[:, a] += back[t][:, m] * weight * s.A[t][:, np.delete(factors, place)].prod(1)
        d_s = self.gated_reverse(t, d_a) if "after.0" in self.layers[t] else d_a
        d_n = -(d_s * (s.S[t] - self.residual(t))).sum((1, 2)) / s.n[t]
        at = 0
        for name, own, l in self.sums(t):
            d_sum = d_s[:, at : at + 2 * l + 1]
            at += 2 * l + 1
            if own in self.layers[t]:
                d_h[:, part(l)] += d_sum @ self.of(t, own).swapaxes(1, 2)
            d_m = d_sum @ self.of(t, name).swapaxes(1, 2) / s.n[t][:, None, None]
            for place, p in enumerate(self.paths_to(t, l)):
                one = d_m[self.receiver, :, place * self.E[t] : (place + 1) * self.E[t]]
                l1, l2, _ = about["paths"][p]
                h, y, r = s.h[t][self.sender, part(l1)], s.Y[:, part(l2)], s.R[t][:, p]
                c = self.C[t][p]
                d_r[:, p] += np.einsum("abc,eak,eb,eck->ek", c, h, y, one)
                d_y[:, part(l2)] += np.einsum("abc,eak,ek,eck->eb", c, h, r, one)
                d_h[:, part(l1)] += self.add(
                    np.einsum("abc,eb,ek,eck->eak", c, y, r, one), self.sender)
        if t:
            for earlier, l, matrix in self.maps(t, "up"):
                back[earlier][:, part(l)] += d_h[:, part(l)] @ matrix.swapaxes(1, 2)
        return [d_r.reshape(len(d_r), d_r.shape[1] * self.E[t]), d_n[self.receiver]]
