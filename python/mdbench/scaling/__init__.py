"""Time variants of the model over sizes: measure, fit, show, compare."""
