"""``python -m mdbench``."""

from mdbench.cli import main

main()
