"""Metrics: numbers from strings and links, without a model.

Read scores.py first for BLEU, chrF and TER by sacreBLEU, and links.py for word alignments and their error rate; the
other modules are parts of these two, and drawing.py draws attention weights as text. Must not import torch, nn or
search.
"""
