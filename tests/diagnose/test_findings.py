"""The warnings that undermine trust, one condition at a time: when each is given, and when it is not. Every text here is invented.

In: engine layers and lists as the joins make them, logs built line by line with the builders of test_adversarial.py. Out: assertions on warnings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.diagnose.hand_made import (
    DENSE,
    INFO_HWC8,
    KERNELS,
    LAYER,
    SPARSE,
    dense_log,
    info,
    info_layer,
    main,
)
from trtlens.diagnose.citing import Citer
from trtlens.diagnose.explain import explain
from trtlens.diagnose.findings import (
    Mismatch,
    absent_names,
    chosen_otherwise,
    contradiction,
    find_mismatch,
    info_warnings,
    listed_strangers,
    log_warnings,
    manifest_warnings,
    mismatch_warning,
    unmatched_rows,
)
from trtlens.diagnose.layers import EngineLayer
from trtlens.diagnose.model import BuildDiagnosis, LineEvidence, PointerEvidence, Warning
from trtlens.diagnose.sparsity import ChosenPass, Listing, Matches
from trtlens.parse.build_log import parse_build_log
from trtlens.parse.build_log.records import Line
from trtlens.parse.layer_info import parse_layer_info
from trtlens.parse.textio import TextSource
from trtlens.parse.timing_profile import parse_timing_profile

V, NOTE = "[01/02/2030-03:04:05] [V] [TRT] ", "[01/02/2030-03:04:05] [I] "
ENGINE = V + "Engine Layer Information"


def one(name: str, tactic: int | None = DENSE, kind: str | None = "CaskConvolution", **changes: Any) -> EngineLayer:
    given: dict[str, Any] = {"tactic_id": tactic, "pointer": "/Layers/0", **changes}
    return EngineLayer(name, given.pop("base_name", name), kind, (name,), **given)


def cite() -> Citer:
    return Citer(None, 0)


# ---- two builds: ids and names


@pytest.mark.parametrize(
    ("said", "logged", "differ"),
    [
        (one("a"), one("a"), False),
        (one("a"), one("a", SPARSE), True),
        (one("a", 0), one("a", SPARSE), False),
        (one("a", None), one("a", SPARSE), False),
        (one("a"), one("a", 0), False),
        (one("a"), one("a", None), False),
        (one("a"), one("a", SPARSE, "CudnnConvolution"), False),
        (one("a"), one("a", SPARSE, None), False),
        (one("a", kind="CudnnConvolution"), one("a", SPARSE), True),
    ],
    ids=["equal", "another id", "no id", "none said", "no id in the log", "none in the log", "not of Cask", "of no runner", "the log's runner counts"],
)
def test_ids_of_one_layer_differ_only_where_both_are_of_cask(said: EngineLayer, logged: EngineLayer, differ: bool) -> None:
    found = find_mismatch([said], [logged])
    assert (found is not None) is differ and (found is None or found == Mismatch(((said, logged),), ()))
    assert find_mismatch([said], []) is None and find_mismatch([], [logged]) is None


def names(number: int, *more: str, kind: str | None = "CaskConvolution") -> list[EngineLayer]:
    return [*(one(f"layer{n}") for n in range(number)), *(one(name, kind=kind) for name in more)]


def test_more_than_a_twentieth_of_the_names_of_either_must_be_absent_from_the_other() -> None:
    assert absent_names(names(20), names(20)) == ()
    assert absent_names(names(19, "a"), names(19)) == absent_names(names(19), names(19, "a")) == ()  # 1 of 20 is a twentieth
    assert absent_names(names(18, "b", "a"), names(18)) == absent_names(names(18), names(18, "b", "a")) == ("a", "b")
    assert absent_names(names(18, "a"), names(18)) == ("a",)
    assert absent_names([one("x [profile 1]", base_name="x")], [one("x")]) == ()
    assert find_mismatch(names(18, "a"), names(18)) == Mismatch((), ("a",)) and find_mismatch(names(19, "a"), names(19)) is None
    assert find_mismatch(names(18, "a"), names(18), cut=True) is None  # a log that ends among its layers
    assert find_mismatch(names(18), names(18, "a"), cut=True) == find_mismatch([*names(18), one("b", 1)], names(18, "a"), cut=True) == Mismatch((), ("a",))


def test_copies_count_as_names_that_are_there_and_not_as_names_that_are_lost() -> None:
    copies = [one("layer0", kind="Reformat"), one("layer1", kind="NoOp")]
    assert absent_names([*names(2), *copies], names(2)) == ()
    assert absent_names(names(2), [*copies, one("layer2")]) == ("layer2",)  # names-only layer info does not say which are copies
    assert absent_names(copies, names(3)) == absent_names(names(3), copies) == ()  # of copies alone nothing is known


@pytest.mark.parametrize(("name", "kind"), [("region", "Myelin"), ("fc", "kgen"), ("{ForeignNode[a...b]}", None), ("__myl_Fc_myl0_1", None), ("__myelin1", "Unknown"), ("fc_myl4_0", "Unknown")])
def test_what_myelin_made_has_other_names_in_the_log(name: str, kind: str | None) -> None:
    assert absent_names(names(2, name, kind=kind), names(2)) == absent_names(names(2), names(2, name, kind=kind)) == ()
    assert absent_names(names(2, "conv + relu", kind="Convolution"), names(2)) == ("conv + relu",)


def test_both_ids_of_the_costliest_layers_are_cited() -> None:
    pairs = [(one(f"l{n}", pointer=f"/Layers/{n}"), one(f"l{n}", SPARSE, line=Line(n + 1, n, "a line"))) for n in range(7)]
    found = mismatch_warning(Mismatch(tuple(pairs), ()), 1, 0, cite(), {"l3": 2.0, "l5": 3.0})
    assert [item.line for item in found.evidence if isinstance(item, LineEvidence)] == [6, 4, 1, 2, 3]
    assert [item.pointer for item in found.evidence if isinstance(item, PointerEvidence)] == [f"/Layers/{n}/TacticValue" for n in (5, 3, 0, 1, 2)]
    assert "the log runs l5 with tactic 0x5000000000000001, the layer info with 0xd000000000000001 (and 6 more layers)" in found.message
    assert "(and 1 more layer)" in mismatch_warning(Mismatch(tuple(pairs[:2]), ()), 1, 0, cite(), {}).message
    alone = mismatch_warning(Mismatch(((pairs[0][0], one("l0", SPARSE)),), ()), 1, 0, cite(), {})
    assert "more" not in alone.message and [type(item) for item in alone.evidence] == [PointerEvidence]  # the log printed no line of it
    assert "1 layer name of one is absent from the other, 'a' among them" in mismatch_warning(Mismatch((), ("a",)), 1, 0, cite(), {}).message
    assert "2 layer names of one are absent" in mismatch_warning(Mismatch((), ("a", "b")), 1, 0, cite(), {}).message


def test_a_list_that_names_no_layer_is_another_models_where_there_are_enough_to_tell() -> None:
    listed, three = ["x", "y", "z"], names(3)
    assert listed_strangers(three, listed, listed) == Mismatch((), ("x", "y", "z"))
    assert listed_strangers(three, listed, listed[:2]) is None  # one is known
    assert listed_strangers(three, listed[:2], listed[:2]) is None and listed_strangers(names(2), listed, listed) is None
    for other in (one("pool", kind="CudnnPooling"), one("copy", kind="Reformat"), one("fc", kind="gemm"), one("conv", pointer=None), one("copied", kind="Reformat", region="r")):
        assert listed_strangers([*names(2), other], listed, listed) is None, other


# ---- two builds: the list of chosen layers, the flag

HERE, LISTS = Line(7, 70, "(Sparsity) Chose 1 layer(s)"), [Line(6, 60, "(Sparsity) Found"), Line(7, 70, "(Sparsity) Chose 1 layer(s)")]


def ran(kernel: int | None, **changes: Any) -> EngineLayer:
    by: Literal["layer_info", "none"] = "layer_info" if kernel is not None else "none"
    return one(LAYER, kernel, **{"tactic_name": KERNELS[kernel] if kernel is not None else None, "named_by": by, **changes})


def chose(*names: str, certain: bool = True, lines: bool = True, mismatch: bool = False) -> Listing:
    eligible, picked = dict.fromkeys((LAYER, *names), LISTS[0]), dict.fromkeys(names, HERE)
    return Listing(ChosenPass(0, certain, ""), eligible, picked, list_lines=LISTS if lines else [], count_mismatch=[HERE] if mismatch else [])


def test_a_kernel_contradicts_the_list_of_chosen_layers() -> None:
    assert chosen_otherwise(ran(DENSE), LAYER, True, chose(LAYER)) == HERE
    assert chosen_otherwise(ran(DENSE), "listed", True, chose("listed")) == HERE  # another profile's name
    assert chosen_otherwise(ran(DENSE), "listed", True, chose(LAYER)) == HERE
    assert chosen_otherwise(ran(SPARSE), LAYER, True, chose()) == LISTS[-1]
    assert chosen_otherwise(ran(SPARSE), LAYER, True, chose(LAYER)) is chosen_otherwise(ran(DENSE), LAYER, True, chose()) is None


@pytest.mark.parametrize("kernel", [DENSE, SPARSE])
def test_what_is_not_known_contradicts_nothing(kernel: int) -> None:
    said = (LAYER,) if kernel == DENSE else ()
    layer = ran(kernel)
    assert chosen_otherwise(layer, LAYER, True, chose(*said)) is not None
    unsaid = Listing(ChosenPass(0, True, ""), list_lines=LISTS)
    for listing in (None, unsaid, chose(*said, certain=False), chose(*said, mismatch=True)):
        assert chosen_otherwise(layer, LAYER, True, listing) is None
    assert chosen_otherwise(layer, LAYER, False, chose(*said)) is chosen_otherwise(layer, None, True, chose(*said)) is None
    for vague in (ran(kernel, region="{ForeignNode[a...b]}"), ran(kernel, tactic_name="my_own_kernel_v2"), ran(None)):
        assert chosen_otherwise(vague, LAYER, True, chose(*said)) is None
    unnamed = EngineLayer(LAYER, LAYER, "CudnnConvolution", (LAYER,))  # dense by its runner alone
    assert unnamed.sparse is False and chosen_otherwise(unnamed, LAYER, True, chose(*said)) is None


def test_a_list_without_lines_has_none_to_show() -> None:
    assert chosen_otherwise(ran(SPARSE), LAYER, True, chose(lines=False)) is None


def against(layers: list[EngineLayer], listing: Listing | None = None, flag_off: Line | PointerEvidence | None = None) -> tuple[Warning, bool] | None:
    return contradiction(layers, Matches([LAYER] * len(layers), [True] * len(layers), []), listing, flag_off, 1, cite())


def test_a_sparse_kernel_contradicts_a_flag_that_is_off() -> None:
    off = Line(3, 30, "Sparsity: Disabled")
    found = against([ran(SPARSE), ran(DENSE)], flag_off=off)
    assert found is not None and found[1] is True and "runs conv1 with a sparse kernel; what runs" in found[0].message
    assert found[0].evidence == (LineEvidence(0, 3, "Sparsity: Disabled"), PointerEvidence(1, "/Layers/0/TacticName", KERNELS[SPARSE]))
    pointer = PointerEvidence(2, "/options/sparsity", "disable")
    said = against([ran(SPARSE)] * 2, flag_off=pointer)
    assert said is not None and said[0].evidence[0] == pointer and "(and 1 more layer)" in said[0].message
    many = against([ran(SPARSE)] * 7, flag_off=off)
    assert many is not None and "(and 6 more layers)" in many[0].message and len(many[0].evidence) == 6
    assert against([ran(DENSE)], flag_off=off) is against([ran(SPARSE)]) is None
    # A name that the log gave, or layer info that stands in the log itself, is of the log's own build.
    for own in (ran(SPARSE, named_by="log"), ran(SPARSE, named_by="names"), ran(SPARSE, pointer=None)):
        assert against([own], flag_off=off) is None


@pytest.mark.parametrize(("kernel", "picked", "said"), [(SPARSE, (), "does not name conv1, and its kernel in the layer info is sparse"), (DENSE, (LAYER,), "names conv1, and its kernel in the layer info is dense")])
def test_the_kernels_of_layer_info_contradict_the_list(kernel: int, picked: tuple[str, ...], said: str) -> None:
    found = against([ran(kernel)], chose(*picked))
    assert found is not None and found[1] is False and said in found[0].message
    assert found[0].evidence == (LineEvidence(0, 7, HERE.text), PointerEvidence(1, "/Layers/0/TacticName", KERNELS[kernel]))
    assert against([ran(kernel, named_by="log")], chose(*picked)) is against([ran(kernel, pointer=None)], chose(*picked)) is None


# ---- the log by itself


def ids(build: BuildDiagnosis) -> set[str]:
    return {warning.id for warning in build.warnings}


def test_a_log_of_trtexec_without_warnings_lacks_standard_error(tmp_path: Path) -> None:
    text = dense_log().text()
    assert "stderr-missing" not in ids(main(tmp_path, text))
    assert "stderr-missing" in ids(main(tmp_path, text.replace("[W] [TRT] a warning", "[I] [TRT] a word")))
    assert "stderr-missing" not in ids(main(tmp_path, text.replace("[W] [TRT] a warning", "[E] an error")))


@pytest.mark.parametrize(("entries", "said"), [(0, None), (1, "1 timing cache entry was loaded: its race is"), (7, "7 timing cache entries were loaded: their races are")])
def test_a_timing_cache_with_entries_was_used(entries: int, said: str | None, tmp_path: Path) -> None:
    build = main(tmp_path, dense_log(before=[f"{V}Loaded {entries} timing cache entries from a.cache"]))
    found = [warning for warning in build.warnings if warning.id == "timing-cache-used"]
    assert [warning.message for warning in found] == ([f"{said} not in this log"] if said else [])
    assert not found or [item.text.split("] ")[-1] for item in found[0].evidence if isinstance(item, LineEvidence)] == [f"Loaded {entries} timing cache entries from a.cache"]


def test_a_cached_result_of_no_race_in_the_log_came_from_outside(tmp_path: Path) -> None:
    log = dense_log()
    log.tuned.append("conv9 [Half(64,1) -> Half(64,1)] got cached result: CaskConvolution, tactic 0x00000000000000aa, 0.0123 ms")
    (found,) = [warning for warning in main(tmp_path, log).warnings if warning.id == "timing-cache-used"]
    assert found.message.startswith("1 cached result matches no race of this log") and found.evidence == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Requested amount of GPU memory (9 bytes) could not be allocated. There may not be enough free memory for allocation to succeed.", True),
        ("Skipping tactic 0x0000000000000001 due to insufficient memory on requested size of 9 detected for tactic 0x0000000000000001.", True),
        ("Insufficient workspace", True),
        ("Cuda failure: out of memory", True),
        ("1: [defaultAllocator.cpp] Out of memory", True),
        ("NvMapMemAllocInternalTagged: 1074810371 error 12", True),
        ("a weight was rounded", False),
    ],
)
def test_lines_that_speak_of_memory_that_was_not_there(line: str, told: bool, tmp_path: Path) -> None:
    found = [warning for warning in main(tmp_path, dense_log(before=[f"[01/02/2030-03:04:05] [W] [TRT] {line}"])).warnings if warning.id == "out-of-memory"]
    assert bool(found) is told
    assert not told or (found[0].message.startswith("1 line speaks of memory") and [item.text.split("] ")[-1] for item in found[0].evidence if isinstance(item, LineEvidence)] == [line.split("] ")[-1]])


def test_a_log_of_several_builds_is_told(tmp_path: Path) -> None:
    text = dense_log().text()
    assert "several-builds" not in ids(main(tmp_path, text)) and "several-builds" in ids(main(tmp_path, text + dense_log(model="other.onnx").text()))
    begun = f"{V}Global timing cache in use.\n"
    assert "several-builds" not in ids(main(tmp_path, text + begun))  # nothing is known of the other
    assert len(parse_build_log(TextSource(str(tmp_path / "build.log")), None).builds) == 2


def test_a_log_without_a_build_has_no_warnings_of_one(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(f"{NOTE}nothing was built\n")
    log = parse_build_log(TextSource(str(tmp_path / "build.log")), None)
    assert log.builds == [] and log_warnings(log, None, cite(), 0) == []


def test_a_log_that_ends_before_its_engine_is_told(tmp_path: Path) -> None:
    text = dense_log().text()
    assert "log-truncated" not in ids(main(tmp_path, text)) and "log-truncated" in ids(main(tmp_path, text[: text.index(ENGINE)]))


@pytest.mark.parametrize(("unknown", "told"), [(0, False), (1, False), (2, True)])
def test_more_than_one_line_in_two_hundred_of_no_known_form_is_told(unknown: int, told: bool, tmp_path: Path) -> None:
    log = dense_log()
    log.tuned += [f"Some line of the future, number {n}" for n in range(unknown)]
    (tmp_path / "build.log").write_text(log.text())
    lines = parse_build_log(TextSource(str(tmp_path / "build.log")), None).tuning_lines
    place = log.tuned.index(next(line for line in log.tuned if "Tactic Name" in line))
    log.tuned[place:place] = [f"Tactic: 0x{n + 5:016x} Time: 0.5" for n in range(200 - lines)]
    build = main(tmp_path, log)
    found = [warning for warning in build.warnings if warning.id == "unknown-lines"]
    assert bool(found) is told
    assert not told or (found[0].message == "2 of 200 tuning lines (1.0%) are of no known form" and len(found[0].evidence) == 2)


@pytest.mark.parametrize(("median", "said"), [("1.0", None), ("0.8", None), ("0.5", "more"), ("2.0", "less"), ("0", None)])
def test_layers_whose_times_do_not_add_up_to_the_latency(median: str, said: str | None, tmp_path: Path) -> None:
    latency = f"{NOTE}GPU Compute Time: min = 0.1 ms, max = 3 ms, mean = 1 ms, median = {median} ms, percentile(99%) = 3 ms\n"
    (tmp_path / "build.log").write_text(dense_log().text() + latency)
    (tmp_path / "profile.json").write_text(json.dumps([{"count": 10}, {"name": LAYER, "timeMs": 9.6, "averageMs": 0.96, "medianMs": 0.96, "percentage": 100.0}]))
    build = explain([str(tmp_path / "build.log"), str(tmp_path / "profile.json")]).captures[0].main
    assert build is not None
    found = [warning for warning in build.warnings if warning.id == "time-sum"]
    assert [f", {said} than the median" in warning.message for warning in found] == ([True] if said else [])
    assert not found or [item.text for item in found[0].evidence if isinstance(item, LineEvidence)] == [latency.strip()]
    assert "time-sum" not in ids(main(tmp_path, dense_log().text() + latency))  # nobody timed the layers
    (tmp_path / "build.log").write_text(dense_log().text() + f"{NOTE}GPU Compute Time: min = 0.1 ms, max = 3 ms\n")
    bare = explain([str(tmp_path / "build.log"), str(tmp_path / "profile.json")]).captures[0].main
    assert bare is not None and "time-sum" not in ids(bare)


# ---- the other inputs


def test_layer_info_with_names_alone_is_told() -> None:
    bare = parse_layer_info('{"Layers": ["conv1", "conv2"], "Bindings": []}', "li.json")
    assert [(warning.id, warning.evidence) for warning in info_warnings(bare, 2)] == [("names-only", (PointerEvidence(2, "/Layers/0", "conv1"),))]
    assert info_warnings(parse_layer_info(info([info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})]), "li.json"), 2) == []
    assert info_warnings(parse_layer_info('{"Layers": [], "Bindings": []}', "li.json"), 2) == []


def test_rows_of_no_layer_are_told_with_their_times() -> None:
    rows = [{"count": 10}, *({"name": f"l{n}", "timeMs": 10.0, "averageMs": 2.0, "medianMs": 1.0, "percentage": 25.0} for n in range(4))]
    (profile,) = parse_timing_profile(json.dumps(rows), "p.json")
    assert unmatched_rows(profile, [], 3) is None
    found = unmatched_rows(profile, [1, 2, 3, 0], 3)
    assert found is not None and found.message.startswith("4 of 4 rows of the timing profile (4 ms) have no layer of that name, 'l1' among them")
    assert [(item.pointer, item.text) for item in found.evidence if isinstance(item, PointerEvidence)] == [("/2/name", "l1"), ("/3/name", "l2"), ("/4/name", "l3")]
    rows[2] = {"name": "l1", "timeMs": 10.0, "averageMs": 2.0, "percentage": 25.0}
    (mixed,) = parse_timing_profile(json.dumps(rows), "p.json")
    one_row = unmatched_rows(mixed, [1], 3)
    assert one_row is not None and one_row.message.startswith("1 of 4 rows of the timing profile (2 ms) has no layer")


@pytest.mark.parametrize(
    ("manifest", "found"),
    [
        (None, []),
        ({}, []),
        ({"status": "complete", "failure": {"message": "m"}}, []),
        ({"status": "failed", "failure": {"message": "out of disk"}}, ["build-failed"]),
        ({"failure": {}}, ["build-failed"]),
        ({"status": "failed", "failure": "text"}, []),
        ({"status": "complete", "prune": {"ratio": 0.5}}, ["accuracy-not-kept"]),
    ],
)
def test_what_a_manifest_says_of_itself(manifest: dict[str, Any] | None, found: list[str]) -> None:
    assert [warning.id for warning in manifest_warnings(manifest, 4)] == found


def test_a_failure_is_told_in_its_own_words() -> None:
    (warning,) = manifest_warnings({"status": "failed", "failure": {"message": "out of disk"}}, 4)
    assert warning.message.endswith(": out of disk") and warning.evidence == (PointerEvidence(4, "/failure", "out of disk"),)
    assert manifest_warnings({"failure": {}}, 4)[0].message.endswith(": its manifest does not say why")


def test_a_shortened_list_is_told(tmp_path: Path) -> None:
    log = dense_log(eligible="conv1, ...", picked="conv9, ....")
    (found,) = [warning for warning in main(tmp_path, log).warnings if warning.id == "damaged-input"]
    assert found.message.startswith("2 lists of names in the log were shortened") and len(found.evidence) == 2
    assert "damaged-input" not in ids(main(tmp_path, dense_log()))


def test_two_profiles_are_told(tmp_path: Path) -> None:
    for name, of in (("a.json", "other"), ("b.json", LAYER)):
        (tmp_path / name).write_text(json.dumps([{"count": 10}, {"name": of, "timeMs": 9.6, "averageMs": 0.96, "medianMs": 0.96, "percentage": 100.0}]))
    (tmp_path / "build.log").write_text(dense_log().text())
    build = explain([str(tmp_path / name) for name in ("b.json", "build.log", "a.json")]).captures[0].main
    assert build is not None
    (found,) = [warning for warning in build.warnings if warning.id == "several-profiles"]
    assert f"the times are those of {tmp_path / 'b.json'}, which knows most layers, not of {tmp_path / 'a.json'}" in found.message
