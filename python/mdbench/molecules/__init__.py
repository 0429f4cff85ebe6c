"""Atoms with their types, charges, bonds and force-field numbers, and the files that hold them."""
