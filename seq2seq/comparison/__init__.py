"""Comparisons: a grid of systems and seeds, trained, measured alike and compared with statistics.

Read plan.py first, which defines the grid file, then comparison.py, which runs it, and results.py, the one interface to
the report. Must not import report/ or cli.
"""
