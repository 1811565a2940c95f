"""The model directory: weights, tokenizers, config, card and shortlist, on disk and on the Hugging Face hub.

Read files.py first, the directory as files, with hashes, that is replaced as a whole, then model.py, which loads and
saves a model. No pickle is written or read. Must not import translation or training: those use a model, this room
stores it.
"""
