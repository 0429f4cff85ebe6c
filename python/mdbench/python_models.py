"""mace-torch models evaluated in Python: plain e3nn, with cuEquivariance's kernels, or compiled.

Importing this imports mace, which relaxes torch's loading for the whole process, and opening a
``*.model`` file runs code in it: only processes of their own and those who ask for it do.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

import mace
import numpy as np
import torch

from mdbench.ase_evaluator import AseEvaluator
from mdbench.core import PointResult, species_of
from mdbench.errors import ModelError, Refused
from mdbench.mace_state import fix_state, other_inputs
from mdbench.torch_pairs import Pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mdbench.ase_evaluator import Frame

FORMS = ("e3nn", "cueq", "compile")
DTYPES = {"single": torch.float32, "double": torch.float64}
_PLAIN = ("MACE", "ScaleShiftMACE")
_ROOM, _PADDED_TO = 1.05, 512
"""Spare edges of a compiled program, which is compiled again for another number of them."""


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


class TorchMace:
    """A MACE or ScaleShiftMACE model with its list of edges."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - mace has no types
        form: str,
        device: str,
        head: str | None,
        skin_ang: float,
    ) -> None:
        """Take a model of the dtype to compute in and bring it into a form."""
        self.form, self.device = form, device
        self.dtype = next(model.parameters()).dtype
        self.atomic_numbers = [int(z) for z in model.atomic_numbers]
        self.cutoff_ang = float(model.r_max)
        self.pairs = Pairs(self.cutoff_ang, skin_ang, device)
        self.num_edges = self._padded_edges = 0
        heads = [str(h) for h in getattr(model, "heads", None) or ["Default"]]
        if head is not None and head not in heads:
            raise ModelError(f"the model has no head '{head}': it has {', '.join(heads)}")
        if head is None and len(heads) > 1:
            raise ModelError(f"the model has several heads ({', '.join(heads)}): name one")
        self._head = heads.index(head) if head else 0
        self._num_layers = int(model.num_interactions)
        with _default_dtype(self.dtype):
            self._model = _in_form(model.to(device), form, device)
        for parameter in self._model.parameters():
            parameter.requires_grad = False

    @property
    def kernel(self) -> str:
        """What computes: read from the modules in use, after the first evaluation."""
        base = f"mace-torch {mace.__version__}, torch {torch.__version__}"
        if self.form == "cueq":
            return f"{_cueq_kernels(self._model, self._num_layers)}, {base}"
        if self.form == "compile":
            graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]  # noqa: SLF001
            if not graphs:
                raise ModelError("torch.compile compiled nothing")
            return f"torch.compile, inductor, {graphs} graphs, {base}"
        return f"e3nn {_version('e3nn')}, {base}"

    def evaluate(self, frame: Frame, *, virial: bool) -> PointResult:
        """Energy, forces and, if asked, the virial (else zeros)."""
        with _default_dtype(self.dtype):
            out = self._model(
                self._inputs(frame),
                compute_force=True,
                compute_virials=virial,
                training=self.form == "compile",
            )
        tensor = out["virials"].detach()[0].double().cpu().numpy() if virial else np.zeros((3, 3))
        # copies to the host: whatever ran on a GPU has ended when they are there
        return PointResult(
            float(out["energy"].detach().double()),
            out["forces"].detach().double().cpu().numpy(),
            tensor,
        )

    def _inputs(self, frame: Frame) -> dict[str, Any]:
        edges, images, shifts = self.pairs.update(frame)
        self.num_edges = int(edges.shape[1])
        if self.form == "compile":
            edges, images, shifts = self._padded(edges, images, shifts)
        count = len(frame.numbers)
        species = torch.as_tensor(species_of(frame.numbers, self.atomic_numbers).astype(np.int64))
        one_hot = torch.nn.functional.one_hot(species, len(self.atomic_numbers))

        def real(values: Any) -> Any:  # noqa: ANN401
            return torch.as_tensor(values, device=self.device).to(self.dtype)

        data = {
            "positions": real(frame.positions),
            "node_attrs": real(one_hot),
            "cell": real(frame.cell),
            "edge_index": edges,
            "shifts": real(shifts),
            "unit_shifts": real(images),
            "batch": torch.zeros(count, dtype=torch.long, device=self.device),
            "ptr": torch.tensor([0, count], device=self.device),
            "head": torch.tensor([self._head], device=self.device),
        }
        if self.form == "compile":
            for name in ("positions", "node_attrs"):
                data[name].requires_grad_(True)  # noqa: FBT003 - torch's name
        return data

    def _padded(self, edges: Any, images: Any, shifts: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
        """More edges, beyond the cutoff, where they add zeros: to a number that rarely changes."""
        if self.num_edges > self._padded_edges:
            self._padded_edges = -(-int(_ROOM * self.num_edges) // _PADDED_TO) * _PADDED_TO
        missing = self._padded_edges - self.num_edges
        far = torch.zeros(missing, 3, dtype=shifts.dtype, device=self.device)
        far[:, 0] = 2 * self.cutoff_ang
        ends = torch.zeros(2, missing, dtype=edges.dtype, device=self.device)
        zeros = torch.zeros_like(far)
        return torch.cat([edges, ends], 1), torch.cat([images, zeros]), torch.cat([shifts, far])


def _in_form(model: Any, form: str, device: str) -> Any:  # noqa: ANN401
    """A model with the kernels of a form.

    Raises:
        ModelError: when the form cannot be had.
    """
    if form == "cueq":
        from mace.cli.convert_e3nn_cueq import run as convert  # noqa: PLC0415 - warns on import

        return convert(model, device=device).to(device)
    if form == "compile":
        from mace.tools.compile import prepare  # noqa: PLC0415
        from mace.tools.scripts_utils import extract_model  # noqa: PLC0415

        plain = prepare(extract_model)(model=model, map_location=device)
        return torch.compile(plain, mode="default", fullgraph=True)
    return model


def _cueq_kernels(model: Any, num_layers: int) -> str:  # noqa: ANN401
    """Which of cuEquivariance's implementations the converted model holds.

    Raises:
        ModelError: when it fell back to plain torch, which it does with no more than a warning.
    """
    counts: dict[str, int] = {}
    for part in model.modules():
        if type(part).__name__ == "SegmentedPolynomial":
            name = type(part.m).__name__.removeprefix("SegmentedPolynomial")
            counts[name] = counts.get(name, 0) + 1
    fast = sum(n for name, n in counts.items() if name != "Naive")
    versions = f"cuequivariance-torch {_version('cuequivariance-torch')}"
    if fast < 2 * num_layers:  # a tensor product and a contraction each
        raise ModelError(f"{versions} fell back to plain torch: it has no CUDA operations here")
    return f"{versions}: " + ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))


