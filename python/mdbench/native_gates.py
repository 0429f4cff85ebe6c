"""Gated layers, as in MACE-MH-1, as tensors of a native model file. Part of the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench.native_probe import convolution_entries, module_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Tensors = dict[str, NDArray[Any]]


def _values(parameter: Any) -> Array:  # noqa: ANN401 - torch has no types
    return np.asarray(parameter.detach(), float)


def _network(name: str, network: Any, basis: int, elements: tuple[Array, Array]) -> Tensors:  # noqa: ANN401
    """A perceptron of the radial basis and of the embeddings [N, S] of sender and receiver."""
    linears, norms = list(network.net)[::3], list(network.net)[1::3]
    tensors: Tensors = {}
    for i, linear in enumerate(linears):
        tensors[f"{name}.{i}"] = _values(linear.weight).T
        tensors[f"{name}.{i}.bias"] = _values(linear.bias)
    for i, norm in enumerate(norms):
        tensors[f"{name}.{i}.scale"] = _values(norm.weight)
        tensors[f"{name}.{i}.shift"] = _values(norm.bias)
    first = tensors[f"{name}.0"]
    sender, receiver = np.split(first[basis:], 2)
    tensors[f"{name}.0"] = first[:basis]
    tensors[f"{name}.sender"] = elements[0] @ sender
    tensors[f"{name}.receiver"] = elements[1] @ receiver
    return tensors


def _sums(gate: Any) -> list[tuple[str, str, int, slice]]:  # noqa: ANN401
    """The sums of messages: tensors of their maps, degree, and columns of mace's maps.

    The gate of each degree above 0 is among the scalars.
    """
    scalars = slice(gate._s_start, gate._s_start + gate._s_len)  # noqa: SLF001
    found = [("linear.0", "residual.0", 0, scalars)]
    for _, _, components, channels, offset in gate._gated_info:  # noqa: SLF001
        degree, start = (components - 1) // 2, gate._g_start + offset  # noqa: SLF001
        found.append((f"linear.{degree}", f"residual.{degree}", degree, slice(None)))
        columns = slice(start, start + channels)
        found.append((f"gate.{degree}", f"gate_residual.{degree}", 0, columns))
    return found


def _paths(interaction: Any, sender_l: int) -> tuple[Tensors, list[list[int]], list[int]]:  # noqa: ANN401
    """The convolution, its paths, and which of mace's they are: those with senders' features."""
    paths, index, value = convolution_entries(interaction.conv_tp)
    kept = [number for number, (l1, _, _) in enumerate(paths) if l1 <= sender_l]
    used = np.isin(index[:, 0], kept)
    index = index[used]
    index[:, 0] = np.searchsorted(kept, index[:, 0])
    return {"cg.index": index, "cg.value": value[used]}, [paths[p] for p in kept], kept


def _channels(blocks: list[int], size: int) -> NDArray[np.int64]:
    """Indices of whole blocks of channels."""
    return (np.array(blocks, dtype=int)[:, None] * size + np.arange(size)).ravel()


def gated_message(interaction: Any, kept: list[int], basis: int) -> tuple[Tensors, dict[str, Any]]:  # noqa: ANN401
    """Tensors and description of the messages of a gated layer, and of its gates.

    Args:
        interaction: A checked block of mace-torch in double precision.
        kept: Which of the model's species to keep.
        basis: Number of radial basis functions.
    """
    conv, gate = interaction.conv_tp, interaction.equivariant_nonlin
    sender_l = min(conv.irreps_in1.lmax, interaction.linear_up.irreps_in.lmax)
    edge = conv.irreps_in1[0].mul
    elements = (
        module_map(interaction.source_embedding, 0)[kept],
        module_map(interaction.target_embedding, 0)[kept],
    )
    tensors, paths, numbers = _paths(interaction, sender_l)
    tensors |= _network("radial", interaction.conv_tp_weights, basis, elements)
    last = len(interaction.conv_tp_weights.net) // 3
    for name in (f"radial.{last}", f"radial.{last}.bias"):
        tensors[name] = tensors[name][..., _channels(numbers, edge)]
    alpha, beta = float(interaction.alpha), float(interaction.beta)
    if beta:
        tensors |= _network("density", interaction.density_fn, basis, elements)
        tensors["density.factor"] = np.array([beta / alpha])
    for linear, residual, degree, columns in _sums(gate):
        steps = enumerate(conv.instructions)
        ends = [n for n, step in steps if conv.irreps_out[step.i_out].ir.l == degree]
        rows = _channels([ends.index(n) for n in numbers if n in ends], edge)
        tensors[linear] = module_map(interaction.linear_1, degree)[None, rows, columns] / alpha
        if degree <= sender_l:
            tensors[residual] = module_map(interaction.linear_res, degree)[None, :, columns]
    for degree in range(conv.irreps_in2.lmax + 1):
        factor = gate._gate_cst if degree else gate._scalar_cst  # noqa: SLF001
        tensors[f"after.{degree}"] = module_map(interaction.linear_2, degree)[None] * factor
    return tensors, {
        "interaction": type(interaction).__name__,
        "sender_l": sender_l,
        "paths": paths,
        "density": bool(beta),
        "gated": True,
        "edge_channels": edge,
    }
