"""What the HTML page is made of, as dicts."""

from __future__ import annotations

import json
import math

import pytest

from tests.report import factory
from trtlens.report import page
from trtlens.report.extras import Race, ReportExtras, TacticTiming


def one(layer, extras=None):
    (item,) = page.script_data(factory.diagnosis(factory.build([layer])), extras or ReportExtras())["layers"]
    return item


def test_a_layer_carries_its_proof():
    item = one(factory.layer("conv1"))
    assert item["evidence"][0] == ["build.log:4711", "[V] [TRT] Tactic: 0x98e92db98836b738 Time: 0.102"]
    assert item["eligible"] == ["yes", "proven"]
    assert item["eligibleEvidence"][0][0] == "build.log:12"
    assert item["tactic"][1] == "0x98e92db98836b738"
    assert ["sparse against dense", "+7.8 % (dense is faster)"] in item["figures"]
    assert item["remedies"] == [["Nothing to fix in this layer: keep it dense.", "gain unknown"]]


def test_what_is_unknown_has_no_key():
    item = one(factory.unknown_layer("a", "undetermined", "myelin-opaque"))
    assert not {"time", "dense", "sparse", "tactic", "evidence", "races", "figures", "stability"} & set(item)


def test_that_nothing_sparse_was_timed_is_said_where_it_is_proven():
    raced = {"reason": "no-kernel", "best_sparse_ms": None, "margin": None}
    known, open_ = one(factory.layer("a", **raced)), one(factory.layer("a", **raced, proof="suggested"))
    assert known["noSparse"] is True and "sparse" not in known
    assert "noSparse" not in open_ and "noSparse" not in one(factory.layer("a"))


def test_figures_that_are_no_numbers_stay_out():
    item = one(factory.layer(time_ms=math.nan, best_dense_ms=math.inf))
    assert "time" not in item and "dense" not in item
    json.dumps(item, allow_nan=False)


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        (("Half(1,2:8)",), ("Half(1,2:8)",), "FP16"),
        (("Int8(1,2:32)",), ("Half(1)",), "INT8/FP16"),
        (("Row major linear FP32",), (), "FP32"),
        (("Two wide channel vectorized row major FP16 format",), (), "FP16"),
        (("BFloat16(1)",), (), "BF16"),
        (("Thirty-two wide channel vectorized row major Int8 format",), (), "INT8"),
        ((), (), None),
        (("N/A due to dynamic shapes",), (), None),
    ],
)
def test_precision_is_read_from_the_formats(inputs, outputs, expected):
    assert page.precision(factory.layer(input_formats=inputs, output_formats=outputs)) == expected


def tactics(number, sparse_at):
    return tuple(TacticTiming(f"k{i}", f"0x{i:016x}", i == sparse_at, 1.0 + i) for i in range(number))


def test_a_long_race_keeps_the_fastest_and_the_best_of_each_kind():
    extras = ReportExtras(races={"conv": (Race("c", tactics(500, sparse_at=490)),)})
    (race,) = one(factory.layer("conv"), extras)["races"]
    times = [row[2] for row in race["tactics"]]
    assert times[:3] == [1.0, 2.0, 3.0]
    assert [row[2] for row in race["tactics"] if row[1] == 1] == [491.0]
    assert race["omitted"] + len(times) == 500


def test_samples_are_thinned_evenly_and_finite():
    extras = ReportExtras(samples_ms={"conv": (*range(1000), math.nan)})
    samples = one(factory.layer("conv"), extras)["samples"]
    assert len(samples) == 200 and samples[:3] == [0, 5, 10]


def test_the_bar_adds_up():
    capture = page.template_data(factory.engine(120), ReportExtras())["captures"][0]
    assert sum(part["width"] for part in capture["share"]) == pytest.approx(100, abs=0.05)
    assert [part["layers"] for part in capture["share"]] == ["20", "40", "10", "10"]


def test_the_static_table_is_the_costliest_and_counts_the_rest():
    capture = page.template_data(factory.engine(5000), ReportExtras())["captures"][0]
    assert len(capture["fallbacks"]) == page.STATIC_ROWS
    assert capture["more_fallbacks"] + page.STATIC_ROWS == sum(
        group["layers"] for group in capture["reasons"] if group["status"] == "dense"
    )


def test_two_captures_keep_their_layers_apart():
    made = factory.Diagnosis(factory.diagnosis(factory.build([factory.layer("a")])).captures * 2)
    data = page.script_data(made, ReportExtras())
    assert [layer.get("capture", 0) for layer in data["layers"]] == [0, 1]
    assert len(data["captures"]) == 2
