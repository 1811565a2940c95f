"""The model directory: weights, tokenizers, config, card and shortlist, on disk and on the Hugging Face hub.

Read files.py first, which replaces and reads the directory as a whole, checked by hashes, then model.py, which loads
and saves a model. No pickle is written or read. Must not import translation or training: those use a model, this room
stores it.
"""
