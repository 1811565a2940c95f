"""Translation: text in, translations, scores and alignments out.

Read translator.py first, the public Python API, with its options and results in translation.py; forcing.py and
word_alignment.py score and align given pairs. Must not import training, and prints nothing.
"""
