"""The translation server: the HTTP interface that LibreTranslate's clients speak, with limits on everything.

Read app.py first, which has the endpoints, then batcher.py, where requests that wait become batches. fair_queue.py,
gate.py, tags.py and detection.py know nothing of HTTP. page/ has the files of the page at /, which asks the endpoints
alone. Must not import cli: messages go to a function that the caller gives.
"""
