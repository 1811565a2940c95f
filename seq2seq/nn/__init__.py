"""The network: tensors in, tensors out.

Read attention.py and scores.py first, which hold the mechanism that is compared here, then decoder.py for the wirings
and model.py for the whole. masking.py defines masks for all of them. Must not import text or config: token ids arrive
as tensors, settings as plain arguments.
"""
