"""Timing profiles: trtexec's JSON as it really is, and its tables in logs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.errors import InputError
from trtlens.parse.records import ProfileRow
from trtlens.parse.timing_profile import looks_like, parse_profile_table, parse_timing_profile


def trtexec_row(name: str, total: str = "2", median: str | None = "0.2") -> str:
    middle = f', "medianMs" : {median}' if median else ""
    return f', {{ "name" : "{name}", "timeMs" : {total}, "averageMs" : 0.25{middle}, "percentage" : 10 }}'


def trtexec_file(*rows: str, count: str = "99") -> str:
    return "\n".join(["[", f'  {{ "count" : {count} }}', *rows, "]", ""])


def test_trtexec_file() -> None:
    (profile,) = parse_timing_profile(trtexec_file(trtexec_row("a + b"), trtexec_row("c", "-nan", "-nan")), "p")
    assert (profile.iterations, profile.dialect, profile.notes) == (99, "json-8.5", ())
    first, second = profile.rows
    assert (first.name, first.total_ms, first.average_ms, first.median_ms, first.percent, first.pointer) == (
        "a + b",
        2,
        0.25,
        0.2,
        10,
        "/1",
    )
    assert (second.name, second.total_ms, second.median_ms, second.pointer) == ("c", None, None, "/2")


def test_files_of_7_and_8_2_have_no_median() -> None:
    (profile,) = parse_timing_profile(trtexec_file(trtexec_row("a", median=None)), "p")
    assert profile.dialect == "json-7" and profile.rows[0].median_ms is None and profile.rows[0].average_ms == 0.25


def test_arrays_appended_to_one_file_are_several_profiles() -> None:
    text = trtexec_file(trtexec_row("a")) + trtexec_file(trtexec_row("a"), trtexec_row("b"), count="7")
    first, second = parse_timing_profile(text, "p")
    assert [row.pointer for row in first.rows] == ["/1"] and [row.pointer for row in second.rows] == ["/1/1", "/1/2"]
    assert (first.iterations, second.iterations) == (99, 7) and first.notes == second.notes == ()


def test_cut_off_file_keeps_its_rows_and_says_so() -> None:
    text = trtexec_file(trtexec_row("a"), trtexec_row("b"))
    (profile,) = parse_timing_profile(text[: text.index('"b"') + 20], "p")
    assert [row.name for row in profile.rows] == ["a"]
    assert any("no complete row" in note.message for note in profile.notes) and any("cut off" in note.message for note in profile.notes)


def test_damaged_row_does_not_swallow_the_next() -> None:
    text = trtexec_file(', { "name" : "broken", "timeMs" : }', trtexec_row("whole"))
    (profile,) = parse_timing_profile(text, "p")
    assert [row.name for row in profile.rows] == ["whole"]
    assert any("broken" in note.message for note in profile.notes)


def test_trailing_commas_and_nan_in_library_json() -> None:
    text = '[{"count": 3}, {"name": "a\\"b", "timeMs": NaN, "averageMs": 1.5, "percentage": 1},]'
    (profile,) = parse_timing_profile(text, "p")
    (row,) = profile.rows
    assert (row.name, row.total_ms, row.average_ms, profile.iterations) == ('a"b', None, 1.5, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("\x00\x01\x02binary", "binary"),
        ("<!DOCTYPE html><html>", "web page"),
        ('{"Layers": [], "Bindings": []}', "layer-info"),
        ('[{ "startEnqMs" : 1, "latencyMs" : 2 }]', "--exportTimes"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[1, 2", "not valid JSON"),
        ("just text", "no timing profile"),
        ("[]", "empty JSON list"),
        ("[" + "9" * 10_000 + "]", "too many digits"),
    ],
)
def test_what_is_no_profile_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_timing_profile(text, "p.json")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("p.json")


names = st.text(max_size=40).filter(lambda n: '"timeMs"' not in n and '"name"' not in n)


@given(st.lists(names, min_size=1, max_size=6))
def test_any_name_survives_trtexecs_raw_writing(found: list[str]) -> None:
    (profile,) = parse_timing_profile(trtexec_file(*(trtexec_row(name) for name in found)), "p")
    assert [row.name for row in profile.rows] == found and profile.notes == ()


@given(st.lists(names, min_size=1, max_size=6))
def test_any_name_survives_a_json_library(found: list[str]) -> None:
    text = json.dumps([{"count": 2}, *({"name": name, "timeMs": 1.5, "averageMs": 1, "medianMs": 1, "percentage": 3} for name in found)])
    (profile,) = parse_timing_profile(text, "p")
    assert [row.name for row in profile.rows] == found and looks_like(text)


@given(st.data())
def test_damage_never_raises_anything_but_input_error(data: st.DataObject) -> None:
    text = trtexec_file(trtexec_row('a "b" c'), trtexec_row("d", "-nan")) + trtexec_file(trtexec_row("e"))
    cut = data.draw(st.integers(0, len(text)))
    characters = list(text[:cut])
    for index in data.draw(st.lists(st.integers(0, max(cut - 1, 0)), max_size=5)):
        if characters:
            characters[index] = data.draw(st.characters(codec="latin-1"))
    try:
        profiles = parse_timing_profile("".join(characters), "p")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert profiles and all(row.pointer for profile in profiles for row in profile.rows)


PREFIX = "[05/25/2023-09:14:58] [I] "
TABLES = {
    "table-8.2": [
        "             Layer   Time (ms)   Avg. Time (ms)   Time %",
        " Conv_0 + Relu_1     2000.50           2.0005     40.0",
        "     [weird] 1 2        0.00           0.0000      0.0",
        "             Total     2000.50           2.0005    100.0",
    ],
    "table-8.5": [
        "             Layer   Time (ms)   Avg. Time (ms)   Median Time (ms)   Time %",
        " Conv_0 + Relu_1     2000.50           2.0005             1.9990     40.0",
        "     [weird] 1 2        0.00           0.0000               -nan      0.0",
        "             Total     2000.50           2.0005             1.9990    100.0",
    ],
    "table-8.6": [
        "   Time(ms)     Avg.(ms)   Median(ms)   Time(%)   Layer",
        "    2000.50       2.0005       1.9990      40.0   Conv_0 + Relu_1",
        "       0.00       0.0000         -nan       0.0   [weird] 1 2",
        "    2000.50       2.0005       1.9990     100.0   Total",
    ],
}


@pytest.mark.parametrize("prefix", [PREFIX, ""])
@pytest.mark.parametrize("dialect", list(TABLES))
def test_tables_of_each_version(dialect: str, prefix: str) -> None:
    lines = [f"{prefix}=== Profile (1000 iterations ) ===", *(prefix + line for line in TABLES[dialect]), prefix, prefix + "something else"]
    profile = parse_profile_table(enumerate(lines, 10))
    assert profile is not None and (profile.iterations, profile.dialect, profile.notes) == (1000, dialect, ())
    conv, weird = profile.rows
    assert (conv.name, conv.total_ms, conv.average_ms, conv.percent, conv.line) == ("Conv_0 + Relu_1", 2000.5, 2.0005, 40, 12)
    assert conv.median_ms == (None if dialect == "table-8.2" else 1.999)
    assert (weird.name, weird.median_ms) == ("[weird] 1 2", None)


def test_table_without_total_was_cut_off() -> None:
    profile = parse_profile_table(enumerate(["=== Profile (3 iterations ) ===", *TABLES["table-8.6"][:2]], 1))
    assert profile is not None and len(profile.rows) == 1 and "cut off" in profile.notes[0].message


def test_layer_called_total_is_a_row() -> None:
    table = TABLES["table-8.6"]
    profile = parse_profile_table(enumerate([table[0], table[3], table[1], table[3]], 1))
    assert profile is not None and [row.name for row in profile.rows] == ["Total", "Conv_0 + Relu_1"] and profile.notes == ()


def test_no_table() -> None:
    assert parse_profile_table([(1, "=== Performance summary ==="), (2, "nothing")]) is None


def test_a_negative_figure_is_unknown() -> None:
    (profile,) = parse_timing_profile('[{"count": 1}, {"name": "a", "timeMs": -1, "averageMs": -1, "medianMs": 0, "percentage": -3}]', "p.json")
    assert profile.rows == (ProfileRow("a", None, None, 0.0, None, pointer="/1"),)
