"""MACE molecular dynamics in stock LAMMPS, and a benchmarking harness around it.

Importing this package must stay cheap and must never fail: LAMMPS's ``lmp`` command imports it at
every start to ask for the plugin's folder.
"""

import os

__version__ = "0.1.0"


def plugin_folder() -> str:
    """Folder of ``mdbenchplugin.so``, for the ``lammps.plugins`` entry point."""
    return os.path.dirname(__file__)  # noqa: PTH120 - pathlib would slow every start of lmp
