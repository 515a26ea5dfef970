"""Synthetic captures with known truth. Everything in here is invented; nothing was measured on a GPU.

In: a seed and switches. Out: a build log, layer info and timing profile in TensorRT's own forms, and the verdict that is right for each layer.
Rooms: model.py (the world and its optimum), worlds.py (random worlds), dialects.py (prints a world), truth.py (what is true, what the text
proves). The line forms come from reference logs, never from trtlens' parser: generator and parser agree only because both follow the dialects.
"""
