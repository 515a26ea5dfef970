from pathlib import Path
import json
from tests.small_log import *
from trtlens.diagnose.session import Session

def test_a_foreign_name_suggests_what_runs(tmp_path: Path) -> None:
    own, other = tmp_path/"own", tmp_path/"other"
    for f, name in ((own, None), (other, SPARSE_NAME)):
        f.mkdir(); (f/"build.log").write_text(log_text(sparse_name=name))
    # the engine runs the unnamed tactic, and the list does not name it
    text = (own/"build.log").read_text().replace(f"Layer(CaskConvolution): {LAYER}, Tactic: 0x{DENSE_HWC:016x}", f"Layer(CaskConvolution): {LAYER}, Tactic: 0x{SPARSE:016x}")
    text = "\n".join(l for l in text.splitlines() if "Chose 0 layer" not in l)
    (own/"build.log").write_text(text)
    def v(names):
        return next(x for x in Session([str(own)], names=names).main().main.layers if x.name == LAYER)
    assert (v(()).status, v(()).reason) == ("undetermined", "unnamed-tactic")
    got = v([str(other)])
    assert (got.status, got.proof, got.tactic.name) == ("sparse", "suggested", SPARSE_NAME), got
    assert "named by another log" in got.summary
