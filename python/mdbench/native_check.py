"""Which mace-torch models a native model file can hold. Part of the worker."""

from __future__ import annotations

from typing import Any

import torch

from mdbench.errors import Refused
from mdbench.native_probe import activation

LARGEST_ELL = 3
LARGEST_CORRELATION = 3
EPSILON = 1e-5  # of layer normalisations
GATED = "RealAgnosticResidualNonLinearInteractionBlock"
# Everything that such a model is made of, by package: whatever is not here is refused by name.
KNOWN = {
    "mace": {
        *("MACE", "ScaleShiftMACE", "AtomicEnergiesBlock", "ScaleShiftBlock"),
        *("LinearNodeEmbeddingBlock", "RadialEmbeddingBlock", "PolynomialCutoff"),
        *("BesselBasis", "GaussianBasis", "ChebychevBasis", "AgnesiTransform", "SoftTransform"),
        *("ZBLBasis", "RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"),
        *("RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock"),
        *("reshape_irreps", "EquivariantProductBasisBlock", "SymmetricContraction", "Contraction"),
        *("LinearReadoutBlock", "NonLinearReadoutBlock", "NonLinearBiasReadoutBlock"),
        *(GATED, "GatedEquivariantBlock", "RadialMLP"),
    },
    "e3nn": {
        *("SphericalHarmonics", "Linear", "TensorProduct", "FullyConnectedTensorProduct"),
        *("FullyConnectedNet", "_Layer", "normalize2mom", "Activation"),
    },
    "torch": {
        *("ModuleList", "ParameterList", "GraphModule", "RecursiveScriptModule"),
        *("Sequential", "Linear", "LayerNorm", "SiLU"),
    },
}


def _refuse(what: str) -> Refused:
    return Refused(
        f"a native file cannot hold {what}: convert to TorchScript instead (-o NAME-lammps.pt)"
    )


def _features(channels: int, degree: int) -> str:
    """The irreps that a native file can hold, up to a degree."""
    return "+".join(f"{channels}x{k}{'eo'[k % 2]}" for k in range(degree + 1))


def _check_parts(model: Any) -> None:  # noqa: ANN401
    biased = {
        part
        for block in model.readouts
        if type(block).__name__ == "NonLinearBiasReadoutBlock"
        for part in (block.linear_mid, block.linear_2)
    }
    for part in model.modules():
        kind = type(part)
        package = kind.__module__.split(".")[0]
        if kind.__name__ not in KNOWN.get(package, set()):
            raise _refuse(f"a {kind.__name__}")
        linear = (package, kind.__name__) == ("e3nn", "Linear")
        if linear and part.bias.numel() and part not in biased:
            raise _refuse("a linear map with a bias")
        if kind.__name__ == "FullyConnectedNet":
            acts = [layer.act for layer in part.children()]
            if acts[-1] is not None or any(
                act is None or activation(act)[0] != "silu" for act in acts[:-1]
            ):
                raise _refuse("a radial network without silu")


def _check_layer(interaction: Any, product: Any, channels: int, *, first: bool) -> None:  # noqa: ANN401
    conv, out = interaction.conv_tp, product.linear.irreps_out
    sphere = conv.irreps_in2
    if sphere.lmax > LARGEST_ELL:
        raise _refuse(f"spherical harmonics up to l = {sphere.lmax} (max_ell at most 3)")
    if str(sphere) != _features(1, sphere.lmax):
        raise _refuse(f"spherical harmonics {sphere} (use_so3)")
    node = interaction.linear_up.irreps_in
    if str(node) != _features(channels, 0 if first else node.lmax):
        raise _refuse(
            f"hidden features {node} (needed: as many channels for each l, parity (-1)^l)"
        )
    if type(interaction).__name__ == GATED:
        _check_gates(interaction)
    elif conv.irreps_in1 != node:
        raise _refuse(f"edge features {conv.irreps_in1} beside hidden features {node}")
    if str(out) != _features(channels, out.lmax):
        raise _refuse(f"hidden features {out} (needed: as many channels for each l, parity (-1)^l)")
    for contraction in product.symmetric_contractions.contractions:
        if contraction.correlation > LARGEST_CORRELATION:
            raise _refuse(f"correlation {contraction.correlation} (at most 3)")


def _check_gates(interaction: Any) -> None:  # noqa: ANN401
    edge, gate = interaction.conv_tp.irreps_in1, interaction.equivariant_nonlin
    if str(edge) != _features(edge[0].mul, edge.lmax):
        raise _refuse(f"edge features {edge} (needed: as many channels for each l, parity (-1)^l)")
    known = (torch.nn.functional.silu, torch.nn.functional.sigmoid)
    if (gate._act_scalar, gate._act_gate) != known or gate._layout_is_ir_mul:  # noqa: SLF001
        raise _refuse("gates other than those of mace-torch's own models")
    if float(interaction.alpha) == 0:
        raise _refuse("messages that are divided by nothing (alpha = 0)")
    for network in (interaction.conv_tp_weights, interaction.density_fn):
        kinds = [type(layer).__name__ for layer in network.net]
        if kinds != ["Linear", "LayerNorm", "SiLU"] * (len(kinds) // 3) + ["Linear"]:
            raise _refuse(f"a radial network of {', '.join(kinds)}")
        if any(getattr(layer, "eps", EPSILON) != EPSILON for layer in network.net):
            raise _refuse(f"a layer normalisation with an epsilon other than {EPSILON}")


def _check_readout(readout: Any) -> None:  # noqa: ANN401
    if type(readout).__name__ == "LinearReadoutBlock":
        return
    hidden = readout.linear_1.irreps_out
    if any(str(irrep) != "0e" for _, irrep in hidden) or len(hidden) > 1:
        raise _refuse(f"a readout with hidden features {hidden}")
    gate = readout.non_linearity.acts[0]
    if gate is not None and activation(gate)[0] is None:
        raise _refuse(f"a readout with gate {getattr(gate.f, '__name__', gate.f)}")
    if gate is None and type(readout).__name__ == "NonLinearBiasReadoutBlock":
        raise _refuse("a readout with biases and no gate")


def check(model: Any) -> None:  # noqa: ANN401
    """Make sure that a model can be exported.

    Raises:
        Refused: naming what cannot.
    """
    _check_parts(model)
    gated = any(type(interaction).__name__ == GATED for interaction in model.interactions)
    if gated and getattr(model.radial_embedding, "apply_cutoff", True):
        raise _refuse("gated layers whose messages do not vanish at the cutoff (apply_cutoff)")
    channels = model.node_embedding.linear.irreps_out.dim
    layers = list(zip(model.interactions, model.products, strict=True))
    for t, (interaction, product) in enumerate(layers):
        _check_layer(interaction, product, channels, first=t == 0)
    for readout in model.readouts:
        _check_readout(readout)
    if len(model.readouts) not in {0, 1, len(layers)}:
        raise _refuse(f"{len(model.readouts)} readouts of {len(layers)} layers")
    if hasattr(model, "scale_shift"):
        scales = {torch.numel(model.scale_shift.scale), torch.numel(model.scale_shift.shift)}
        if scales != {len(model.heads)}:
            raise _refuse(f"{len(model.heads)} heads with {max(scales)} scales")
