"""Search: hypotheses from any step function, by beam search or sampling.

Read stepping.py first, the interface to a model, then beam.py. limits.py, penalty.py and ranking.py are the rules that
searches share, history.py traces hypotheses back. Must not import nn, text or config, so that a search is tested on a
table of probabilities written by hand.
"""
