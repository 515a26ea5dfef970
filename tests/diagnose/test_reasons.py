"""The catalogue is complete, consistent with itself, and the docs pages are its current text."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from trtlens.diagnose.model import STATUSES
from trtlens.diagnose.reasons import CAUSES, REASONS, WARNINGS, cause_map, reason, render_index, render_page
from trtlens.errors import UsageError

ROOT = Path(__file__).parents[2]

# The public contract: people script against these ids, so the list stands here a second time.
VERDICT_IDS = {
    "picked",
    "picked-but-slower",
    "slower",
    "tie",
    "format-cost",
    "io-format",
    "backend-strategy",
    "no-kernel",
    "no-kernel-precision",
    "no-kernel-arch",
    "workspace",
    "out-of-memory",
    "heuristic-pruned",
    "not-captured",
    "timing-cache",
    "twin-layer",
    "myelin-opaque",
    "log-truncated",
    "unexplained",
    "names-only",
    "unnamed-tactic",
    "jit-deferred",
    "eligibility-unknown",
}
INELIGIBLE_IDS = {
    "flag-off",
    "pattern",
    "pattern-wrong-axis",
    "channels-partial-group",
    "grouped",
    "weights-not-constant",
    "op-kind",
    "dla",
    "strict-nans",
    "precision",
    "not-listed",
}
SUSPECT_IDS = {
    "no-kernel-epilogue",
    "no-kernel-format",
    "no-kernel-alignment",
    "memory-bound",
    "few-tiles",
    "partial-tile",
    "short-reduction",
    "precision-choice",
    "fusion-differs",
    "opt-shape",
    "hardware-compat",
    "algorithm-selector",
    "gemm-plugin",
    "clocks",
    "sparsity-must",
}
WARNING_IDS = {
    "capture-mismatch",
    "stderr-missing",
    "timing-cache-used",
    "several-builds",
    "log-truncated",
    "names-only",
    "out-of-memory",
    "eligibility-disagrees",
    "unknown-lines",
    "time-sum",
}
NEVER_PROVEN = {"out-of-memory", "heuristic-pruned", "pattern-wrong-axis", "channels-partial-group", "strict-nans", "precision"}


@pytest.mark.parametrize(
    ("kind", "ids"),
    [("verdict", VERDICT_IDS), ("ineligible", INELIGIBLE_IDS), ("suspect", SUSPECT_IDS)],
    ids=["verdict", "ineligible", "suspect"],
)
def test_catalogue_holds_exactly_the_ids_of_the_contract(kind: str, ids: set[str]) -> None:
    assert {r.id for r in REASONS.values() if r.kind == kind} == ids


def test_warnings_are_exactly_those_of_the_contract() -> None:
    # The contract asks that unmatched profile rows and damage be reported and names no id for them; nor for what a capture folder says of itself.
    ours = {"unmatched-rows", "damaged-input", "several-profiles", "build-failed", "accuracy-not-kept"}
    assert set(WARNINGS) == WARNING_IDS | ours


def test_statuses_follow_the_contract() -> None:
    assert all(set(r.statuses) <= set(STATUSES) for r in REASONS.values())
    assert {r.id for r in REASONS.values() if "sparse" in r.statuses and r.kind == "verdict"} == {"picked", "picked-but-slower"}
    assert all(r.statuses == ("ineligible",) for r in REASONS.values() if r.kind == "ineligible")
    assert {r.id for r in REASONS.values() if r.kind != "suspect" and "dense-unknown" in r.statuses} == {"eligibility-unknown"}
    undetermined = {"not-captured", "timing-cache", "myelin-opaque", "log-truncated", "names-only", "unnamed-tactic", "jit-deferred"}
    assert {r.id for r in REASONS.values() if r.kind != "suspect" and "undetermined" in r.statuses} == undetermined


def test_what_the_contract_forbids_to_prove_is_never_proven() -> None:
    never = {r.id for r in REASONS.values() if r.proven_when == "never"}
    assert never >= NEVER_PROVEN | SUSPECT_IDS
    proven = {
        "picked",
        "picked-but-slower",
        "slower",
        "tie",
        "format-cost",
        "no-kernel",
        "workspace",
        "flag-off",
        "pattern",
        "grouped",
        "dla",
        "not-listed",
    }
    assert not proven & never


def test_every_known_cause_maps_to_exactly_one_id() -> None:
    claimed = [cause for r in REASONS.values() for cause in r.domain_ids]
    assert sorted(claimed) == sorted(CAUSES)
    assert cause_map()["C_NOT_MULT4"] == "channels-partial-group"
    assert list(cause_map()) == list(CAUSES)


@pytest.mark.parametrize("id", list(REASONS))
def test_texts_are_whole_and_titles_fit_a_table(id: str) -> None:
    entry = reason(id)
    assert 0 < len(entry.title) <= 60
    assert not entry.title.endswith(".")
    for text in (entry.means, entry.cause, entry.evidence, entry.proven_when, entry.suggested_when, entry.needs, *entry.sources):
        assert text.strip() == text
        assert text
        assert "  " not in text
        assert "|" not in text, "would break the index table"
    assert entry.sources
    assert all(remedy.text.endswith((".", ";")) and remedy.verify.endswith(".") for remedy in entry.remedies)
    if id != "picked":
        assert entry.remedies


def test_every_undetermined_or_unknown_reason_says_what_to_capture_next() -> None:
    for entry in REASONS.values():
        if {"undetermined", "dense-unknown"} & set(entry.statuses):
            assert entry.next_capture, entry.id


def test_texts_that_lean_on_the_inventory_say_that_desktop_tensorrt_has_more() -> None:
    for id in ("no-kernel-epilogue", "no-kernel-format", "no-kernel-alignment"):
        assert "desktop TensorRT has more" in reason(id).cause


def test_unknown_id_is_a_usage_error_that_names_close_ones() -> None:
    with pytest.raises(UsageError, match=r"format-cost"):
        reason("formatcost")
    with pytest.raises(UsageError, match=r"memory-bound"):
        reason("MEMORY_BOUND")
    with pytest.raises(UsageError) as caught:
        reason("qqqqqqqq" * 10_000)
    assert "did you mean" not in str(caught.value)


def test_page_holds_every_part_of_the_entry() -> None:
    for entry in REASONS.values():
        page = render_page(entry)
        for part in (
            entry.title,
            entry.means,
            entry.cause,
            entry.evidence,
            entry.proven_when,
            *entry.sources,
            *(r.verify for r in entry.remedies),
        ):
            assert part in page


def test_docs_pages_are_current() -> None:
    spec = importlib.util.spec_from_file_location("make_reasons", ROOT / "docs" / "make_reasons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reasons").glob("*.md")}
    assert on_disk == module.pages(), "run: python docs/make_reasons.py"
    index = render_index()
    for id in (*REASONS, *WARNINGS):
        assert id in index


def test_a_page_says_suggested_only_of_what_is_ever_suggested() -> None:
    """Reasons that say what the inputs do not show are never surer than `unknown`."""
    assert "Suggested when" not in render_page(reason("timing-cache"))
    assert "proof `unknown`" in render_page(reason("timing-cache"))
    assert "Suggested when" in render_page(reason("slower"))


def test_catalogue_is_light_to_import() -> None:
    heavy = {"pandas", "numpy", "onnx", "plotly", "pyarrow", "rich", "jinja2"}
    code = f"import sys, trtlens.diagnose.reasons\nprint(sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
