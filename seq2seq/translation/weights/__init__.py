"""Weights in a layout for translation, float32 or 8-bit integers, with faster products on a CPU.

Read frozen.py first, which makes such a copy of a model; packed.py and int8.py define the two kinds of matrices.
Imports nn and torch only, and never changes the model that it copies.
"""
