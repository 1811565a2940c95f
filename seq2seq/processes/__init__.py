"""Processes: the group of a distributed job, child processes that end with their parent, and signals.

Read group.py first. Must not import training, bulk or any other room that uses processes: what the processes compute is
passed to them as functions.
"""
