"""Exported models: two ONNX graphs, and their translation by onnxruntime.

Read export.py first, which writes the graphs, then engine.py and translator.py, which run them; graphs.py checks what
a stranger's graph may contain. All but export.py must work without torch, and so must import no module that needs it.
"""
