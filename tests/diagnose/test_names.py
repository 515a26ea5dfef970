"""Names learned from further logs (`--names`): they suggest what runs, and never prove it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
