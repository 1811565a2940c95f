"""Training: from a config to a run directory with models, a log and a state from which a stopped run resumes.

Read trainer.py first, the loop over steps, then state.py, which holds everything that a resume needs; the other modules
are what the loop uses. Must not import comparison or cli, and prints nothing: events go to an observer.
"""
