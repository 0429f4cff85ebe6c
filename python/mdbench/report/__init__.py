"""Analyses in; one page with figures, tables and their data out."""

from mdbench.report.write import write_report

__all__ = ["write_report"]
