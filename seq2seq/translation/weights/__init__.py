"""Weights laid out once for translation: as float32 matrices or as 8-bit integers, for faster products on a CPU.

Read frozen.py first, which makes such a copy of a model; packed.py and int8.py are the two matrices. Imports nn and
torch only, and never changes the model that it copies.
"""
