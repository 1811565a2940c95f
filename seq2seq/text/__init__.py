"""Text: lines, readers of parallel text, datasets and streams, tokenizers, piece ids. Strings only, no torch.

Read corpus.py first, which reads a parallel text into checked pairs, then tokenizer.py and encoding.py, which turn
them into piece ids; the other modules serve these three. Must not import torch, nor any room below this one: nn,
search, metrics and what follows.
"""
