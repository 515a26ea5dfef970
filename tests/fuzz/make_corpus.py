"""Writes the seeds of corpus/: small synthetic inputs of every kind and dialect. Past crashers (corpus/*/crash-*) are left alone.

In: the generators of the tests. Out: corpus/TARGET/*. Next: run.py and test_corpus.py read them.
Run from the repository's root: python -m tests.fuzz.make_corpus
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sqlite3
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import zstandard
from onnx import helper

from tests.onnx_builder import conv, dense, save, tensor, two_four
from tests.small_log import layer_info_text, log_text
from tests.synthetic.truth import DIALECTS, make_capture

from .targets import SEPARATOR

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parents[1] / "fixtures"
_PREFIX = re.compile(r"^(?:\[[^\]]*\] ){1,3}")
_VALUE = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?|\([^()]*\)|sm\d+_\S+")


def thin(log: str, times: int = 1) -> str:
    """The log with each form of line kept `times` times: a fuzzer wants few lines of every kind."""
    seen: dict[str, int] = {}
    kept = []
    for line in log.splitlines(keepends=True):
        form = _VALUE.sub("#", _PREFIX.sub("", line))[:44]
        seen[form] = seen.get(form, 0) + 1
        if seen[form] <= times:
            kept.append(line[:400].rstrip("\n") + "\n")
    return "".join(kept)


def log_lines(pattern: str, most: int = 40) -> bytes:
    """What `pattern` captures in the synthetic logs of all dialects."""
    found: dict[str, None] = {}
    for number, dialect in enumerate(DIALECTS):
        log = make_capture(number, dialect.name).log
        found.update(dict.fromkeys(list(dict.fromkeys(re.findall(pattern, log, re.MULTILINE)))[: most // len(DIALECTS) + 1]))
    return "\n".join(found).encode()


def traces() -> dict[str, bytes]:
    kernel = "sm80_xmma_sparse_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_stage3_warpsize2x2x1_sptensor16x8x32_execute_kernel_trt"
    header = "Start (ns),Duration (ns),CorrId,GrdX,Device,Ctx,Strm,Name"
    rows = [f'{n * 1000},{n * 7 + 100},{n},16,"NVIDIA A100 (0)",1,7,"{kernel}"' for n in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.sqlite"
        with sqlite3.connect(path) as base:
            base.execute("PRAGMA page_size=512")
            base.execute("CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
            base.execute("CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, demangledName INTEGER, shortName INTEGER)")
            base.execute("INSERT INTO StringIds VALUES (1, ?), (2, 'short')", (kernel,))
            base.executemany("INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?, ?, ?, ?)", [(100, 130, 1, 2), (200, 260, 9, 2)])
        base.close()
        database = path.read_bytes()
    return {
        "launches.csv": "\n".join([header, *rows, ""]).encode(),
        "microseconds.csv": f"Processing [r] with [cuda_gpu_trace.py]...\n\nStart:ts_us,Duration:dur_us,Name\n1.5,2,{kernel}\n3,x,y\n".encode(),
        "export.sqlite": database,
    }


def models() -> dict[str, bytes]:
    def made(nodes: list[object], tensors: list[object], **more: object) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return save(Path(folder) / "m.onnx", nodes, tensors, **more).read_bytes()  # type: ignore[arg-type]

    weight = two_four((8, 8, 1, 1), 1)
    quantised = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["dq"], name="dq", axis=0),
        helper.make_node("Transpose", ["dq"], ["t"], name="t", perm=[1, 0]),
        helper.make_node("Gemm", ["x", "t"], ["y"], name="gemm", transB=1),
    ]
    scale = tensor("s", np.ones(8), "FLOAT")
    branch = helper.make_graph([conv()], "then", [], [])
    return {
        "conv.onnx": made([conv()], [tensor("w", weight)]),
        "grouped.onnx": made([conv(group=2)], [tensor("w", dense((8, 4, 1, 1)), "FLOAT16")]),
        "quantised.onnx": made(quantised, [tensor("w", two_four((8, 8), 0), "INT8"), scale], inputs={"x": [2, 8]}),
        "typed.onnx": made([conv()], [tensor("w", weight, "BFLOAT16", typed=True)]),
        "branches.onnx": made([helper.make_node("If", ["x"], ["y"], name="if", then_branch=branch, else_branch=branch)], [tensor("w", weight)]),
    }


def archives(manifest: bytes) -> dict[str, bytes]:
    def tar(mode: str) -> bytes:
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode=mode) as archive:  # type: ignore[call-overload]
            for name, content in (("m.trtlens/manifest.json", manifest), ("m.trtlens/build.log", b"a log\n")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return held.getvalue()

    return {"plain.tar": tar("w"), "packed.tar.gz": tar("w:gz"), "packed.tar.xz": tar("w:xz")}


def seeds() -> dict[str, dict[str, bytes]]:
    """Target → name → input."""
    small, info = log_text(), layer_info_text()
    logs = {dialect.name: thin(make_capture(number + 3, dialect.name).log) for number, dialect in enumerate(DIALECTS) if dialect.name not in ("8.6-python", "10.3-python", "8.2-python")}
    captures = [make_capture(number, only) for number, only in ((5, "8.5"), (40, "10.16"))]
    manifest = (FIXTURES / "rtx_tiny" / "model.trtlens" / "manifest.json").read_bytes()
    profile = (FIXTURES / "issue_4056" / "profile.json").read_bytes()
    metadata = {
        "build": {"model_options": {"Format": "ONNX", "Model": "m.onnx"}, "build_options": {"Precision": "FP32+FP16", "Sparsity": "Enabled"},
                  "device_information": {"Selected Device": "Orin", "Compute Capability": 8.7}},
        "profile": {"performance_summary": {"Latency": [1, 4, 2, 1.5, 3]}, "build_options": {"BuilderOptimizationLevel": "5"}},
    }  # fmt: skip
    return {
        "build_log": {f"{name}.log": text.encode() for name, text in logs.items()} | {"small.log": small.encode(), "blanks.log": b"\n[TRT] \n\r\n"},
        "layer_info": {
            "one.json": info.encode(),
            "names.json": b'{"Layers": ["a + b", "c"], "Bindings": ["x"]}',
            "in_log.txt": (FIXTURES / "rtx_tiny" / "model.trtlens" / "layer_info.json").read_bytes()[:6000],
            "cut.json": (FIXTURES / "issue_4056" / "layer_info.json").read_bytes()[:2500],
        },
        "timing_profile": {
            "issue_4056.json": profile,
            "twice.json": profile[:300] + b"\n]\n" + profile,
            "table.txt": b"=== Profile (10 iterations ) ===\n   Layer   Time (ms)   Avg. Time (ms)   Median Time (ms)   Time %\n"
            b"   conv1 + relu1   0.29   0.03   0.03   50.0\n   Total   0.58   0.06   0.06   100.0\n",
        },
        "trex_metadata": {f"{name}.json": json.dumps(value).encode() for name, value in metadata.items()},
        "format_combination": {
            "dialects.txt": log_lines(r"Autotuning (?:format combination|Reformat): ?(.*?) \*\*\*"),
            "symbolic.txt": b"Float(1,E0,(# 0 (SHAPE input))) -> Float(4:4,(* 4 E0),E0) long-strided where E0=(* 128 (# 0 (SHAPE input)))\n"
            b"Half((# 0 (SHAPE a, b -> where (c))),1), Half(2,1) -> Half(56320,1:4,1760,20) hazard",
        },
        "engine_lines": {
            "dialects.txt": log_lines(r"Layer\(\w+\): .*"),
            "older.txt": b"Layer(FusedConvActDirect): (Unnamed Layer* 0) [Convolution], Tactic: 141, data[Float(1,32,32)] -> y[Float(6,28,28)]\n"
            b"Layer(Reformat): r, Tactic: -3, x (Float[-1,(# 0 (SHAPE x)),2]) -> y (Int8[1,2])",
        },
        "kernel_names": {
            "dialects.txt": log_lines(r"(sm\d+_\w+)") + b"\n" + b"sm90_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x64x64_warpgroupsize1x1x1_bias_f16_execute_kernel__5x_cublas",
            "layers.txt": b"Conv_0 + Relu_1 [profile 2]\n{ForeignNode[a.../b]}\nPWN(PWN(s), m)\n[ONNX Layer: /c/Conv]\x1e[ONNX Layer: /c/Relu]",
        },
        "kernel_trace": traces(),
        "onnx_reader": models(),
        "manifest": {"rtx_tiny.json": manifest},
        "tar_capture": archives(manifest),
        "detect": {
            "log": small.encode()[:1500],
            "log.gz": gzip.compress(small.encode()[:1500], mtime=0),
            "log.zst": zstandard.compress(small.encode()[:1500]),
            "utf16": ("\ufeff" + small[:400]).encode("utf-16-le"),
            "json": b'{"a": [1, 2]}',
            "page": b"<!doctype html><html></html>",
        },
        "explain": {
            "small": SEPARATOR.join([small.encode(), info.encode(), profile]),
            **{
                f"{one.dialect.name}-{(one.switches.on and one.switches.on[0]) or 'plain'}": SEPARATOR.join(
                    text.encode() for text in (thin(one.log, 2), one.layer_info) if text is not None
                )
                for one in captures
            },
        },
    }


def main() -> None:
    for target, inputs in seeds().items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if not old.name.startswith("crash-"):
                old.unlink()
        for name, data in inputs.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
