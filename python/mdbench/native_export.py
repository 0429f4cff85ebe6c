"""A mace-torch model as the tensors of a native model file.

``plugin/evaluator/native/FORMAT.md`` says what they mean. Part of the worker: nothing else
imports this. Models come in double precision and checked (:mod:`mdbench.native_support`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench.native_check import GATED
from mdbench.native_gates import gated_message
from mdbench.native_probe import (
    activation,
    biased_map,
    contraction_entries,
    convolution_entries,
    element_maps,
    module_map,
    network_matrices,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Tensors = dict[str, NDArray[Any]]

BASES = {"BesselBasis": "bessel", "GaussianBasis": "gaussian", "ChebychevBasis": "chebyshev"}
TRANSFORMS = {"AgnesiTransform": "agnesi", "SoftTransform": "soft"}
ZBL_DECAY = [3.2, 0.9423, 0.4028, 0.2016]  # literals in mace's code


def _array(value: Any) -> Array:  # noqa: ANN401 - a tensor or a number
    """A parameter, buffer or number as an array with at least one axis."""
    return np.atleast_1d(np.asarray(value.detach() if hasattr(value, "detach") else value, float))


class Features:
    """A node feature as a linear function of the products before it.

    ``n = sum_s c_s maps[s][l] + constant[z]``, the constant at l = 0 only.
    """

    def __init__(self, maps: dict[int, list[Array]], constant: Array | None) -> None:
        """Hold the maps and the constant, none of which need be there."""
        self.maps = maps  # by product; one [1|N, K, K] for each l
        self.constant = constant  # [N, K]

    def through(self, name: str, matrices: list[Array], *, degrees: bool) -> Tensors:
        """Tensors of a linear map ``matrices[l]`` of this feature."""
        found: Tensors = {}
        for s, maps in self.maps.items():
            for degree, matrix in enumerate(matrices):
                found[f"{name}.{s}.{degree}" if degrees else f"{name}.{s}"] = maps[degree] @ matrix
        if self.constant is not None:
            found[f"{name}.bias"] = self.constant @ matrices[0]
        return found

    def after(self, layer: int, product: list[Array], skip: list[Array] | None) -> Features:
        """The feature that a layer makes: its product, mapped, and this feature, mapped by element.

        Args:
            layer: Number of the layer.
            product: [K, K] for each l of the output.
            skip: [1|N, K, K] for each l, or ``None``: this feature ends here.
        """
        maps = {layer: [matrix[None] for matrix in product]}
        if skip is None:
            return Features(maps, None)
        for s, old in self.maps.items():
            maps[s] = [a @ b for a, b in zip(old, skip, strict=False)]
        constant = None
        if self.constant is not None:
            constant = (self.constant[:, None] @ skip[0])[:, 0]
        return Features(maps, constant)


def _radial(model: Any, numbers: list[int]) -> tuple[Tensors, dict[str, Any]]:  # noqa: ANN401
    """Tensors and description of the radial basis."""
    embedding = model.radial_embedding
    function = embedding.bessel_fn
    basis = BASES[type(function).__name__]
    tensors: Tensors = {}
    if basis == "bessel":
        tensors["radial.basis"] = _array(function.bessel_weights)
        tensors["radial.prefactor"] = _array(function.prefactor)
    elif basis == "gaussian":
        tensors["radial.basis"] = _array(function.gaussian_weights)
        tensors["radial.prefactor"] = _array(function.coeff)
    else:
        tensors["radial.basis"] = _array(function.n).ravel()
    transform = "none"
    if hasattr(embedding, "distance_transform"):
        change = embedding.distance_transform
        transform = TRANSFORMS[type(change).__name__]
        names = ("q", "p", "a") if transform == "agnesi" else ("alpha",)
        tensors["radial.transform"] = np.concatenate([_array(getattr(change, n)) for n in names])
        tensors["radial.radius"] = _array(change.covalent_radii)[numbers]
    return tensors, {
        "basis": basis,
        "cutoff_p": int(embedding.cutoff_fn.p),
        "cutoff_on": "basis" if getattr(embedding, "apply_cutoff", True) else "weights",
        "transform": transform,
    }


def _repulsion(model: Any, numbers: list[int]) -> tuple[Tensors, dict[str, int] | None]:  # noqa: ANN401
    """Tensors and description of the ZBL pair repulsion."""
    if not hasattr(model, "pair_repulsion"):
        return {}, None
    zbl = model.pair_repulsion_fn
    return {
        "zbl.c": _array(zbl.c),
        "zbl.d": np.array(ZBL_DECAY),
        "zbl.screening": np.concatenate([_array(zbl.a_exp), _array(zbl.a_prefactor)]),
        "zbl.radius": _array(zbl.covalent_radii)[numbers],
    }, {"p": int(zbl.p)}


def _energies(model: Any, kept: list[int]) -> Tensors:  # noqa: ANN401
    """Energies of free atoms, and scale and shift of what the network gives.

    The last bias of a readout is part of the shift.
    """
    heads = len(model.heads)
    e0 = np.atleast_2d(_array(model.atomic_energies_fn.atomic_energies))[:, kept]
    scale, shift = np.ones(heads), np.zeros(heads)
    if hasattr(model, "scale_shift"):
        scale, shift = _array(model.scale_shift.scale), _array(model.scale_shift.shift)
    for block in model.readouts:
        if type(block).__name__ == "NonLinearBiasReadoutBlock":
            shift = shift + scale * biased_map(block.linear_2)[1]
    return {"atomic_energies": e0, "scale": scale, "shift": shift}


def _message(interaction: Any, kept: list[int]) -> tuple[Tensors, dict[str, Any]]:  # noqa: ANN401
    """Radial network, convolution and the linear map after it."""
    kind = type(interaction).__name__
    matrices = network_matrices(interaction.conv_tp_weights)
    tensors: Tensors = {f"radial.{i}": matrix for i, matrix in enumerate(matrices)}
    paths, tensors["cg.index"], tensors["cg.value"] = convolution_entries(interaction.conv_tp)
    density = "Density" in kind
    if density:
        tensors["density"] = network_matrices(interaction.density_fn)[0][:, 0]
    for degree in range(interaction.conv_tp.irreps_in2.lmax + 1):
        matrix = module_map(interaction.linear, degree)[None]
        if not density:
            matrix = matrix / float(interaction.avg_num_neighbors)
        if "Residual" not in kind:  # the message itself passes the map of the receiver's element
            matrix = matrix @ element_maps(interaction.skip_tp, degree, kept)
        tensors[f"linear.{degree}"] = matrix
    sender_l = interaction.conv_tp.irreps_in1.lmax
    return tensors, {"interaction": kind, "sender_l": sender_l, "paths": paths, "density": density}


def _product(block: Any, output_l: int, kept: list[int]) -> Tensors:  # noqa: ANN401
    """Monomials and weights of a symmetric contraction."""
    tensors: Tensors = {}
    for degree, contraction in enumerate(block.symmetric_contractions.contractions):
        if degree > output_l:
            break
        highest = contraction.correlation
        for order in range(1, highest + 1):
            index, value = contraction_entries(
                getattr(contraction, f"U_matrix_{order}").numpy(), degree, order
            )
            if not len(index):
                continue
            # mace counts them down from the highest
            by_order = [contraction.weights_max, *contraction.weights]
            weight = _array(by_order[highest - order])
            tensors[f"product.{degree}.{order}.index"] = index
            tensors[f"product.{degree}.{order}.value"] = value
            tensors[f"product.{degree}.{order}.weight"] = (
                weight if len(weight) == 1 else weight[kept]
            )
    return tensors


def _readout(block: Any, features: Features) -> tuple[Tensors, str]:  # noqa: ANN401
    """Tensors and kind of a readout of scalars."""
    if type(block).__name__ == "LinearReadoutBlock":
        return features.through("readout", [module_map(block.linear, 0)], degrees=False), "linear"
    first, (second, _) = module_map(block.linear_1, 0), biased_map(block.linear_2)
    neurons, heads = second.shape
    owner = np.arange(neurons) // (neurons // heads)
    masked = getattr(block, "num_heads", 1) > 1
    if masked:
        second = second * (owner[:, None] == np.arange(heads))
    gate = block.non_linearity.acts[0]
    if gate is None:
        return features.through("readout", [first @ second], degrees=False), "linear"
    name, factor = activation(gate)
    tensors = features.through("readout", [first], degrees=False)
    if hasattr(block, "linear_mid"):
        middle, tensors["readout.mid.bias"] = biased_map(block.linear_mid)
        if masked:
            middle = middle * (owner[:, None] == owner)
        tensors["readout.mid"] = middle * factor
    return {**tensors, "readout.out": second * factor}, str(name)


def _layers(model: Any, kept: list[int]) -> tuple[Tensors, list[dict[str, Any]]]:  # noqa: ANN401
    """Tensors and descriptions of all layers."""
    readouts = dict(enumerate(model.readouts))
    last = len(model.interactions) - 1
    if len(readouts) == 1:
        readouts = {last: readouts[0]}
    tensors: Tensors = {}
    described = []
    features = Features({}, module_map(model.node_embedding.linear, 0)[kept])
    for t, (interaction, block) in enumerate(zip(model.interactions, model.products, strict=True)):
        gated = type(interaction).__name__ == GATED
        basis = model.radial_embedding.out_dim
        layer, about = (
            gated_message(interaction, kept, basis) if gated else _message(interaction, kept)
        )
        up = [module_map(interaction.linear_up, degree) for degree in range(about["sender_l"] + 1)]
        layer |= features.through("up", up, degrees=True)
        if t == 0:
            layer["embedding"] = layer.pop("up.bias")
        output_l = 0 if t == last else block.linear.irreps_out.lmax  # energies read scalars
        layer |= _product(block, output_l, kept)
        skip = None
        if block.use_sc and "Residual" in about["interaction"]:
            skip = [
                module_map(interaction.skip_tp, degree)[None]
                if gated
                else element_maps(interaction.skip_tp, degree, kept)
                for degree in range(min(output_l, interaction.linear_up.irreps_in.lmax) + 1)
            ]
        product = [module_map(block.linear, degree) for degree in range(output_l + 1)]
        features = features.after(t, product, skip)
        kind = "none"
        if t in readouts:
            readout, kind = _readout(readouts[t], features)
            layer |= readout
        correlation = block.symmetric_contractions.contractions[0].correlation
        about |= {"output_l": output_l, "correlation": correlation, "readout": kind}
        described.append(about)
        tensors |= {f"layers.{t}.{name}": array for name, array in layer.items()}
    return tensors, described


def export(model: Any, kept: list[int]) -> tuple[Tensors, dict[str, Any]]:  # noqa: ANN401
    """Tensors and architecture of a model.

    Args:
        model: A checked MACE model in double precision.
        kept: Which of the model's species to keep.
    """
    numbers = [int(model.atomic_numbers[z]) for z in kept]
    radial_tensors, radial = _radial(model, numbers)
    zbl_tensors, zbl = _repulsion(model, numbers)
    layer_tensors, layers = _layers(model, kept)
    return {**_energies(model, kept), **radial_tensors, **zbl_tensors, **layer_tensors}, {
        "elements": numbers,
        "cutoff_ang": float(model.r_max),
        "channels": model.node_embedding.linear.irreps_out.dim,
        "max_ell": model.interactions[0].conv_tp.irreps_in2.lmax,
        "heads": model.heads,
        "radial": radial,
        "zbl": zbl,
        "layers": layers,
    }
