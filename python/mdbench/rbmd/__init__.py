"""RBMD, the random batch molecular dynamics engine: the same specification, run by it."""
