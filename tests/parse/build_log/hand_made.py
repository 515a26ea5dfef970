"""Lines of build logs, made by hand. Every text here is invented; nothing in it was measured.

In: names, ids and times. Out: lines. Next: the tests of this folder.
"""

from __future__ import annotations

RULER = "*" * 15


def formats(text: str) -> str:
    return f"{RULER} Autotuning format combination: {text} {RULER}"


def reformat(text: str, blank: str = " ") -> str:
    return f"{RULER} Autotuning Reformat:{blank}{text} {RULER}"


def runner(layer: str, name: str) -> str:
    return f"--------------- Timing Runner: {layer} ({name})"


def costs(name: str) -> str:
    return f"=============== Computing costs for {name}"


def chose(name: str, tactic: str) -> str:
    return f">>>>>>>>>>>>>>> Chose Runner Type: {name} Tactic: {tactic}"
