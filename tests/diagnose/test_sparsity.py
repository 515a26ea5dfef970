"""Which pass made the engine, and what its `(Sparsity)` lists name, asked of the module itself. Every text here is invented; nothing in it was measured.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on `ChosenPass`, `Listing` and `Matches`, and on the verdicts that stand on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    CHOSE,
    DENSE,
    DENSE_2,
    FOUND,
    INFO_HWC8,
    LAYER,
    PAIR,
    SPARSE,
    USED,
    Log,
    combination,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    main,
    one_race,
    strategies,
    told,
    verdict,
)
from trtlens.diagnose.gates import Gates, evaluate
from trtlens.diagnose.layers import EngineLayer, layers_from_log
from trtlens.diagnose.model import BuildDiagnosis, CaptureDiagnosis, Diagnosis
from trtlens.diagnose.sparsity import ChosenPass, Listing, choose_pass, match_names, read_listing
from trtlens.parse.build_log import parse_build_log
from trtlens.parse.textio import TextSource
from trtlens.report.words import headline

OWN, OTHER = one_race(DENSE, (SPARSE, 0.07), (DENSE, 0.05)), one_race(DENSE_2, (SPARSE, 0.02), (DENSE_2, 0.01))
DROPPED = "Skip backend strategy {}since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."
ENGINE = "[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information"
FOREIGN_FOUND = " (foreignNode) (Sparsity) Found 1 layer(s) eligible to use sparse tactics: Gemm_1"
FOREIGN_CHOSE = " (foreignNode) (Sparsity) Chose 1 layer(s) using sparse tactics: Gemm_1"


def read(tmp_path: Path, log: Log | str, number: int = -1, layers: Sequence[EngineLayer] | None = None) -> Listing:
    """The listing of one build; `layers` None: of the engine that the log prints."""
    path = tmp_path / "build.log"
    path.write_text(log if isinstance(log, str) else log.text(), encoding="utf-8")
    parsed = parse_build_log(TextSource(str(path)), None)
    build = parsed.builds[number]
    return read_listing(build, parsed, layers_from_log(build) if layers is None else layers)


def chosen(tmp_path: Path, log: Log | str, number: int = -1, layers: Sequence[EngineLayer] | None = None) -> ChosenPass:
    path = tmp_path / "build.log"
    path.write_text(log if isinstance(log, str) else log.text(), encoding="utf-8")
    parsed = parse_build_log(TextSource(str(path)), None)
    build = parsed.builds[number]
    return choose_pass(build, parsed, layers_from_log(build) if layers is None else layers)


# ---- the pass


def test_a_pass_that_was_dropped_did_not_make_the_engine_though_it_is_the_only_one(tmp_path: Path) -> None:
    """The lines of the strategy that was used are lost; what this one timed was timed for another engine."""
    for fate, certain, answer in ((USED, True, ("dense", "slower", "proven")), (DROPPED, False, ("dense", "slower", "suggested"))):
        log = strategies((4, [*OWN, FOUND, CHOSE, fate.format(4)]))
        assert chosen(tmp_path, log).certain is certain
        assert told(main(tmp_path, log).layers[0]) == answer
    alone = chosen(tmp_path, strategies((4, [*OTHER, FOUND, CHOSE, DROPPED.format(4)])), layers=[])
    assert (alone.index, alone.certain) == (None, False)


def test_of_passes_that_were_all_dropped_none_is_certain(tmp_path: Path) -> None:
    made = [EngineLayer("conv9", "conv9", None, ())]
    found = chosen(tmp_path, strategies((4, [*OWN, DROPPED.format(4)]), (3, [*OWN, DROPPED.format(3)])), layers=made)
    assert (found.index, found.certain) == (None, False)


def test_an_engine_of_which_nothing_is_known_fits_every_pass(tmp_path: Path) -> None:
    assert chosen(tmp_path, strategies((4, OWN), (3, OTHER)), layers=[]) == ChosenPass(1, False, "the log does not say which pass became the engine", 3)


def test_a_pass_fits_by_the_names_it_tuned_and_by_the_tactics_it_chose(tmp_path: Path) -> None:
    fused = layer("conv1 + relu1", combination("conv1 + relu1", PAIR[1], [(SPARSE, 0.07), (DENSE, 0.05)], DENSE))
    third = 0xD0000000000000FF  # which neither chose
    for passes, strategy in ((((4, OWN), (3, fused)), 4), (((4, fused), (3, OWN)), 3), (((4, OTHER), (3, OWN)), 3), (((4, OWN), (3, OTHER)), 4)):
        number = third if fused in (passes[0][1], passes[1][1]) else DENSE
        log = strategies(*passes)
        log.engine = [engine_line(LAYER, number)]
        found = chosen(tmp_path, log)
        assert (found.strategy, found.certain) == (strategy, False), passes


def test_what_another_build_chose_fits_no_pass_of_this_one(tmp_path: Path) -> None:
    """Both builds have passes 0 and 1; the first one's pass 1 chose what the second one's engine runs."""
    other = strategies((4, OTHER), (3, OWN))
    mine = strategies((4, OWN), (3, OTHER))
    assert chosen(tmp_path, mine.text()).strategy == 4
    assert chosen(tmp_path, other.text() + mine.text()).strategy == 4


def test_the_lines_that_say_which_pass_is_used_are_those_there_are(tmp_path: Path) -> None:
    found = chosen(tmp_path, strategies((4, [*OWN, USED.format(4)]), (3, OTHER)))
    assert found.certain and [line.text.split(" with")[0] for line in found.lines] == ["Use backend strategy 4"]


# ---- the lists


def test_lists_of_one_pass_are_united_and_those_of_sub_builds_known(tmp_path: Path) -> None:
    outer = ["(Sparsity) Found 2 layer(s) eligible to use sparse tactics: conv1, conv2", "(Sparsity) Chose 1 layer(s) using sparse tactics: conv2"]
    found = read(tmp_path, dense_log(lists=[FOREIGN_FOUND, FOREIGN_CHOSE, *outer]))
    assert (set(found.eligible or ()), set(found.picked or ())) == ({"Gemm_1", "conv1", "conv2"}, {"Gemm_1", "conv2"})
    assert (set(found.foreign), set(found.foreign_picked)) == ({"Gemm_1"}, {"Gemm_1"})
    assert found.foreign_whole and found.complete and found.counted and not found.lost
    empty = read(tmp_path, dense_log(lists=[]))
    assert (empty.eligible, empty.picked, empty.names, empty.complete) == (None, None, None, False)


def test_the_lists_of_a_dropped_pass_are_not_the_engines(tmp_path: Path) -> None:
    others = [FOREIGN_FOUND, FOREIGN_CHOSE, "(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv8", "(Sparsity) Chose 1 layer(s) using sparse tactics: conv8"]
    for passes in (((4, [*OWN, FOUND, CHOSE, USED.format(4)]), (3, [*OTHER, *others, DROPPED.format(3)])), ((3, [*OTHER, *others, DROPPED.format(3)]), (4, [*OWN, FOUND, CHOSE, USED.format(4)]))):
        found = read(tmp_path, strategies(*passes))
        assert (set(found.eligible or ()), found.picked, found.foreign, found.foreign_picked, found.names) == ({LAYER}, {}, {}, {}, 1)
        assert [line.text for line in found.list_lines] == [FOUND, CHOSE.strip()]


def test_lists_before_the_tuning_are_those_of_the_one_pass(tmp_path: Path) -> None:
    log = dense_log(lists=[])
    log.tuned = [" (foreignNode) (Sparsity) Found 0 layer(s) eligible to use sparse tactics: ", FOREIGN_CHOSE, FOUND, CHOSE, *log.tuned]
    found = read(tmp_path, log)
    assert set(found.eligible or ()) == {LAYER} and found.complete and found.settled and found.foreign_whole
    log.tuned.remove(FOUND)
    assert read(tmp_path, log).lost


def test_each_sub_build_must_have_said_what_it_chose(tmp_path: Path) -> None:
    """Whatever the outer pair and the dropped passes lack."""
    pair = [FOREIGN_FOUND, FOREIGN_CHOSE]
    for inner, outer, whole in ((pair, [FOUND], True), (pair, [FOUND, CHOSE], True), ([*pair, FOREIGN_FOUND], [FOUND, CHOSE], False), ([], [FOUND], True)):
        assert read(tmp_path, dense_log(lists=[*inner, *outer])).foreign_whole is whole
        dropped = (3, [*OTHER, FOREIGN_FOUND, FOUND, CHOSE, DROPPED.format(3)])
        assert read(tmp_path, strategies((4, [*OWN, *inner, *outer, USED.format(4)]), dropped)).foreign_whole is whole
    halves = strategies((4, [*OWN, FOREIGN_FOUND, FOUND, CHOSE, USED.format(4)]), (3, [*OTHER, *pair, FOREIGN_CHOSE, FOUND, CHOSE, DROPPED.format(3)]))
    assert not read(tmp_path, halves).foreign_whole


@pytest.mark.parametrize(
    ("lists", "lost"),
    [([FOUND, CHOSE], False), ([FOUND], False), ([CHOSE], True), ([FOREIGN_CHOSE, FOUND, CHOSE], True), ([FOREIGN_FOUND, CHOSE], True), ([FOUND, FOREIGN_FOUND, CHOSE, FOREIGN_CHOSE], False)],
)
def test_a_list_of_what_was_chosen_stands_behind_one_of_what_is_eligible(lists: list[str], lost: bool, tmp_path: Path) -> None:
    assert read(tmp_path, dense_log(lists=lists)).lost is lost
    kept, dropped = (4, [*OWN, *lists, USED.format(4)]), (3, [*OTHER, CHOSE, FOREIGN_CHOSE, DROPPED.format(3)])
    assert read(tmp_path, strategies(kept, dropped)).lost is lost


def test_a_whole_list_may_name_the_beginning_of_a_layers_name(tmp_path: Path) -> None:
    """`conv7` is no torn `conv7 + relu7` where the list says how many names it holds, and holds them."""
    log = dense_log(lists=["(Sparsity) Found 2 layer(s) eligible to use sparse tactics: conv1, conv7", CHOSE])
    log.engine.append(engine_line("conv7 + relu7", DENSE, "x1 (Half[1,64,28,28])", "y1 (Half[1,64,28,28])"))
    assert read(tmp_path, log).counted and main(tmp_path, log).layers[0].eligibility.proof == "proven"
    log.lists = ["(Sparsity) Layers eligible for sparse math: conv1, conv7", CHOSE]
    assert not read(tmp_path, log).counted and main(tmp_path, log).layers[0].eligibility.proof == "suggested"


def test_an_empty_list_is_whole(tmp_path: Path) -> None:
    found = read(tmp_path, dense_log(lists=["(Sparsity) Layers eligible for sparse math:", "(Sparsity) TRT inference plan picked sparse implementation for layers:"]))
    assert found.counted and found.complete and not found.count_mismatch and (found.eligible, found.picked) == ({}, {})


@pytest.mark.parametrize("end", ["", ":"], ids=["no colon", "no name behind it"])
def test_a_number_without_names_is_no_list(end: str, tmp_path: Path) -> None:
    """Some builds print the names in verbose logs alone: which layers the 39 are nobody knows, nor that there are none."""
    numbers = [f"(Sparsity) Found 39 layer(s) eligible to use sparse tactics{end}", f"(Sparsity) Chose 3 layer(s) using sparse tactics{end}"]
    log = dense_log(lists=numbers, version="10.3.0")
    found = read(tmp_path, log)
    assert (found.eligible, found.picked, found.names, found.complete, found.counted) == (None, None, None, False, False)
    build = main(tmp_path, log)
    assert (build.layers[0].status, build.summary.eligible_listed, build.summary.eligible_unmatched) == ("dense-unknown", None, None)
    bare = "".join(f"[01/02/2030-03:04:05] [I] [TRT] {line}\n" for line in numbers) + "[01/02/2030-03:04:05] [I] Engine built in 4 sec.\n"
    build = main(tmp_path, bare)
    assert "no layer eligible" not in headline(build) and _outcome(build) == "cannot-tell"
    # A number of 0 is a whole list, with or without a colon.
    none = [line.replace("39", "0").replace("3", "0") for line in numbers]
    found = read(tmp_path, dense_log(lists=none))
    assert (found.eligible, found.picked, found.names, found.complete, found.counted) == ({}, {}, 0, True, True)
    build = main(tmp_path, bare.replace("39", "0").replace("Chose 3", "Chose 0"))
    assert "no layer eligible" in headline(build) and _outcome(build) == "passed"


def _outcome(build: BuildDiagnosis) -> str:
    return evaluate(Diagnosis((CaptureDiagnosis((), build.index, (build,)),)), Gates(("dense",)))[0].outcome


def test_names_of_a_sub_build_do_not_stand_for_those_that_the_outer_list_leaves_out(tmp_path: Path) -> None:
    outer = ["(Sparsity) Found 2 layer(s) eligible to use sparse tactics", "(Sparsity) Chose 0 layer(s) using sparse tactics"]
    log = dense_log(lists=[FOREIGN_FOUND, FOREIGN_CHOSE, *outer])
    found = read(tmp_path, log)
    assert (set(found.eligible or ()), found.names, found.complete, found.counted) == ({"Gemm_1"}, None, False, False)
    assert verdict(tmp_path, log).status == "dense-unknown"


def test_a_list_of_chosen_layers_that_breaks_off_leaves_open_who_else_was_chosen(tmp_path: Path) -> None:
    """TensorRT 8 says no number. Whether the torn name, or one behind it, is this layer's nobody knows: it does not run dense, and its kernel contradicts nothing."""
    unnamed = info([{**info_layer(LAYER, 0x9999999999999999, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "HasSparseWeights": 1}])
    kernel = info([info_layer(LAYER, SPARSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    for torn, status, mismatch in (("conv0", "dense", True), ("conv0,", "undetermined", False), ("con", "undetermined", False)):
        eligible, picked = "(Sparsity) Layers eligible for sparse math: conv0, conv1", f"(Sparsity) TRT inference plan picked sparse implementation for layers: {torn}"
        log = f"[01/02/2030-03:04:05] [I] [TRT] {eligible}\n[01/02/2030-03:04:05] [I] [TRT] {picked}\n[01/02/2030-03:04:05] [I] Engine built in 4 sec.\n"
        found = main(tmp_path, log, unnamed)
        assert found.layers[0].status == status and found.layers[0].eligibility.proof == "proven"
        runs = main(tmp_path, log, kernel)
        assert runs.layers[0].status == "sparse" and ("capture-mismatch" in {warning.id for warning in runs.warnings}) is mismatch


@pytest.mark.parametrize(
    ("picked", "status"), [("conv0, conv2", "dense"), ("conv9, conv2", "undetermined"), ("conv2", "undetermined"), ("conv0, conv", "undetermined"), ("conv0 + relu0, conv2", "undetermined")]
)
def test_a_list_that_shortens_other_fusions_too_is_whole(picked: str, status: str, tmp_path: Path) -> None:
    """`conv2` may be what is left of `conv2 + relu2`, unless the list calls `conv0 + relu0` by its first node, too. conv1 is not on it."""
    names = ("conv0 + relu0", "conv1", "conv2 + relu2")
    layers = info([{**info_layer(name, 0x9999999999999999, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "HasSparseWeights": 1} for name in names])
    lists = f"Layers eligible for sparse math: {', '.join(names)}", f"TRT inference plan picked sparse implementation for layers: {picked}"
    log = "".join(f"[01/02/2030-03:04:05] [I] [TRT] (Sparsity) {line}\n" for line in lists) + "[01/02/2030-03:04:05] [I] Engine built in 4 sec.\n"
    found = next(layer for layer in main(tmp_path, log, layers).layers if layer.name == "conv1")
    assert (found.status, found.eligibility.proof) == (status, "proven")
    assert found.proof != "proven"


def test_a_name_at_the_end_of_the_chosen_ones_is_no_gap_in_the_eligible_ones(tmp_path: Path) -> None:
    found = read(tmp_path, dense_log(lists=["(Sparsity) Layers eligible for sparse math: conv1", "(Sparsity) TRT inference plan picked sparse implementation for layers: con"]))
    assert found.counted and len(found.count_mismatch) == 1


REGION = "{ForeignNode[Gemm_7.weight...Softmax_8]}"
CACHED = "{} [Half(64,1) -> Half(64,1)] got cached result: Myelin, tactic 0x0000000000000000, 0.05 ms"
SILENT = [f"=============== Computing costs for {REGION}", "*************** Autotuning format combination: Half(64,1) -> Half(64,1) ***************"]
RACE = [f"--------------- Timing Runner: {REGION} (Myelin[0x80000023])", "Tactic: 0x0000000000000000 Time: 0.05", ">>>>>>>>>>>>>>> Chose Runner Type: Myelin Tactic: 0x0000000000000000"]
RACED = [*SILENT, FOREIGN_FOUND, FOREIGN_CHOSE, *RACE]


@pytest.mark.parametrize(
    ("lines", "silent"),
    [([], False), (RACED, False), ([*SILENT, *RACE], True), (SILENT, True), ([SILENT[0], CACHED.format(REGION)], True), ([*RACED, CACHED.format(REGION)], False), ([CACHED.format("conv9")], False)],
    ids=["no region", "raced", "raced, and no list", "silent", "cached", "raced and cached", "cached, and no region"],
)
def test_a_region_without_a_race_or_a_list_of_its_own_was_compiled_elsewhere(lines: list[str], silent: bool, tmp_path: Path) -> None:
    for before in (True, False):  # whether it is the first layer of all
        log = dense_log()
        log.tuned = [*lines, *log.tuned] if before else [*log.tuned, *lines]
        assert read(tmp_path, log).silent_region is silent
        kept, dropped = (4, [*OWN, *lines, FOUND, CHOSE, USED.format(4)]), (3, [*OTHER, SILENT[0], CACHED.format(REGION), FOUND, CHOSE, DROPPED.format(3)])
        assert read(tmp_path, strategies(*((dropped, kept) if before else (kept, dropped)))).silent_region is silent


def test_a_cut_log_settles_nothing_while_strategies_may_follow(tmp_path: Path) -> None:
    for log, settled in ((dense_log(), True), (strategies((4, [*OWN, FOUND, CHOSE])), False)):
        text = log.text()
        assert read(tmp_path, text[: text.index(ENGINE)], layers=[]).settled is settled
        assert read(tmp_path, text).settled
    text = dense_log(lists=[FOUND]).text()
    assert not read(tmp_path, text[: text.index(ENGINE)], layers=[]).settled


# ---- the names


def made(name: str, *nodes: str, kind: str = "CaskConvolution", base: str | None = None, reformat: bool = False) -> EngineLayer:
    return EngineLayer(name, base or name, "Reformat" if reformat else kind, nodes or (name,))


def test_a_listed_name_is_the_layers_own_before_it_is_its_profiles(tmp_path: Path) -> None:
    second = made("conv1 [profile 1]", "conv1", base="conv1")
    found = match_names([made("conv1"), second], ["conv1", "conv1 [profile 1]"])
    assert (found.of, found.exact, found.unmatched) == (["conv1", "conv1 [profile 1]"], [True, True], [])
    assert match_names([made("conv1"), second], ["conv1"]).of == ["conv1", "conv1"]


def test_a_name_without_a_layer_is_joined_by_its_nodes_and_never_exact() -> None:
    found = match_names([made("conv1 + relu1", "conv1", "relu1"), made("conv2")], ["conv1", "conv9"])
    assert (found.of, found.exact, found.unmatched) == (["conv1", None], [False, False], ["conv9"])


def test_a_copy_is_nobodys_layer() -> None:
    copy = made("conv1", reformat=True)
    assert match_names([copy], ["conv1"]).of == [None]
    assert match_names([made("copy", "conv1", reformat=True), made("conv1 + relu1", "conv1", "relu1")], ["conv1"]).of == [None, "conv1"]


def test_of_two_layers_that_hold_a_node_the_one_with_weights_is_meant() -> None:
    product, pool = made("conv1 + relu1", "conv1", "shared"), made("pool1", "pool1", "shared", kind="CudnnPooling")
    assert match_names([pool, product], ["shared + gone"]).of == [None, "shared + gone"]
    assert match_names([product, made("conv2", "conv2", "shared")], ["shared + gone"]).of == [None, None]
    assert match_names([pool, product], ["shared"]).of == [None, "shared"]


def test_the_layer_that_holds_every_node_of_a_name_is_meant_before_those_that_hold_some() -> None:
    assert match_names([made("conv1 + relu1", "conv1", "relu1"), made("conv2", "conv2", "relu1")], ["relu1 + conv1"]).of == ["relu1 + conv1", None]


def test_a_layer_that_has_a_name_is_not_given_another() -> None:
    found = match_names([made("conv1", "conv1", "relu1"), made("conv2 + relu1", "conv2", "relu1")], ["conv1", "relu1"])
    assert found.of == ["conv1", "relu1"]  # the only one that is free
    twice = match_names([made("conv1 + relu1", "conv1", "relu1")], ["conv1", "relu1"])
    assert (twice.of, twice.unmatched) == (["conv1"], ["relu1"])


COMMA = "conv1, second part"


@pytest.mark.parametrize(
    ("name", "eligible"),
    [
        (COMMA, f"conv0, {COMMA}, conv2"),
        (COMMA, COMMA),
        ("conv1 (of a, b", "conv0, conv1 (of a, b, PWN(act1, act2)"),
        ("conv1) of a, b", "PWN(act1, act2), conv1) of a, b"),
        ("PWN(act1, act2)", "conv (open, PWN(act1, act2), conv0"),
        ("conv0 (open", "conv2, conv0 (open, conv) shut, PWN(act1, act2)"),
    ],
)
def test_a_listed_name_that_holds_the_lists_own_separator_is_one_name(name: str, eligible: str, tmp_path: Path) -> None:
    log = dense_log(eligible=eligible)
    log.tuned = [line.replace(LAYER, name) for line in log.tuned]
    log.engine = [line.replace(LAYER, name) for line in log.engine]
    found = main(tmp_path, log)
    assert [told(item) for item in found.layers if item.name == name] == [("dense", "no-kernel", "proven")]
    pieces = {"conv0", "conv2", "PWN(act1, act2)", "conv (open", "conv) shut"} - {name}
    listing = read(tmp_path, log)
    assert listing.eligible is not None and set(listing.eligible) <= {name, *pieces} and listing.counted


@pytest.mark.parametrize(("line", "counted"), [("(Sparsity) Layers eligible for sparse math: {}", False), ("(Sparsity) Found 2 layer(s) eligible to use sparse tactics: {}", True)])
def test_a_name_that_two_layers_make_together_is_theirs_where_the_count_says_so(line: str, counted: bool, tmp_path: Path) -> None:
    layers = [made(COMMA), made("conv1"), made("second part")]
    found = read(tmp_path, dense_log(lists=[line.format(COMMA), CHOSE]), layers=layers)
    assert found.eligible is not None and set(found.eligible) == {"conv1", "second part"} and found.counted is counted


def test_the_lists_of_tensorrt_8_are_whole_at_info_too(tmp_path: Path) -> None:
    """An INFO log of TensorRT 8 says nothing of its end but those two lists: what they do not name is not eligible."""
    eligible, picked = f"(Sparsity) Layers eligible for sparse math: {LAYER}", "(Sparsity) TRT inference plan picked sparse implementation for layers:"
    names = (LAYER, "conv2")
    layers = info([{**info_layer(name, 0x9999999999999999, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "HasSparseWeights": int(name == LAYER)} for name in names])

    def second(*lines: str) -> tuple[str, str | None, str]:
        text = "".join(f"[01/02/2030-03:04:05] [I] [TRT] {line}\n" for line in lines)
        return told(next(layer for layer in main(tmp_path, text, layers).layers if layer.name == "conv2"))

    assert second(eligible, picked) == ("ineligible", "not-listed", "proven")
    assert second(eligible)[:2] == ("undetermined", "unnamed-tactic")  # the log ends before the plan
    assert second(eligible + ", con", picked)[2] != "proven"  # the list breaks off
    assert second(eligible + ", conv2", picked)[0] != "ineligible"
