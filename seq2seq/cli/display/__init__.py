"""Display of the command line: output on standard output, progress and messages on standard error.

Read console.py first, the only module that prints; the others format what one command shows. Must not import torch, so
that a message never waits for it.
"""
