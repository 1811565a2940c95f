"""The network: tensors in, tensors out.

Read attention.py and scores.py first, the mechanism that this toolkit compares, then decoder.py for the wirings and
model.py for the whole network. masking.py defines the masks that all modules use. Must not import text or config:
token ids arrive as tensors, settings as plain arguments.
"""
