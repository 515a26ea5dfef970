"""Names of tactic ids from further logs: only hashes, only where all agree, only of the same TensorRT and GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_log import DENSE, SPARSE, SPARSE_NAME, layer_info_text, log_text
from trtlens.diagnose import dictionary
from trtlens.diagnose.dictionary import LEAST_HASH, TacticNames, learn_names
from trtlens.diagnose.frames import Frames
from trtlens.diagnose.load import Capture, load_captures
from trtlens.diagnose.session import Session
from trtlens.errors import InputError, UsageError
from trtlens.parse.build_log.records import NO_TACTIC
from trtlens.parse.layer_info import parse_layer_info


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


def two_versions(path: Path, second: str | None = SPARSE_NAME) -> Path:
    """One log of two builds; the second one's TensorRT is another."""
    path.write_text(log_text(sparse_name=None) + log_text(version="8.5.2", sparse_name=second))
    return path


def test_a_capture_of_two_versions_learns_nothing(tmp_path: Path) -> None:
    """Nobody says of which of them an id is."""
    for version in ("8.5.2", "8.6.1"):
        captured(tmp_path / version, version=version)
        (capture,) = load_captures([str(two_versions(tmp_path / "both.log", None))])
        learn_names([capture], [str(tmp_path / version)])
        assert capture.learned == {}


def test_each_build_of_a_log_names_ids_of_its_own_version_alone(tmp_path: Path) -> None:
    for version, known in (("8.5.2", True), ("8.6.1", False)):
        capture = captured(tmp_path / version, sparse_name=None, version=version)
        learn_names([capture], [str(two_versions(tmp_path / "both.log"))])
        assert (SPARSE in capture.learned) is known and DENSE in capture.learned
    folder = tmp_path / "folder"  # which of the two made the engine nobody says
    folder.mkdir()
    two_versions(folder / "build.log", None)
    (folder / "layer_info.json").write_text(layer_info_text(SPARSE_NAME, SPARSE))
    for version in ("8.5.2", "8.6.1"):
        capture = captured(tmp_path / f"again{version}", sparse_name=None, version=version)
        learn_names([capture], [str(folder)])
        assert SPARSE not in capture.learned


def test_an_unknown_version_or_gpu_is_that_of_no_other_build(tmp_path: Path) -> None:
    capture = captured(tmp_path / "own")
    for gone in (("Compute Capability", "Selected Device"), ("TensorRT version", "&&&& RUNNING")):
        (tmp_path / "vague.log").write_text("\n".join(line for line in log_text().splitlines() if not any(word in line for word in gone)) + "\n")
        with pytest.raises(UsageError, match=r"the names are of an unknown TensorRT or GPU, the capture is of TensorRT 8\.6\.1"):
            learn_names([capture], [str(tmp_path / "vague.log")])
        (vague,) = load_captures([str(tmp_path / "vague.log")])
        with pytest.raises(UsageError, match="the capture is of an unknown TensorRT or GPU"):
            learn_names([vague], [str(tmp_path / "own" / "build.log")])
    (tmp_path / "li.json").write_text(layer_info_text())
    (alone,) = load_captures([str(tmp_path / "li.json")])
    with pytest.raises(UsageError, match="the capture is of an unknown TensorRT or GPU"):
        learn_names([alone], [str(tmp_path / "own" / "build.log")])
    with pytest.raises(UsageError, match="the names are of an unknown TensorRT or GPU"):
        learn_names([capture], [str(tmp_path / "li.json")])
    assert capture.learned == alone.learned == {}


def test_what_else_lies_in_a_folder_hides_no_log(tmp_path: Path) -> None:
    capture = captured(tmp_path / "own", sparse_name=None)
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, text in (("0 notes.txt", "no log at all"), ("b.log", log_text()), ("c.log", log_text()), (".d.log", log_text(sparse_name="sm80_xmma_gemm_something_else"))):
        (folder / name).write_text(text)
    learn_names([capture], [str(folder)])
    assert capture.learned[SPARSE] == SPARSE_NAME
    with pytest.raises(InputError, match=r"0 notes\.txt") as error:
        learn_names([capture], [str(folder / "0 notes.txt")])
    assert "cannot be read" not in str(error.value)


def test_a_folder_of_very_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = captured(tmp_path / "own")
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.log").write_text(log_text())
    monkeypatch.setattr(dictionary, "_FILES", 3)
    learn_names([capture], [str(folder)])
    monkeypatch.setattr(dictionary, "_FILES", 2)
    with pytest.raises(UsageError, match="holds more than 2 files"):
        learn_names([capture], [str(folder)])


def test_layers_without_an_id_or_a_name_teach_nothing() -> None:
    document = json.loads(layer_info_text(SPARSE_NAME, SPARSE))
    whole = document["Layers"][0]
    document["Layers"] += [{**whole, "Name": "a", "TacticName": ""}, {**{key: value for key, value in whole.items() if key != "TacticValue"}, "Name": "b", "TacticName": "other"}]
    names = TacticNames()
    names.add_engine(parse_layer_info(json.dumps(document), "li.json"))
    assert (names.names, names.disputed) == ({SPARSE: SPARSE_NAME}, set())
    names.add(NO_TACTIC, "a")
    assert NO_TACTIC not in names.names


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
