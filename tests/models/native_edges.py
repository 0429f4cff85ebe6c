"""What depends on one edge alone in a native model file; takes complex vectors too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.native_reference import NativeModel

ACTIVATION = {  # with derivative
    "silu": (lambda x: x / (1 + np.exp(-x)),
             lambda x: (1 + x / (1 + np.exp(x))) / (1 + np.exp(-x))),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
}


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
    inside = (1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1)
              - p * (p + 1) / 2 * x ** (p + 2))
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
        steepness = t["radial.transform"][0] / (p1 - p0)
        y = p0 + (r - p0) * (1 + np.tanh(steepness * (r - (p0 + p1) / 2))) / 2
    w = t["radial.basis"]
    if radial["basis"] == "bessel":
        b = t["radial.prefactor"] * np.sin(w * y[:, None]) / y[:, None]
    elif radial["basis"] == "gaussian":
        b = np.exp(t["radial.prefactor"] * (y[:, None] - w) ** 2)
    else:
        single = [np.eye(int(degree) + 1)[-1] for degree in w]
        b = np.stack([np.polynomial.chebyshev.chebval(y, one) for one in single], axis=1)
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


def edge_functions(
    model: NativeModel, vector: np.ndarray, zi: np.ndarray, zj: np.ndarray
) -> list[np.ndarray]:
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
        out.append(perceptron(layer, "radial", b, zi, zj) * cut[:, None])
        if not about["density"]:
            out.append(np.zeros_like(b[:, 0]))
        elif "density" in layer:
            out.append(np.tanh((b @ layer["density"]) ** 2) * cut)
        else:
            x = perceptron(layer, "density", b, zi, zj)[:, 0]
            out.append(layer["density.factor"][0] * np.tanh(x**2) * cut)
    return out


def perceptron(
    layer: dict[str, np.ndarray], stem: str, x: np.ndarray, zi: np.ndarray, zj: np.ndarray
) -> np.ndarray:
    """[edges, outputs] of a radial network."""
    count = sum(bool(re.fullmatch(rf"{stem}\.\d+", name)) for name in layer)
    for i in range(count):
        x = x @ layer[f"{stem}.{i}"] + layer.get(f"{stem}.{i}.bias", 0)
        if i == 0 and f"{stem}.receiver" in layer:
            x = x + layer[f"{stem}.receiver"][zi] + layer[f"{stem}.sender"][zj]
        if f"{stem}.{i}.scale" in layer:
            x = x - x.mean(1, keepdims=True)
            x = x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-5)
            x = x * layer[f"{stem}.{i}.scale"] + layer[f"{stem}.{i}.shift"]
        if i < count - 1:
            x = ACTIVATION["silu"][0](x)
    return x
