"""MACE molecular dynamics in stock LAMMPS, and a benchmarking harness around it.

Importing this package must stay cheap and must never fail: LAMMPS's ``lmp`` command imports it at
every start to ask for the plugin's folder.
"""

import os
from importlib.util import find_spec

TYPE_CHECKING = False  # typing's own costs an import

__all__ = ["D3Calculator", "MACECalculator", "__version__", "plugin_folder"]
__version__ = "0.1.0"


def plugin_folder() -> str:
    """Folder of ``mdbenchplugin.so``, for the ``lammps.plugins`` entry point.

    That of all that is built: an editable installation keeps it apart from the sources.
    """
    core = find_spec("mdbench._core")
    built = core.origin if core and core.origin else __file__
    return os.path.dirname(built)  # noqa: PTH120 - pathlib would slow every start of lmp


if TYPE_CHECKING:
    from mdbench.calculator import MACECalculator
    from mdbench.d3 import D3Calculator
else:

    def __getattr__(name: str) -> object:
        """Import what is heavy when it is asked for."""
        if name == "MACECalculator":
            from mdbench.calculator import MACECalculator  # noqa: PLC0415

            return MACECalculator
        if name == "D3Calculator":
            from mdbench.d3 import D3Calculator  # noqa: PLC0415

            return D3Calculator
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
