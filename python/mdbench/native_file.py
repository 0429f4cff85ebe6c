"""Writing native model files; ``plugin/evaluator/native/FORMAT.md`` describes them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save

if TYPE_CHECKING:
    from pathlib import Path

BLANK = "0" * 64


def write(path: Path, tensors: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Write a native model file and its checksum.

    Args:
        path: File to write.
        tensors: Arrays by name: ``float64``, or ``int32`` where they are indices.
        metadata: Everything but ``format`` and ``checksum``.
    """
    new = any(name.endswith(("after.0", "readout.mid")) for name in tensors)
    described = {"format": f"mdbench-mace-{2 if new else 1}", "checksum": BLANK, **metadata}
    content = bytearray(
        save(
            {name: np.ascontiguousarray(array) for name, array in tensors.items()},
            metadata={"mdbench": json.dumps(described)},
        )
    )
    digest = hashlib.sha256(content).hexdigest().encode()
    at = content.index(BLANK.encode(), content.index(b"checksum"))
    content[at : at + len(digest)] = digest
    path.write_bytes(content)
