"""The files of fixtures/issue_4056 are what its script writes, and say what the issue says."""

from __future__ import annotations

import runpy

import pytest

from tests.parse.corpus import REPOSITORY, read
from trtlens.parse.layer_info import parse_layer_info
from trtlens.parse.timing_profile import parse_timing_profile
from trtlens.text import split_top_level

FOLDER = REPOSITORY / "fixtures" / "issue_4056"
MAKE = runpy.run_path(str(FOLDER / "make.py"))


@pytest.mark.parametrize("name", ["layer_info.json", "profile.json", "build.log"])
def test_files_are_what_the_script_writes(name: str) -> None:
    assert read(FOLDER / name) == MAKE["FILES"][name]()


def test_108_names_eligible_79_picked_29_not() -> None:
    lines = [line for line in read(FOLDER / "build.log").split("\n") if "(Sparsity)" in line]
    eligible, picked = (set(split_top_level(line.partition("layers: ")[2] or line.partition("math: ")[2])) for line in lines)
    assert (len(eligible), len(picked), len(eligible - picked)) == (108, 79, 29) and picked < eligible
    assert "Conv_276 + Add_277 + Relu_278" in picked and "Conv_663 + Add_664 + Relu_665" in eligible - picked


def test_layer_info_and_profile() -> None:
    engine = parse_layer_info(read(FOLDER / "layer_info.json"), "layer_info.json")
    sparse, reformat, dense = engine.layers
    assert (sparse.tactic_value, dense.tactic_value) == (0x7C131D76D207C8D1, 0x3EDA3B336995A6F0)
    assert sparse.has_sparse_weights and dense.has_sparse_weights and reformat.layer_type == "NoOp"
    assert (dense.inputs[0].layout, dense.out_maps, dense.weights_count) == ("HWC8", 288, 82944)
    (profile,) = parse_timing_profile(read(FOLDER / "profile.json"), "profile.json")
    times = {row.name: row.median_ms for row in profile.rows}
    assert profile.iterations == 99 and profile.notes == () and times[dense.name] == 0.102496 and times[sparse.name] == 0.020768
    assert times[reformat.name] == 0
