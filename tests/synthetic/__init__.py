"""Synthetic captures with known truth. Everything in here is invented; nothing was measured on a GPU.

In: a seed and switches. Out: a build log, layer info and timing profile in TensorRT's own forms, and the verdict right for each layer.
Rooms: model.py (a world and its optimum), switches.py, worlds.py (random worlds), dialects.py and artefacts.py (print one), rules.py and
judge.py
(what is true, what the text proves), truth.py (captures; start there). The line forms come from reference logs, never from trtlens' parser.
"""
