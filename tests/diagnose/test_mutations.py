"""Every condition that guards a `proven` is needed: with it dropped, a capture that is right without the change comes out wrong.

In: mutants.json (which snippet of which module, and what catches it), the synthetic captures, the hand-made ones. Out: a failure
for each mutant that nothing catches, and for each snippet that no longer stands in the code: then the condition has moved, and its mutant must follow.
A catcher is a test of one of HAND_MADE by name, or (seed, switches) of a synthetic capture; an exception is a catch, too, as a user would see it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import trtlens.diagnose.explain as unchanged
from tests.diagnose import (
    hand_made,
    test_adversarial,
    test_conditions,
    test_dictionary,
    test_diff,
    test_eligibility,
    test_environment,
    test_findings,
    test_gates,
    test_ineligible_causes,
    test_join_conditions,
    test_load,
    test_matching,
    test_myelin_profiles,
    test_plain_races,
    test_reason_conditions,
    test_reformat_conditions,
    test_shared_facts,
    test_sparsity,
    test_tensorrt8_races,
    test_traces,
    test_two_four,
    test_weights,
    test_weights_join,
    test_what_logs_hide,
    test_what_stands_elsewhere,
)
from tests.diagnose.mutate import changed_source, mutated
from tests.diagnose.test_truth import defects, write
from tests.synthetic.truth import Capture, Switches, make_capture
from trtlens.diagnose import load

HAND_MADE = (
    test_adversarial, test_conditions, test_dictionary, test_diff, test_eligibility, test_environment, test_findings, test_gates, test_ineligible_causes,
    test_join_conditions, test_load, test_matching, test_myelin_profiles, test_plain_races, test_reason_conditions, test_reformat_conditions, test_shared_facts, test_sparsity,
    test_tensorrt8_races, test_traces, test_two_four, test_weights, test_weights_join, test_what_logs_hide, test_what_stands_elsewhere,
)  # fmt: skip
MUTANTS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "mutants.json").read_text(encoding="utf-8"))


@cache
def capture(seed: int, switches: tuple[str, ...]) -> Capture:
    return make_capture(seed, None, Switches(), **dict.fromkeys(switches, True)) if switches else make_capture(seed)


def wrong(made: Capture, explained: ModuleType, inputs: load.Capture) -> list[str]:
    """What an unmutated trtlens never says of this capture."""
    build = explained.diagnose(inputs, explained.Options()).main
    found = defects(made, build)
    for layer in build.layers:
        truth = made.truth.get(layer.name)
        if truth is not None and truth.unacceptable(layer.status, layer.reason):
            found.append(f"{layer.name}: {layer.status}/{layer.reason} is no answer")
    return found + [f"warning {lost} is lost" for lost in made.warnings - {w.id for w in build.warnings}]


def parameters(test: Any) -> Iterator[dict[str, Any]]:
    """Each set of arguments that pytest would call the test with."""
    marks = [mark.args[:2] for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    for values in product(*(mark[1] for mark in marks)):
        found: dict[str, Any] = {}
        for (names, _), value in zip(marks, values, strict=True):
            found.update({names: value} if isinstance(names, str) else zip(names, value, strict=True))
        yield found


def point_to_the_mutant(tests: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tests import from trtlens.diagnose is what a mutated package holds under that name."""
    for name, item in list(vars(tests).items()):
        home = getattr(item, "__module__", None)
        if home in sys.modules and home.startswith("trtlens.diagnose") and hasattr(item, "__qualname__"):
            monkeypatch.setattr(tests, name, getattr(sys.modules[home], name))


def caught_by_hand(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    tests = next(module for module in HAND_MADE if hasattr(module, name))
    for module in (hand_made, *HAND_MADE):  # which makes the verdicts of most of them
        point_to_the_mutant(module, monkeypatch)
    test = getattr(tests, name)
    for number, arguments in enumerate(parameters(test)):
        place = folder / f"{name}{number}"
        place.mkdir()
        fixtures = {"tmp_path": place, "monkeypatch": monkeypatch}
        try:
            test(**arguments, **{fixture: fixtures[fixture] for fixture in inspect.signature(test).parameters if fixture in fixtures})
        except Exception:  # whatever a user would see: a wrong verdict or a crash
            return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{m['module']}: {m['drops']}" for m in MUTANTS])
def test_a_dropped_condition_is_noticed(mutant: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caught = False
    for catcher in mutant["caught_by"]:
        if isinstance(catcher, str):
            with mutated(mutant["module"], mutant["old"], mutant["new"]):
                importlib.import_module(f"trtlens.diagnose.{mutant['module']}")  # which `explain` alone need not take with it
                caught = caught_by_hand(catcher, tmp_path, monkeypatch)
        else:
            made = capture(catcher[0], tuple(catcher[1]))
            inputs = load.load_captures(write(made, tmp_path))[0]
            assert wrong(made, unchanged, inputs) == []
            with mutated(mutant["module"], mutant["old"], mutant["new"]) as explained:
                try:
                    caught = bool(wrong(made, explained, inputs))
                except Exception:
                    caught = True
    assert caught, f"nothing notices that this condition is gone: {mutant['drops']}"


def test_a_snippet_that_is_gone_or_repeated_fails_loudly() -> None:
    for snippet in ("no such line in this module", "return"):
        with pytest.raises(AssertionError, match="not once"):
            changed_source("rules", snippet, "")
