"""The dataset of many captures in the engines that people query such things with. Each is asked where it is installed; Spark and Ray only with -m slow.

    pip install pyspark ray && pytest -m slow tests/report/test_dataset_engines.py
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.synthetic.truth import Switches, make_capture
from trtlens.report.dataset import write_dataset
from trtlens.tables import TABLES

Counts = dict[tuple[str, str], int]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("engines")
    for number, name in enumerate(("a", "b")):
        made = make_capture(number, "8.5", Switches())
        (root / name).mkdir()
        for file, text in (("build.log", made.log), ("layer_info.json", made.layer_info), ("profile.json", made.profile)):
            (root / name / file).write_text(text or "")
    write_dataset([str(root / "a"), str(root / "b")], root / "out", workers=1)
    return root / "out"


def expected(written: Path) -> Counts:
    frame = ds.dataset(written / "verdicts", partitioning="hive").to_table(columns=["capture", "status"]).to_pandas()
    return dict(Counter(zip(frame["capture"], frame["status"], strict=True)))


def test_polars(written: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.scan_parquet(written / "verdicts" / "*" / "*.parquet", hive_partitioning=True).group_by("capture", "status").len().collect()
    assert {(row["capture"], row["status"]): row["len"] for row in frame.iter_rows(named=True)} == expected(written)
    tactics = polars.scan_parquet(written / "tactics" / "*" / "*.parquet", hive_partitioning=True).collect_schema()
    assert tactics["tactic"] == polars.UInt64


@pytest.mark.slow
def test_spark(written: Path) -> None:
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    session = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    try:
        rows = session.read.parquet(str(written / "verdicts")).groupBy("capture", "status").count().collect()
        assert {(row["capture"], row["status"]): row["count"] for row in rows} == expected(written)
        for name, table in TABLES.items():
            assert set(session.read.parquet(str(written / name)).columns) == set(table.names)
        assert dict(session.read.parquet(str(written / "tactics")).dtypes)["tactic"] == "decimal(20,0)"  # as docs/tables.md says
    finally:
        session.stop()


@pytest.mark.slow
def test_ray(written: Path) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed")
    data = pytest.importorskip("ray.data")
    from ray.data.datasource.partitioning import Partitioning

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        frame = data.read_parquet(str(written / "verdicts"), partitioning=Partitioning("hive")).to_pandas()
        assert dict(Counter(zip(frame["capture"], frame["status"], strict=True))) == expected(written)
    finally:
        ray.shutdown()
