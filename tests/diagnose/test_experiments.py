"""Further builds inside a capture folder: a counterfactual, repeats, per-iteration samples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.small_log import LAYER, log_text
from trtlens.diagnose.session import Session
from trtlens.errors import InputError

FIXTURE = Path(__file__).parents[2] / "fixtures"
SPARSE = "sm80_xmma_fprop_sparse_conv_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize64x128x64_stage3_warpsize1x4x1_g1_sptensor16x8x32_t1r1s1"
DENSE = "sm80_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize256x64x32_stage3_warpsize4x1x1_g1_tensor16x8x16_simple_t1r1s1"


def write(folder: Path, kernels: dict[str, tuple[str, float]]) -> None:
    folder.mkdir(parents=True)
    common = {"LayerType": "CaskConvolution", "Inputs": [], "Outputs": [], "HasSparseWeights": 1, "TacticValue": "0x1"}
    layers = [{"Name": n, "TacticName": k, **common} for n, (k, _) in kernels.items()]
    (folder / "layer_info.json").write_text(json.dumps({"Layers": layers, "Bindings": []}), encoding="utf-8")
    rows = [{"count": 10}, *({"name": n, "timeMs": t * 10, "averageMs": t, "medianMs": t, "percentage": 50.0} for n, (_, t) in kernels.items())]
    (folder / "profile.json").write_text(json.dumps(rows), encoding="utf-8")


def capture(folder: Path, experiments: list[dict[str, str]]) -> None:
    manifest = json.loads((FIXTURE / "rtx_tiny" / "model.trtlens" / "manifest.json").read_text(encoding="utf-8"))
    manifest["experiments"], manifest["backend"]["name"] = experiments, "trtexec"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_repeats_say_which_layers_flip(tmp_path: Path) -> None:
    main = tmp_path / "c"
    write(main, {"a": (SPARSE, 0.1), "b": (DENSE, 0.2)})
    write(main / "repeat-2", {"a": (DENSE, 0.1), "b": (DENSE, 0.2)})
    write(main / "repeat-3", {"a": (SPARSE, 0.1), "b": (DENSE, 0.2)})
    capture(main, [{"kind": "repeat", "folder": f"repeat-{n}", "status": "complete"} for n in (2, 3)])
    (result,) = Session([str(main)]).experiment_results()
    text = " | ".join(result.lines)
    assert result.title == "The same build 3 times"
    assert "a: sparse in 2 of 3 builds" in text and "b:" not in text and "1 layer flipped" in text


def test_a_counterfactual_says_what_sparsity_gained(tmp_path: Path) -> None:
    main = tmp_path / "c"
    write(main, {"a": (SPARSE, 0.1), "b": (DENSE, 0.2)})
    write(main / "counterfactual", {"a": (DENSE, 0.15), "b": (DENSE, 0.2)})
    capture(main, [{"kind": "counterfactual", "folder": "counterfactual", "status": "complete"}])
    session = Session([str(main)])
    (result,) = session.experiment_results()
    assert "0.3 ms with SPARSE_WEIGHTS and 0.35 ms without (-14.3%)" in result.lines[0]
    assert result.lines[1] == "a: 0.1 ms sparse, 0.15 ms dense, 0.05 ms faster"
    extras = session.extras()
    assert extras is not None and extras.experiments == (result,)


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    main, elsewhere = tmp_path / "c", tmp_path / "elsewhere"
    write(main, {"a": (SPARSE, 0.1)})
    write(elsewhere, {"a": (DENSE, 0.1)})
    capture(main, [{"kind": "repeat", "folder": "../elsewhere", "status": "complete"}])
    with pytest.raises(InputError, match="not a trtlens manifest"):
        Session([str(main)])


def test_samples_reach_the_report_and_damaged_ones_do_no_harm(tmp_path: Path) -> None:
    main = tmp_path / "c"
    write(main, {"a": (SPARSE, 0.1)})
    capture(main, [])
    table = pa.table({"position": pa.array([0, 0], pa.int32()), "layer": ["a", "a"], "iteration": pa.array([0, 1], pa.int32()), "time_ms": [0.1, 0.2]})
    pq.write_table(table, main / "profile_samples.parquet")
    extras = Session([str(main)]).extras()
    assert extras is not None and extras.samples_ms == {"a": (0.1, 0.2)}
    (main / "profile_samples.parquet").write_bytes(b"PAR1 not a table")
    extras = Session([str(main)]).extras()
    assert extras is not None and extras.samples_ms == {}
    shutil.rmtree(main)


def test_without_further_builds_there_is_nothing_to_say(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(log_text(), encoding="utf-8")
    session = Session([str(tmp_path / "build.log")])
    assert session.experiment_results() == () and any(v.name == LAYER for v in session.main().builds[0].layers)
