"""The special tokens of every vocabulary: their ids, their pieces, and how a decoded text shows an unknown one."""

SPECIAL_IDS = {"pad": 0, "unk": 1, "bos": 2, "eos": 3}
PAD, UNK, BOS, EOS = SPECIAL_IDS.values()
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")  # in the order of their ids
UNKNOWN_SURFACE = "\u2047"  # "⁇"
