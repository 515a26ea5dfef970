"""Which pass made the engine, and whose lists and names are its own. Every text here is invented; nothing in it was measured.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on the verdict of one layer.
"""

from __future__ import annotations

from pathlib import Path

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

DROPPED = "Skip backend strategy {}since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."
ENGINE = "[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information"
OWN, OTHER = one_race(DENSE, (SPARSE, 0.07), (DENSE, 0.05)), one_race(DENSE_2, (SPARSE, 0.02), (DENSE_2, 0.01))


def test_the_one_pass_that_was_not_dropped_made_the_engine(tmp_path: Path) -> None:
    """Nothing says that it is used; nothing else is left."""
    for passes in (((4, [*OWN, FOUND, CHOSE]), (3, [*OTHER, FOUND, CHOSE, DROPPED.format(3)])), ((3, [*OTHER, FOUND, CHOSE, DROPPED.format(3)]), (4, [*OWN, FOUND, CHOSE]))):
        build = main(tmp_path, strategies(*passes))
        assert told(build.layers[0]) == ("dense", "slower", "proven") and build.layers[0].best_sparse_ms == 0.07
        assert build.backend_strategy == 4


def test_of_two_passes_that_were_used_the_later_one_made_the_engine(tmp_path: Path) -> None:
    build = main(tmp_path, strategies((3, [*OTHER, FOUND, CHOSE, USED.format(3)]), (4, [*OWN, FOUND, CHOSE, USED.format(4)])))
    assert told(build.layers[0]) == ("dense", "slower", "proven") and (build.layers[0].best_sparse_ms, build.backend_strategy) == (0.07, 4)


def test_where_the_log_does_not_say_which_pass_is_used_the_engines_tactics_suggest(tmp_path: Path) -> None:
    for passes in (((4, OWN), (3, OTHER)), ((3, OTHER), (4, OWN))):
        build = main(tmp_path, strategies(*((number, [*race, FOUND, CHOSE]) for number, race in passes)))
        assert told(build.layers[0]) == ("dense", "slower", "suggested") and (build.layers[0].best_sparse_ms, build.backend_strategy) == (0.07, 4)
    same = main(tmp_path, strategies((4, [*OWN, FOUND, CHOSE]), (3, [*OWN, FOUND, CHOSE])))
    assert told(same.layers[0]) == ("dense", "slower", "suggested") and same.backend_strategy == 3  # both fit: the last one


def test_where_every_pass_was_dropped_none_made_the_engine(tmp_path: Path) -> None:
    found = verdict(tmp_path, strategies((4, [*OTHER, FOUND, CHOSE, DROPPED.format(4)]), (3, [*OTHER, FOUND, CHOSE, DROPPED.format(3)])))
    assert found.proof != "proven"


def test_a_name_that_one_list_lost_is_lost_whatever_the_other_lists_hold(tmp_path: Path) -> None:
    lists = ["(Sparsity) Found 3 layer(s) eligible to use sparse tactics: conv1, conv9", "(Sparsity) Chose 2 layer(s) using sparse tactics: conv9"]
    found = verdict(tmp_path, dense_log(lists=lists))
    assert (found.eligibility.value, found.eligibility.proof, found.proof) == (True, "suggested", "suggested")
    whole = ["(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv1", lists[1]]
    assert verdict(tmp_path, dense_log(lists=whole)).eligibility.proof == "proven"


def test_a_list_is_whole_where_the_build_or_the_next_list_follows_it(tmp_path: Path) -> None:
    said = {**info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "Groups": 8, "HasSparseWeights": 0}
    alone = dense_log(lists=["(Sparsity) Layers eligible for sparse math: conv7"])
    assert told(verdict(tmp_path, alone, info([said]))) == ("ineligible", "grouped", "proven")
    text = dense_log().text()
    plain = info([info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    found = verdict(tmp_path, text[: text.index(ENGINE)], plain)
    assert (found.eligibility.value, found.eligibility.proof) == (True, "proven")


def test_each_profiles_layer_is_joined_to_its_own_name(tmp_path: Path) -> None:
    second = f"{LAYER} [profile 1]"
    log = dense_log(eligible=f"{LAYER}, {second}")
    log.tuned += layer(second, combination(second, PAIR[1], [(DENSE, 0.05)], DENSE))
    log.engine.append(engine_line(second, DENSE, "x1 (Half[1,64,28,28])", "y1 (Half[1,64,28,28])"))
    build = main(tmp_path, log)
    assert [item.name for item in build.layers] == [LAYER, second] and build.summary.eligible_unmatched == 0
    assert [told(item) for item in build.layers] == [("dense", "no-kernel", "proven")] * 2


def test_a_pass_that_nothing_is_said_of_does_not_take_the_place_of_the_used_one(tmp_path: Path) -> None:
    build = main(tmp_path, strategies((4, [*OWN, FOUND, CHOSE, USED.format(4)]), (3, [*OTHER, FOUND, CHOSE])))
    assert told(build.layers[0]) == ("dense", "slower", "proven") and build.backend_strategy == 4


def test_the_lists_of_a_dropped_pass_do_not_stand_in_for_lost_ones(tmp_path: Path) -> None:
    """Of the engine's pass only a sub-build's lists are left: that they do not name conv1 says nothing."""
    inside = [" (foreignNode) (Sparsity) Found 1 layer(s) eligible to use sparse tactics: Gemm_1", " (foreignNode) (Sparsity) Chose 0 layer(s) using sparse tactics: "]
    outer = "(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv7"
    said = info([{**info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "Groups": 8, "HasSparseWeights": 0}])
    dropped = (3, [*OTHER, outer, CHOSE, DROPPED.format(3)])
    assert verdict(tmp_path, strategies((4, [*OWN, *inside, USED.format(4)]), dropped), said).proof != "proven"
    assert told(verdict(tmp_path, strategies((4, [*OWN, *inside, outer, CHOSE, USED.format(4)]), dropped), said)) == ("ineligible", "grouped", "proven")
