"""RBMD, random batch molecular dynamics: its inputs from specifications, and back."""
