"""The report of a comparison: tables, figures, an HTML page, Markdown and CSV, made from `Results` alone.

Read report.py first, then tables.py and plots.py. No model is loaded and nothing is measured here: must not import nn,
translation or training.
"""
