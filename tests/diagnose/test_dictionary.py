"""Names of tactic ids from further logs: only hashes, only where all agree, only of the same TensorRT and GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_log import DENSE, SPARSE, SPARSE_NAME, layer_info_text, log_text
from trtlens.diagnose.dictionary import LEAST_HASH, TacticNames, learn_names
from trtlens.diagnose.frames import Frames
from trtlens.diagnose.load import Capture, load_captures
from trtlens.diagnose.session import Session
from trtlens.errors import InputError, UsageError


def captured(folder: Path, **changes: object) -> Capture:
    folder.mkdir()
    (folder / "build.log").write_text(log_text(**changes))  # type: ignore[arg-type]
    (capture,) = load_captures([str(folder / "build.log")])
    return capture


def test_a_further_log_names_an_id_and_the_table_says_so(tmp_path: Path) -> None:
    capture = captured(tmp_path / "own", sparse_name=None)
    captured(tmp_path / "other")
    learn_names([capture], [str(tmp_path / "other" / "build.log")])
    assert capture.learned[SPARSE] == SPARSE_NAME
    session = Session([str(tmp_path / "own" / "build.log")], names=[str(tmp_path / "other")])
    (row,) = [r for r in Frames(session).table("tactics").to_pylist() if r["tactic"] == SPARSE]
    assert (row["kernel"], row["kernel_from"], row["sparse"]) == (SPARSE_NAME, "names", True)
    # The names of the capture's own log stay its own.
    (own,) = [r for r in Frames(session).table("tactics").to_pylist() if r["tactic"] == DENSE and r["source"] == "timed"]
    assert own["kernel_from"] == "log"


def test_no_verdict_is_proven_by_a_foreign_name(tmp_path: Path) -> None:
    captured(tmp_path / "own", sparse_name=None)
    captured(tmp_path / "other")
    own = str(tmp_path / "own" / "build.log")
    without, with_names = Session([own]).main().main, Session([own], names=[str(tmp_path / "other")]).main().main
    assert without is not None and with_names is not None
    proven = {v.name for v in without.layers if v.proof == "proven"}
    assert {v.name for v in with_names.layers if v.proof == "proven" and v.status in ("dense", "sparse")} <= proven


@pytest.mark.parametrize(("version", "capability"), [("8.5.2", "8.6"), ("8.6.1", "8.9")])
def test_names_of_another_tensorrt_or_gpu_are_refused_in_one_line(tmp_path: Path, version: str, capability: str) -> None:
    capture = captured(tmp_path / "own", sparse_name=None)
    captured(tmp_path / "other", version=version, capability=capability)
    with pytest.raises(UsageError, match=f"TensorRT {version} on compute capability {capability}") as error:
        learn_names([capture], [str(tmp_path / "other")])
    assert "\n" not in str(error.value) and not capture.learned


def test_a_folder_of_logs_is_read_and_what_is_no_log_passed_over(tmp_path: Path) -> None:
    capture = captured(tmp_path / "own", sparse_name=None)
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.log").write_text(log_text())
    (folder / "b.log").write_text(log_text(version="8.5.2", sparse_name="sm80_xmma_gemm_something_else"))
    (folder / "notes.md").write_text("no log at all")
    learn_names([capture], [str(folder)])
    assert capture.learned[SPARSE] == SPARSE_NAME


def test_where_two_logs_disagree_nothing_is_learned(tmp_path: Path) -> None:
    capture = captured(tmp_path / "own", sparse_name=None)
    captured(tmp_path / "one")
    captured(tmp_path / "two", sparse_name="sm80_xmma_gemm_something_else")
    learn_names([capture], [str(tmp_path / "one"), str(tmp_path / "two")])
    assert SPARSE not in capture.learned and DENSE in capture.learned


def test_a_layer_info_names_ids_where_a_log_beside_it_says_the_version(tmp_path: Path) -> None:
    capture = captured(tmp_path / "own", sparse_name=None)
    captured(tmp_path / "other", sparse_name=None)
    (tmp_path / "other" / "layer_info.json").write_text(layer_info_text(SPARSE_NAME, SPARSE))
    learn_names([capture], [str(tmp_path / "other")])
    assert capture.learned[SPARSE] == SPARSE_NAME


def test_unreadable_names_are_bad_input(tmp_path: Path) -> None:
    capture = captured(tmp_path / "own")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(InputError):
            learn_names([capture], [str(path)])


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1) | st.sampled_from([LEAST_HASH, LEAST_HASH - 1, 1000]), st.sampled_from(["a", "b", ""]))))
def test_only_hashes_on_which_all_lines_agree(pairs: list[tuple[int, str]]) -> None:
    names = TacticNames()
    for tactic, kernel in pairs:
        names.add(tactic, kernel)
    said: dict[int, set[str]] = {}
    for tactic, kernel in pairs:
        if kernel:
            said.setdefault(tactic, set()).add(kernel)
    wanted = {t: next(iter(k)) for t, k in said.items() if len(k) == 1 and t >= LEAST_HASH and t != 0xD15EA5EDD15EA5ED}
    assert names.names == wanted
