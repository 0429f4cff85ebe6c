"""Estimators: frames and columns in, numbers with errors out. Nothing here reads files."""