def _load(path: Path, device: str, precision: str) -> Any:  # noqa: ANN401
    try:
        model = torch.load(path, map_location=device, weights_only=False)
    except Exception as problem:  # noqa: BLE001 - a damaged pickle raises anything
        text = str(problem).strip().splitlines() or [repr(problem)]
        raise ModelError(f"'{path}' cannot be opened by torch: {text[0]}") from None
    if not isinstance(model, torch.nn.Module) or isinstance(model, torch.jit.ScriptModule):
        raise ModelError(f"'{path}' holds no mace-torch model: give the *.model file")
    return model if precision == "model" else model.to(DTYPES[precision])


def open_model(  # noqa: PLR0913 - one argument a setting
    path: Path,
    *,
    form: str = "e3nn",
    precision: str = "model",
    device: str = "auto",
    head: str | None = None,
    state: Mapping[str, int] | None = None,
    skin_ang: float = 1.0,
) -> TorchMace | AseEvaluator:
    """Open a ``*.model`` file of mace-torch. It is code: open files that you trust.

    Models of other classes than MACE and ScaleShiftMACE are evaluated by mace-torch's own ASE
    calculator.

    Args:
        path: File.
        form: ``e3nn``, ``cueq`` (cuEquivariance) or ``compile`` (torch.compile).
        precision: ``single``, ``double``, or ``model``, that of the weights.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``, a GPU if there is one.
        head: Needed when the model has several.
        state: ``charge`` and ``spin``, as :func:`mdbench.model.convert` takes them.
        skin_ang: The list of edges reaches this much farther than the model.

    Raises:
        ModelError: when it cannot be opened or brought into that form.
    """
    if form not in FORMS:
        raise ModelError(f"form '{form}' is none of {', '.join(FORMS)}")
    if precision != "model" and precision not in DTYPES:
        raise ModelError(f"precision '{precision}' is none of model, {', '.join(DTYPES)}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(f"device {device}: this torch ({torch.__version__}) finds no GPU")
    model = _load(path, device, precision)
    if type(model).__name__ in _PLAIN and not other_inputs(model):
        try:
            fix_state(model, state or {}, str(path))
        except Refused as reason:
            raise ModelError(str(reason)) from None
        return TorchMace(model.eval(), form, device, head, skin_ang)
    if state:
        raise ModelError(f"'{path}': only MACE and ScaleShiftMACE models are given a state")
    return _other_model(path, form, precision, device, head)


def _other_model(
    path: Path, form: str, precision: str, device: str, head: str | None
) -> AseEvaluator:
    from mace.calculators import MACECalculator  # noqa: PLC0415 - heavy

    if form == "compile":
        raise ModelError(f"'{path}': only MACE and ScaleShiftMACE models are compiled")
    name = {"single": "float32", "double": "float64", "model": ""}[precision]
    chosen = {"head": head} if head else {}
    calculator = MACECalculator(
        str(path), device=device, default_dtype=name, enable_cueq=form == "cueq", **chosen
    )
    return AseEvaluator(calculator, f"mace-torch {mace.__version__}, MACECalculator")
