"""Verdicts against captures whose truth is known (tests/synthetic): no `proven` is ever wrong, and most fallbacks end proven."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.synthetic.truth import Capture, Switches, make_capture
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis, LayerVerdict

SEEDS = range(700)


def write(capture: Capture, folder: Path) -> list[str]:
    paths = []
    for name, text in (("build.log", capture.log), ("layer_info.json", capture.layer_info), ("profile.json", capture.profile)):
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
            paths.append(str(folder / name))
    return paths


def diagnose(capture: Capture, folder: Path) -> BuildDiagnosis:
    build = explain(write(capture, folder)).captures[0].main
    assert build is not None
    return build


def defects(capture: Capture, build: BuildDiagnosis) -> list[str]:
    """What must never be: a wrong `proven`, a `proven` the text does not carry, an eligibility proven and false."""
    found = []
    first: dict[str, LayerVerdict] = {}
    for layer in build.layers:
        first.setdefault(layer.name, layer)
    for name, truth in capture.truth.items():
        layer = first.get(name)
        if layer is None:
            continue
        verdict = (layer.status, layer.reason, layer.proof)
        if truth.wrong_proven(*verdict):
            found.append(f"seed {capture.seed} {capture.dialect.name} {name}: {verdict} is wrong, true is {sorted(map(str, truth.true))}")
        elif truth.over_claims(*verdict):
            found.append(f"seed {capture.seed} {capture.dialect.name} {name}: {verdict} is more than the text carries")
        if layer.eligibility.proof == "proven" and truth.eligible is not None and layer.eligibility.value is not truth.eligible:
            found.append(f"seed {capture.seed} {capture.dialect.name} {name}: eligibility {layer.eligibility.value} proven, true is {truth.eligible}")
    return found


def test_no_proven_verdict_is_wrong_and_most_fallbacks_are_proven(tmp_path: Path) -> None:
    bad: list[str] = []
    unacceptable: list[str] = []
    tally: Counter[str] = Counter()
    reasons: set[str | None] = set()
    for seed in SEEDS:
        capture = make_capture(seed)
        for old in tmp_path.iterdir():
            old.unlink()
        build = diagnose(capture, tmp_path)
        bad += defects(capture, build)
        reasons |= {layer.reason for layer in build.layers}
        for layer in build.layers:
            truth = capture.truth.get(layer.name)
            if truth is None:
                continue
            tally["layers"] += 1
            if truth.unacceptable(layer.status, layer.reason):
                unacceptable.append(f"seed {seed} {layer.name}: {layer.status}/{layer.reason}")
            if capture.complete and truth.fallback:
                tally["fallbacks"] += 1
                tally["proven"] += layer.proof == "proven"
    assert not bad, "\n".join(bad[:20])
    assert len(unacceptable) <= tally["layers"] * 0.001, "\n".join(unacceptable[:20])
    assert tally["proven"] >= 0.85 * tally["fallbacks"] > 100
    assert reasons >= {"picked", "slower", "tie", "format-cost", "io-format", "no-kernel", "no-kernel-precision", "no-kernel-arch", "workspace"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(1_000, 10_000_000))
def test_no_proven_verdict_is_wrong_in_random_captures(seed: int, tmp_path: Path) -> None:
    capture = make_capture(seed)
    for old in tmp_path.iterdir():
        old.unlink()
    assert defects(capture, diagnose(capture, tmp_path)) == []


@pytest.mark.parametrize("dialect", ["8.2", "8.5", "8.6", "10.3", "10.16"])
def test_every_dialect_gives_the_same_verdicts(dialect: str, tmp_path: Path) -> None:
    """The same world, told by five versions of TensorRT with everything captured, comes out at its true reasons."""
    right = wrong = 0
    for seed in range(12):
        capture = make_capture(seed, dialect, Switches())
        for old in tmp_path.iterdir():
            old.unlink()
        for layer in diagnose(capture, tmp_path).layers:
            truth = capture.truth.get(layer.name)
            if truth is not None and truth.fallback:
                ok = (layer.status, layer.reason) in truth.true
                right, wrong = right + ok, wrong + (not ok)
    assert right > 10 and wrong == 0


@pytest.mark.parametrize(
    ("switch", "warning"),
    [("other_build_json", "capture-mismatch"), ("stderr_missing", "stderr-missing"), ("truncated", "log-truncated"), ("names_only", "names-only")],
)
def test_what_undermines_trust_is_said(switch: str, warning: str, tmp_path: Path) -> None:
    seen = expected = 0
    for seed in range(20):
        capture = make_capture(seed, None, Switches(), **{switch: True})
        if warning not in capture.warnings:
            continue
        for old in tmp_path.iterdir():
            old.unlink()
        expected += 1
        seen += warning in {w.id for w in diagnose(capture, tmp_path).warnings}
    assert expected > 3 and seen == expected


def test_a_json_of_another_build_proves_nothing_about_causes(tmp_path: Path) -> None:
    for seed in range(15):
        capture = make_capture(seed, None, Switches(), other_build_json=True)
        if "capture-mismatch" not in capture.warnings:
            continue
        for old in tmp_path.iterdir():
            old.unlink()
        for layer in diagnose(capture, tmp_path).layers:
            assert not (layer.status == "dense" and layer.proof == "proven")
