"""Matrices and coefficients inside e3nn and mace modules, found by giving them unit inputs.

Weights trained in single precision come with constants rounded to single precision: what a module
does is asked of the module, never computed anew. Part of the worker: nothing else imports this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TINY = 1e-14  # of the largest coefficient: zero but for rounding
ACTIVATIONS = {"silu": torch.nn.functional.silu, "tanh": torch.tanh}


def _first_components(irreps: Any, degree: int) -> NDArray[np.int64]:  # noqa: ANN401 - e3nn has no types
    """[channels] where component m = 0 of every channel of a degree stands in a feature vector."""
    found = [
        part.start + irrep.dim * np.arange(count)
        for (count, irrep), part in zip(irreps, irreps.slices(), strict=True)
        if irrep.l == degree
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def linear_map(
    function: Callable[[Any], Any],
    irreps_in: Any,  # noqa: ANN401
    irreps_out: Any,  # noqa: ANN401
    degree: int,
) -> Array:
    """Matrix [channels in, channels out] of an equivariant linear function at one degree."""
    source = _first_components(irreps_in, degree)
    target = _first_components(irreps_out, degree)
    unit = torch.zeros(len(source), irreps_in.dim, dtype=torch.float64)
    unit[np.arange(len(source)), source] = 1
    with torch.no_grad():
        return np.ascontiguousarray(function(unit).numpy()[:, target])


def module_map(module: Any, degree: int) -> Array:  # noqa: ANN401
    """The matrix of an ``o3.Linear`` at one degree."""
    return linear_map(module, module.irreps_in, module.irreps_out, degree)


def biased_map(module: Any) -> tuple[Array, Array]:  # noqa: ANN401
    """Matrix [in, out] and bias [out] of an ``o3.Linear`` of scalars."""
    with torch.no_grad():
        bias = module(torch.zeros(module.irreps_in.dim, dtype=torch.float64)).numpy()
    return module_map(module, 0) - bias, bias


def element_maps(module: Any, degree: int, kept: list[int]) -> Array:  # noqa: ANN401
    """[elements, in, out]: a tensor product with the one-hot vector of each kept element."""
    one_hot = torch.eye(module.irreps_in2.dim, dtype=torch.float64)

    def at(element: int) -> Array:
        def function(features: Any) -> Any:  # noqa: ANN401
            return module(features, one_hot[element].expand(len(features), -1))

        return linear_map(function, module.irreps_in1, module.irreps_out, degree)

    return np.stack([at(element) for element in kept])


def activation(module: Any) -> tuple[str | None, float]:  # noqa: ANN401
    """Name (``None``: not one we know) and factor of e3nn's normalised activation."""
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    names = [name for name, known in ACTIVATIONS.items() if torch.equal(module.f(x), known(x))]
    return (names[0] if names else None), 1.0 if module._is_id else float(module.cst)  # noqa: SLF001


def network_matrices(network: Any) -> list[Array]:  # noqa: ANN401
    """Matrices of an e3nn network of silu layers, its normalisations folded in."""
    matrices, factor = [], 1.0
    for layer in network.children():
        factor *= (layer.h_in * layer.var_in) ** -0.5
        if layer.act is None:
            factor *= layer.var_out**0.5
        matrices.append(layer.weight.detach().numpy() * factor)
        if layer.act is not None:
            factor = activation(layer.act)[1] * layer.var_out**0.5
    return matrices


def convolution_entries(conv: Any) -> tuple[list[list[int]], NDArray[np.int32], Array]:  # noqa: ANN401
    """Paths [l1, l2, l3] of a convolution and its coefficients, for Y of sender minus receiver.

    Returns:
        The paths, the index [entries, 4] (path, m1, m2, m3) and the values.
    """
    sender, sphere, out = conv.irreps_in1, conv.irreps_in2, conv.irreps_out
    left = np.repeat(np.arange(sum(ir.dim for _, ir in sender)), sphere.dim)
    features = torch.zeros(len(left), sender.dim, dtype=torch.float64)
    at = 0
    for (_, irrep), part in zip(sender, sender.slices(), strict=True):
        for m in range(irrep.dim):
            features[left == at + m, part.start + m : part.stop : irrep.dim] = 1
        at += irrep.dim
    harmonics = torch.eye(sphere.dim, dtype=torch.float64).repeat(at, 1)
    weights = torch.ones(len(left), conv.weight_numel, dtype=torch.float64)
    with torch.no_grad():
        answer = conv(features, harmonics, weights).numpy().reshape(at, sphere.dim, -1)
    paths, rows, values = [], [], []
    for number, step in enumerate(conv.instructions):
        degrees = [sender[step.i_in1].ir.l, sphere[step.i_in2].ir.l, out[step.i_out].ir.l]
        l1, l2, l3 = degrees
        part = answer[:, :, out.slices()[step.i_out].start :][:, :, : 2 * l3 + 1]  # channel 0
        block = part[l1 * l1 : (l1 + 1) ** 2, l2 * l2 : (l2 + 1) ** 2]
        place = np.argwhere(np.abs(block) > TINY * np.abs(block).max())
        paths.append(degrees)
        rows.append(np.c_[np.full(len(place), number), place])
        # mace takes Y of receiver minus sender
        values.append(block[tuple(place.T)] * (-1) ** l2)
    return paths, np.concatenate(rows).astype(np.int32), np.concatenate(values)


def contraction_entries(tensor: Array, degree: int, order: int) -> tuple[NDArray[np.int32], Array]:
    """Monomials of a symmetric contraction, each once: index [entries, order + 2] and value.

    Args:
        tensor: mace's ``U_matrix``: [m, component, .., q], without m at degree 0.
        degree: l of the output.
        order: How many factors a monomial has.
    """
    full = tensor if degree else tensor[None]
    place = np.argwhere(full)
    ordered = np.c_[np.sort(place[:, 1 : order + 1], axis=1), place[:, 0], place[:, -1]]
    index, where = np.unique(ordered, axis=0, return_inverse=True)
    value = np.zeros(len(index))
    np.add.at(value, where.ravel(), full[tuple(place.T)])
    keep = np.abs(value) > TINY * np.abs(value).max(initial=0)
    return index[keep].astype(np.int32), value[keep]


def chebyshev(x: Any, count: int) -> Any:  # noqa: ANN401
    """[edges, count] polynomials of degree 1 .. count of [edges, 1], with the derivative.

    That of torch, which mace takes, has none.
    """
    terms = [torch.ones_like(x), x]
    while len(terms) <= count:
        terms.append(2 * x * terms[-1] - terms[-2])
    return torch.cat(terms[1 : count + 1], dim=1)
