"""Many captures: found, read in parallel, written as one dataset; a bad one is reported and takes nothing with it."""

from __future__ import annotations

import gc
import io
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tests.report.dying import die_on_b
from tests.report.factory import build, diagnosis, layer
from tests.synthetic.truth import Switches, make_capture
from trtlens.diagnose.explain import Options
from trtlens.diagnose.gates import Gates
from trtlens.diagnose.session import Session
from trtlens.errors import InputError, UsageError
from trtlens.report import dataset
from trtlens.report.dataset import CaptureOutcome, DatasetResult, find_captures, labels, several_captures, write_dataset
from trtlens.report.dataset_terminal import render_dataset, run_dataset
from trtlens.tables import TABLES


def write(folder: Path, seed: int) -> Path:
    made = make_capture(seed, "8.5", Switches())
    folder.mkdir(parents=True)
    (folder / "build.log").write_text(made.log)
    (folder / "layer_info.json").write_text(made.layer_info or "")
    (folder / "profile.json").write_text(made.profile or "")
    return folder


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four captures in two folders, one of them damaged."""
    root = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(("monday/a", "monday/b", "tuesday/a")):
        write(root / name, number)
    (root / "tuesday" / "bad").mkdir()
    (root / "tuesday" / "bad" / "layer_info.json").write_text('{"Layers": [')
    return root


@pytest.fixture(scope="module")
def written(captures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetResult, Path]:
    out = tmp_path_factory.mktemp("out") / "tables"
    return write_dataset([str(captures)], out, workers=2), out


def test_a_bad_capture_is_reported_and_skipped(written: tuple[DatasetResult, Path]) -> None:
    result, out = written
    assert [one.error is None for one in result.captures] == [True, True, True, False]
    assert "bad/layer_info.json" in (result.bad[0].error or "")
    assert result.exit_code == 0
    rows = {row["capture"]: row for row in ds.dataset(out / "captures").to_table().to_pylist()}
    assert rows.keys() == {one.label for one in result.captures}
    assert rows["bad"]["error"] == result.bad[0].error
    assert rows["b"]["picked"] + rows["b"]["fallback"] <= rows["b"]["layers"]
    assert not list((out / "layers").glob("capture=bad*"))


def test_every_table_is_one_partitioned_dataset(written: tuple[DatasetResult, Path]) -> None:
    result, out = written
    assert {path.name for path in out.iterdir()} == {*TABLES, "captures"}
    good = {one.label for one in result.captures if one.error is None}
    for name in TABLES:
        table = ds.dataset(out / name, partitioning="hive").to_table()
        assert set(table.column_names) == {*TABLES[name].names}
        assert {path.name for path in (out / name).iterdir()} == {f"capture={label}" for label in good}
    layers = ds.dataset(out / "layers", partitioning="hive").to_table().to_pandas()
    assert layers.groupby("capture").size().to_dict() == {one.label: one.layers for one in result.captures if one.error is None}
    assert ds.dataset(out / "tactics", partitioning="hive").schema.field("tactic").type == pa.uint64()


def test_duckdb_reads_it(written: tuple[DatasetResult, Path]) -> None:
    duckdb = pytest.importorskip("duckdb")
    result, out = written
    query = f"select capture, count(*) filter (status = 'sparse') from read_parquet('{out}/verdicts/*/*.parquet', hive_partitioning = true) group by 1"
    found = dict(duckdb.sql(query).fetchall())
    assert found == {one.label: one.picked for one in result.captures if one.error is None}


def test_the_pool_and_one_process_write_the_same(captures: Path, written: tuple[DatasetResult, Path], tmp_path: Path) -> None:
    alone = write_dataset([str(captures)], tmp_path / "tables", workers=1)
    assert alone == written[0]
    for name in ("verdicts", "tactics", "captures"):
        for path in sorted((tmp_path / "tables" / name).rglob("*.parquet")):
            other = written[1] / path.relative_to(tmp_path / "tables")
            assert pq.ParquetFile(path).read().to_pylist() == pq.ParquetFile(other).read().to_pylist()


def test_captures_are_found_where_they_lie(captures: Path) -> None:
    found = find_captures([str(captures), str(captures / "monday" / "a")])
    assert [str(Path(path).relative_to(captures)) for path in found] == ["monday/a", "monday/b", "tuesday/a", "tuesday/bad"]
    with pytest.raises(UsageError, match="no capture"):
        find_captures([])


def test_labels_are_distinct_and_need_no_escaping() -> None:
    found = labels(["x/a", "y/a", "z/A", "weights 2:4/run=1", "2024-01-02", "s3://b/run-7/", "層", "-"])
    assert len({name.lower() for name in found}) == 8
    assert all(name and not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") for name in found)
    assert found[3:6] == ["run-1", "capture-2024-01-02", "run-7"]
    assert found[0].startswith("a-") and labels(["x/a"]) == ["a"]


def test_a_second_run_replaces_its_own_partitions_and_keeps_the_others(tmp_path: Path) -> None:
    first, second = write(tmp_path / "first", 1), write(tmp_path / "second", 2)
    out = tmp_path / "out"
    write_dataset([str(first), str(second)], out, workers=1)
    (second / "build.log").unlink()
    again = write_dataset([str(second)], out, workers=1)
    rows = {row["capture"]: row for row in ds.dataset(out / "captures").to_table().to_pylist()}
    assert rows.keys() == {"first", "second"}
    assert rows["second"]["fallback"] == again.captures[0].fallback
    assert ds.dataset(out / "tactics", partitioning="hive").to_table().to_pandas()["capture"].unique().tolist() == ["first"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="holds something else"):
        write_dataset(["whatever"], tmp_path)
    with pytest.raises(UsageError, match="cannot be made a folder"):
        write_dataset(["whatever"], tmp_path / "mine.txt")
    (tmp_path / "old" / "captures").mkdir(parents=True)
    (tmp_path / "old" / "captures" / "part-0.parquet").write_bytes(b"no table")
    with pytest.raises(UsageError, match="is no table of captures"):
        write_dataset([str(write(tmp_path / "one", 1))], tmp_path / "old", workers=1)


def test_gates_are_asked_in_the_workers(captures: Path, tmp_path: Path) -> None:
    gates = Gates(("dense",), baseline=diagnosis(build([layer("conv")])).captures[0], allow_unknown=True)
    assert pickle.loads(pickle.dumps((gates, Options()))) == (gates, Options())
    result = write_dataset([str(captures)], tmp_path / "out", gates=gates, workers=2)
    assert result.exit_code == 1
    for one in result.captures:
        held = [gate.rule for gate in one.gates if gate.holds]
        assert ("fail-on dense" in held) is bool(one.fallback)


def outcome(error: str | None) -> CaptureOutcome:
    return CaptureOutcome("a", "a", error)


@pytest.mark.parametrize(
    ("errors", "gated", "allow", "code"),
    [
        ([None, None], False, False, 0),
        ([None, "bad"], False, False, 0),
        (["bad", "bad"], False, False, 2),
        ([None, "bad"], True, False, 1),  # nobody can tell whether the gate holds for it
        ([None, "bad"], True, True, 0),
        (["bad"], True, True, 2),
    ],
)
def test_the_exit_code(errors: list[str | None], gated: bool, allow: bool, code: int) -> None:
    assert DatasetResult(tuple(map(outcome, errors)), gated, allow).exit_code == code


def test_a_worker_that_dies_takes_no_other_capture_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_one", die_on_b)
    tasks = [dataset._Task(label, label, "out") for label in "ab"]
    found = {one.label: one.error for one in dataset._run(tasks, 2)}
    assert found.pop("b") == "the process that read it died, perhaps out of memory; explain it alone"
    assert found == {"a": None}


def test_a_partition_that_cannot_be_written_is_said_and_no_traceback(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "captures").mkdir(parents=True)
    (out / "tactics").write_text("in the way")
    result = write_dataset([str(write(tmp_path / "one", 1))], out, workers=1)
    assert "tactics" in (result.bad[0].error or "")
    assert result.exit_code == 2


def test_whoever_stops_early_leaves_no_process_behind() -> None:
    before = set(multiprocessing.active_children())
    outcomes = dataset._run([dataset._Task(label, "/nothing", "out") for label in "abcd"], 2)
    assert next(outcomes).error is not None
    outcomes.close()
    for worker in set(multiprocessing.active_children()) - before:
        worker.join(20)
        # Where the pool's own thread takes the exit status, a join that comes second returns before that thread has told it.
        for _ in range(100):
            if not worker.is_alive():
                break
            time.sleep(0.05)
        assert not worker.is_alive()


def test_an_archive_is_gone_before_the_next_one_is_unpacked(captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    for name in "ab":
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            tar.add(Path(__file__).parents[2] / "fixtures" / "rtx_tiny" / "model.trtlens", "m")
    there: list[int | str] = []
    gc.disable()  # it would remove what is in a cycle, some time
    try:
        write_dataset([str(tmp_path / f"{name}.tar") for name in "ab"], tmp_path / "out", workers=1, on_done=lambda one, *_: there.append(one.error or len(list((tmp_path / "scratch").iterdir()))))
    finally:
        gc.enable()
    assert there == [0, 0]


_WORKING_ON = """
import signal, sys
from pathlib import Path
from tests.report.dying import work_on_and_on
from trtlens import cli
from trtlens.report import dataset
signal.signal(signal.SIGINT, signal.default_int_handler)
dataset._one = work_on_and_on
folder, marks = sys.argv[1:]
cli.app = lambda prog_name: list(dataset._run([dataset._Task(label, f"{marks}/{label}", folder) for label in "abcd"], 2))
cli.main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "trtlens: interrupted\n"), (signal.SIGTERM, "")])
def test_a_signal_ends_the_workers_and_leaves_nothing_of_what_they_had_begun(tmp_path: Path, number: signal.Signals, said: str) -> None:
    folders = [tmp_path / name for name in ("out", "marks", "scratch")]
    for folder in folders:
        folder.mkdir()
    out, marks, scratch = folders
    first = subprocess.Popen(
        [sys.executable, "-c", _WORKING_ON, str(out), str(marks)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(scratch)}, cwd=Path(__file__).parents[2], start_new_session=True,
    )  # fmt: skip
    while first.poll() is None and len(list(marks.iterdir())) < 2:
        time.sleep(0.02)
    assert len(list(out.iterdir())) == 2 and len(list(scratch.iterdir())) >= 2, "both workers have begun"
    if number == signal.SIGINT:
        os.killpg(first.pid, number)  # as a terminal sends it: to everybody
    else:
        first.send_signal(number)
    _, complained = first.communicate(timeout=60)
    assert (first.returncode, complained) == (128 + number, said)
    assert list(out.iterdir()) == [] and list(scratch.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_while_a_worker_starts_is_not_its_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches every process of a terminal, and a fresh interpreter would answer with a traceback."""
    code = "import os, signal, sys\nif '--multiprocessing-fork' in sys.orig_argv:\n    open(os.environ['STARTED'], 'a').write('x'); os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setattr(dataset, "_one", die_on_b)
    outcomes = list(dataset._run([dataset._Task(label, label, "out") for label in "ac"], 2))
    assert (tmp_path / "started").exists() and [one.error for one in outcomes] == [None, None]


def test_urls_are_captures_and_stay_urls(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    folder = write(tmp_path / "one", 1)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for path in folder.iterdir():
        memory.pipe(f"/runs/far/{path.name}", path.read_bytes())
    memory.pipe("/runs/broken/layer_info.json", b"{")
    result = write_dataset(["memory://runs/*", f"file://{folder}"], tmp_path / "out", workers=1)
    assert [(one.label, one.error is None) for one in result.captures] == [("broken", False), ("far", True), ("one", True)]
    assert "memory:///runs/broken/layer_info.json" in (result.bad[0].error or "")
    profile = ds.dataset(tmp_path / "out" / "timing_profile", partitioning="hive").to_table().to_pandas()
    assert set(profile["input"].astype(str)) == {"memory:///runs/far/profile.json", f"file://{folder}/profile.json"}
    memory.store.clear()
    with pytest.raises(InputError, match="matches nothing"):
        write_dataset(["memory://runs/*"], tmp_path / "out")


def test_files_behind_urls_are_the_parts_of_one_capture_like_files_here(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    folder = write(tmp_path / "one", 1)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for path in folder.iterdir():
        memory.pipe(f"/far/{path.name}", path.read_bytes())
        memory.pipe(f"/more/x/{path.name}", path.read_bytes())
        memory.pipe(f"/more/deep/y/{path.name}", path.read_bytes())
    with tarfile.open(tmp_path / "packed", "w") as archive:
        archive.add(folder, "one")
    memory.pipe("/packed", (tmp_path / "packed").read_bytes())
    here = [str(path) for path in sorted(folder.iterdir())]
    for files in (here, [f"file://{path}" for path in here], [f"memory://far/{Path(path).name}" for path in here], ["memory://far/*"], [here[0], "memory://far/profile.json"]):
        assert not several_captures(files), files
        assert len(Session(files).captures) == 1
    for wholes in ([str(folder), str(tmp_path / "packed")], ["memory://far", str(folder)], ["memory://far", "memory://packed"], ["memory://more"]):
        assert several_captures(wholes), wholes
    # A folder of folders is searched, there as here.
    assert find_captures(["memory://more/"]) == ["memory://more/deep/y", "memory://more/x"]
    assert not several_captures(["memory://far", "memory://nothing"])  # who reads it says that it is missing
    with pytest.raises(UsageError, match=r"memory://more/x/build\.log is a second build log beside memory://far/build\.log"):
        Session(["memory://far/build.log", "memory://more/x/build.log"])
    memory.store.clear()


def test_the_terminal_names_the_bad_ones_apart(captures: Path, tmp_path: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    code = run_dataset([str(captures)], tmp_path / "t", console=Console(file=out, width=90), errors=Console(file=err, width=90), gates=Gates(("dense",)), workers=1)
    assert code == 1
    assert out.getvalue().startswith("3 captures: ")
    assert "1 capture could not be read and was skipped." in " ".join(out.getvalue().split())
    text = " ".join(err.getvalue().split())
    assert text.count("trtlens: skipped:") == 1
    assert "cannot tell: 1 capture could not be read" in text
    assert json.dumps(text).isascii()


def test_time_in_some_of_the_fallbacks_is_a_lower_limit(tmp_path: Path) -> None:
    names = ("synthetic_small", "issue_4056")
    result = write_dataset([str(Path(__file__).resolve().parents[2] / "fixtures" / name) for name in names], tmp_path / "out", workers=1)
    stream = io.StringIO()
    render_dataset(result, Console(file=stream, width=100), Console(file=io.StringIO()))
    rows = {line.split()[0]: line for line in stream.getvalue().splitlines() if line}
    assert " at least 0.102 " in rows["issue_4056"] and " 0.292 " in rows["synthetic_small"] and "least" not in rows["synthetic_small"]


def test_two_processes_write_the_same_bytes(captures: Path, tmp_path: Path) -> None:
    """Neither the hashes of strings nor the keys that the log reader draws for a process show in the files."""
    code = "import sys; from trtlens.report.dataset import write_dataset; write_dataset(sys.argv[2:], sys.argv[1], workers=1)"
    found = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        subprocess.run([sys.executable, "-c", code, str(out), str(captures)], env={**os.environ, "PYTHONHASHSEED": seed}, check=True)
        found.append({path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.parquet")})
    assert len(found[0]) == 3 * len(TABLES) + 1
    assert found[0] == found[1]
