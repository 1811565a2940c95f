"""Translation of many lines: streams of any length, in chunks, by several processes, resumed after an interruption.

Read job.py first, which translates one chunk, then workers.py, which distributes chunks over processes, and
unfinished_output.py, from which an interrupted run resumes. Must not import cli: it prints nothing itself.
"""
