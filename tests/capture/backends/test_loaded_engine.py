"""The arithmetic of profiling: buffers, and samples in trtexec's form. Running an engine needs a GPU: docs/limits.md."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from trtlens.capture.backends.loaded_engine import NotMeasured, Samples, profile_json, tensor_bytes
from trtlens.capture.build import _samples_to_parquet


@pytest.mark.parametrize(
    ("shape", "item", "vectorized", "components", "size"),
    [
        ((1, 3, 224, 224), 4, -1, 1, 602112),  # linear FP32
        ((1, 3, 8, 8), 2, 1, 8, 1024),  # HWC8: 3 channels padded to 8
        ((2, 33, 4, 4), 1, 1, 32, 2048),  # CHW32: 33 channels padded to 64
        ((3,), 0.5, -1, 1, 2),  # 4-bit: 1.5 bytes are 2
        ((), 4, -1, 1, 4),  # a scalar
        ((0, 5), 4, -1, 1, 1),  # an empty tensor still needs an address
    ],
)
def test_a_buffer_holds_the_padded_tensor(shape: tuple[int, ...], item: float, vectorized: int, components: int, size: int) -> None:
    assert tensor_bytes(shape, item, vectorized, components) == size


def test_a_size_that_depends_on_the_data_is_not_guessed() -> None:
    with pytest.raises(NotMeasured, match="depends on the data"):
        tensor_bytes((1, -1), 4, -1, 1)


def test_samples_become_rows_in_trtexecs_form() -> None:
    samples = Samples([[("a", 1.0), ("b", 2.0), ("a", 3.0)], [("a", 2.0), ("b", 2.0), ("a", 5.0)], [("a", 3.0), ("b", 8.0), ("a", 4.0)]])
    count, *rows = profile_json(samples)
    assert count == {"count": 3}
    assert [(row["name"], row["timeMs"], row["averageMs"], row["medianMs"], row["percentage"]) for row in rows] == [
        ("a", 6.0, 2.0, 2.0, 20.0),
        ("b", 12.0, 4.0, 2.0, 40.0),
        ("a", 12.0, 4.0, 4.0, 40.0),  # a second layer of the same name is another layer
    ]


def test_an_iteration_that_reports_other_layers_is_left_out() -> None:
    samples = Samples([[("a", 1.0), ("b", 2.0)], [("a", 9.0)], [("a", 3.0), ("b", 4.0)]])
    assert samples.table() == [("a", [1.0, 3.0]), ("b", [2.0, 4.0])]


def test_no_time_at_all_is_no_percentage_rather_than_nan() -> None:
    assert profile_json(Samples([[("noop", 0.0)]]))[1]["percentage"] == 0.0
    assert profile_json(Samples()) == [{"count": 0}]


def test_samples_are_kept_one_by_one_in_parquet(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    names = ['conv, "quoted"', "two\nlines", "ünïcode"]
    with (tmp_path / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("position", "layer", "iteration", "time_ms"))
        writer.writerows((position, name, iteration, 0.5) for position, name in enumerate(names) for iteration in range(2))
    _samples_to_parquet(tmp_path / "samples.csv", tmp_path / "samples.parquet")
    table = pq.read_table(tmp_path / "samples.parquet")
    types = {one.name: str(one.type) for one in table.schema}
    assert types == {"position": "int32", "layer": "string", "iteration": "int32", "time_ms": "double"}
    assert table.column("layer").to_pylist() == [name for name in names for _ in range(2)]
