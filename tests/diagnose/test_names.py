"""Names learned from further logs (`--names`): they suggest what runs, and never prove it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.diagnose.hand_made import KERNELS, Log, slower_log
from tests.diagnose.hand_made import LAYER as CONV
from tests.diagnose.hand_made import SPARSE as SPARSE_ID
from tests.small_log import DENSE_HWC, LAYER, SPARSE, SPARSE_NAME, log_text
from trtlens.diagnose.model import LayerVerdict
from trtlens.diagnose.session import Session


def verdict(folder: Path, names: Sequence[str] = ()) -> LayerVerdict:
    build = Session([str(folder)], names=names).main().main
    assert build is not None
    return next(v for v in build.layers if v.name == LAYER)


def test_a_foreign_name_suggests_what_runs(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder, name in ((own, None), (other, SPARSE_NAME)):
        folder.mkdir()
        (folder / "build.log").write_text(log_text(sparse_name=name), encoding="utf-8")
    # the engine runs the unnamed tactic, and the log does not say which layers were chosen
    text = (own / "build.log").read_text(encoding="utf-8")
    text = text.replace(f"Layer(CaskConvolution): {LAYER}, Tactic: 0x{DENSE_HWC:016x}", f"Layer(CaskConvolution): {LAYER}, Tactic: 0x{SPARSE:016x}")
    (own / "build.log").write_text("\n".join(line for line in text.splitlines() if "Chose 0 layer" not in line), encoding="utf-8")

    alone = verdict(own)
    assert (alone.status, alone.reason) == ("undetermined", "unnamed-tactic")
    named = verdict(own, [str(other)])
    assert (named.status, named.proof, named.tactic.name) == ("sparse", "suggested", SPARSE_NAME)
    assert "named by another log" in named.summary


def two_logs(tmp_path: Path, log: Log) -> list[str]:
    """The log without its kernels' names, and the log."""
    for folder, text in (("nameless", re.sub(r"Tactic Name: \S+ ", "", log.text())), ("named", log.text())):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "build.log").write_text(text, encoding="utf-8")
    return [str(tmp_path / "nameless"), str(tmp_path / "named")]


def conv(folder: str, names: Sequence[str] = ()) -> LayerVerdict:
    build = Session([folder], names=names).main().main
    assert build is not None
    return next(v for v in build.layers if v.name == CONV)


def test_foreign_names_decide_a_race_but_prove_nothing(tmp_path: Path) -> None:
    nameless, named = two_logs(tmp_path, slower_log())
    alone, helped, proven = conv(nameless), conv(nameless, [named]), conv(named)
    assert (alone.reason, alone.best_sparse_ms, alone.tactic.name) == ("no-kernel", None, None) and alone.proof != "proven"
    assert (helped.reason, helped.proof) == ("slower", "suggested") and (proven.reason, proven.proof) == ("slower", "proven")
    assert (helped.best_dense_ms, helped.best_sparse_ms, helped.compared_sparse) == (proven.best_dense_ms, proven.best_sparse_ms, KERNELS[SPARSE_ID])
    assert helped.tactic.name == proven.tactic.name


def test_the_logs_own_list_knows_better_than_a_foreign_name(tmp_path: Path) -> None:
    """The list says that a sparse tactic was chosen, and another log calls the one that runs dense: the name is dropped."""
    nameless, named = two_logs(tmp_path, slower_log(picked=CONV))
    found = conv(nameless, [named])
    assert (found.status, found.proof, found.tactic.name) == ("sparse", "suggested", None)
