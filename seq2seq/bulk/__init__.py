"""Translation of many lines: streams of any length, in chunks, by several processes, resumed after an interruption.

Read job.py first, which translates one chunk, then workers.py, which shares chunks among processes, and
unfinished_output.py, from which an interrupted run goes on. Must not import cli: it prints nothing itself.
"""
