"""The special tokens of every vocabulary: their ids, their pieces, and how a decoded text shows an unknown one."""

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")  # in the order of their ids
UNKNOWN_SURFACE = "\u2047"  # "⁇"
