"""Figures of the report: results of analyses in, matplotlib figures with their data out."""
