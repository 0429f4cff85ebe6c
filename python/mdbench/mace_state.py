"""Total charge and spin, put into the weights of a mace-torch model. Part of the worker.

Models such as MACE-OMOL embed the charge and the spin multiplicity of all atoms together: one
vector, the same for every atom, is added to the embedding of its element, and some read an energy
of the sum (``GenericJointEmbedding`` of mace-torch). Both numbers stay what they are during a
simulation, so the sums are an embedding of elements again, and the energies belong to those of the
elements: nothing is left to do at a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from mdbench.core import DEFAULT_STATE
from mdbench.errors import Refused
from mdbench.mace_probe import probe_energy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_ROUNDING = 1e-11
"""Of the energy, relative."""


def other_inputs(model: Any) -> list[str]:  # noqa: ANN401 - mace has no types
    """What a model embeds besides charge and spin."""
    specs = _specs(model)
    known = {f"total_{name}" for name in DEFAULT_STATE}
    return [name for name in specs if name not in known or specs[name]["per"] != "graph"]


def fix_state(model: Any, asked: Mapping[str, int], path: str) -> dict[str, int]:  # noqa: ANN401
    """Put charge and spin into the weights, in place.

    Args:
        model: MACE or ScaleShiftMACE without ``other_inputs``.
        asked: ``charge`` (e) and ``spin`` (2S + 1); ``DEFAULT_STATE`` for what is not asked for.
        path: Of the model, for messages.

    Returns:
        What the weights now hold; empty for a model that takes neither.

    Raises:
        Refused: when the model does not take what is asked for.
    """
    specs = _specs(model)
    state = {
        name: asked.get(name, k) for name, k in DEFAULT_STATE.items() if f"total_{name}" in specs
    }
    for name in asked:
        if name not in state:
            raise Refused(f"'{path}' takes no {name}: leave it out")
    if not specs:
        return {}
    for name, value in state.items():
        _check_range(name, value, specs[f"total_{name}"], path)
    linear = model.node_embedding.linear
    if not type(linear).__module__.startswith("e3nn") or len(linear.instructions) != 1:
        raise Refused(f"'{path}' has an embedding that is not mace-torch's own: not supported")
    like = next(model.parameters())
    dtype = like.dtype
    model.double()  # rounded once, at the end
    features = {f"total_{name}": like.new_tensor([value]) for name, value in state.items()}
    before = _energies(model, features)
    with torch.no_grad():
        _put_into_weights(model, features)
    difference = (_energies(model, {}) - before).abs().max()
    if not difference <= _ROUNDING * before.abs().max():
        raise Refused(
            f"'{path}' uses its charge and spin in another way than mace-torch 0.3.16: its energy "
            f"changes by {float(difference):.1e} eV when they are part of its weights"
        )
    model.to(dtype)
    return state


def _specs(model: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    return dict(model.embedding_specs) if hasattr(model, "joint_embedding") else {}


def _check_range(name: str, value: int, spec: dict[str, Any], path: str) -> None:
    if spec["type"] != "categorical":
        return
    low = -spec.get("offset", 0)
    high = low + spec["num_classes"] - 1
    if not low <= value <= high:
        raise Refused(f"'{path}' has no {name} {value}: it has {low} to {high}")


def _energies(model: Any, features: dict[str, Tensor]) -> Tensor:  # noqa: ANN401
    """Of the probe structure, each head's."""
    heads = range(len(getattr(model, "heads", None) or ["Default"]))
    found = [probe_energy(model, head, features) for head in heads]
    return torch.tensor(found, dtype=torch.float64)


def _put_into_weights(model: Any, features: dict[str, Tensor]) -> None:  # noqa: ANN401
    linear = model.node_embedding.linear
    one_hot = torch.eye(len(model.atomic_numbers)).to(linear.weight)
    atom = torch.zeros(1, dtype=torch.long, device=one_hot.device)
    embedding = linear(one_hot) + model.joint_embedding(atom, features)
    # one path from elements to channels: embedding = path weight x matrix of weights
    linear.weight.copy_((embedding / linear.instructions[0].path_weight).flatten())
    if hasattr(model, "embedding_readout"):
        table = model.atomic_energies_fn.atomic_energies  # [heads, elements], or [elements]
        table += model.embedding_readout(embedding).T.reshape(table.shape)
        del model.embedding_readout
    del model.joint_embedding, model.embedding_specs
