"""Prefixes and kinds of lines, found column-wise, against the same told line by line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.parse.build_log import lines as k

DATE = "[01/02/2030-03:04:05] "
PREFIXES = {
    "trtexec": (DATE + "[V] [TRT] ", k.TRT, "V"),
    "trtexec warning": (DATE + "[W] [TRT] ", k.TRT, "W"),
    "trtexec's own": (DATE + "[I] ", k.OWN, "I"),
    "Python 8.2": (DATE + "[TRT] [V] ", k.TRT, "V"),
    "Python 7": ("[TensorRT] VERBOSE: ", k.TRT, "V"),
    "Python 7 error": ("[TensorRT] INTERNAL_ERROR: ", k.TRT, "I"),
    "Polygraphy": ("[V] ", k.TRT, "V"),
    "logger with TRT": ("[E] [TRT] ", k.TRT, "E"),
    "jetson, three blanks": ("[TRT]   ", k.TRT, ""),
    "jetson, four blanks": ("[TRT]    ", k.TRT, ""),
    "ISO date": ("2030-01-02 03:04:05.678 VERBOSE: ", k.TRT, ""),
    "none": ("", k.BARE, ""),
}
ID = "0x00a1b2c3d4e5f607"
KINDS = {
    f"Tactic: {ID} Time: 0.0521": k.TIMED,
    "Tactic: 1002 Time: 0.058368": k.TIMED,
    "Tactic: -9147980667639709536 time 0.389856": k.TIMED,
    f"Tactic Name: sm80_xmma_fprop Tactic: {ID} Time: 0.5": k.NAMED_TIMED,
    f"Tactic Name: sm50 numSplitK: 1 numBuffers: 0 numKernels: 1 Tactic: {ID} Time: 26.1291": k.NAMED_TIMED,
    f"Fastest Tactic: {ID} Time: inf": k.FASTEST,
    "Fastest Tactic: 1002 Time: 0.0126": k.FASTEST,
    f"Conv_1 + Relu_2 (CaskConvolution[0x80000009]) profiling completed in 1.2 seconds. Fastest Tactic: {ID} Time: 0.1": k.FASTEST,
    f"Conv_1 Set Tactic Name: volta_scudnn Tactic: {ID}": k.NAMED,
    "Conv_1 Set Tactic Name: volta_scudnn Tactic: -123": k.NAMED,
    "CudnnConvolution has no valid tactics for this config, skipping": k.NO_VALID,
    f"Fast skip Tactic:{ID} which exceed time limit during pre-run": k.FAST_SKIP,
    "Setting a default quantization params because quantization data is missing for Conv_1": k.NOISE,
    "Convolution input dimensions: (1, 3, 224, 224)": k.NOISE,
    "Convolution28 [Conv] inputs: [x -> (1)[FLOAT]], ": k.OTHER,
    "*************** Autotuning format combination: Half(1) -> Half(1) ***************": k.FORMATS,
    "*************** Autotuning Reformat:Half(1) -> Float(1) ***************": k.REFORMATS,
    "--------------- Timing Runner: Conv_1 (CaskConvolution)": k.RUNNER,
    "=============== Computing costs for Conv_1": k.COSTS,
    ">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 1002": k.CHOSE,
    "Skipping CaskFlattenConvolution: No valid tactics for Conv_64": k.SKIP_RUNNER,
    "RunnerBuilder of layer implementation CaskJitConv cannot handle striding for node Conv_N": k.DECLINED,
    "Skipping tactic 3 due to insuficient memory on requested size of 449 detected for tactic 4.": k.NEUTRAL,
    "Tactic: 4 skipped. Scratch requested: 4624547840, available: 4294967296": k.NEUTRAL,
    "Tactic: 0x12 Time: 0.5": k.NEUTRAL,
    "Tactic: 1 2 Time: 0.5": k.NEUTRAL,
    "": k.BLANK,
}


def index_of(*texts: str) -> k.LineIndex:
    return k.index_block("\n".join(texts).encode() + b"\n")


@pytest.mark.parametrize("name", PREFIXES)
def test_prefix_of_each_writer(name: str) -> None:
    prefix, writer, severity = PREFIXES[name]
    index = index_of(prefix + "Tactic: 1002 Time: 0.5   ", prefix + "  indented")
    assert index.text(0) == "Tactic: 1002 Time: 0.5"
    assert index.kind[0] == k.TIMED
    assert index.writer[0] == writer
    assert (chr(index.severity[0]) if index.severity[0] else "") == severity


def test_foreign_sub_build_and_colours() -> None:
    index = index_of(DATE + "[V] [TRT]  (foreignNode) Set user's cuda kernel library", "\x1b[38;5;104m[V] Tactic: 1 Time: 2\x1b[0m", "plain")
    assert index.text(0) == "Set user's cuda kernel library" and index.foreign.tolist() == [True, False, False]
    assert index.text(1) == "Tactic: 1 Time: 2" and len(index) == 3


@pytest.mark.parametrize("prefix", [DATE + "[V] [TRT] ", "[TRT]    ", ""])
@pytest.mark.parametrize("message", [message for message in KINDS if message])
def test_kind_of_line(message: str, prefix: str) -> None:
    assert index_of("[V] before", prefix + message).kind[1] == index_of(prefix + message).kind[0] == KINDS[message]


def test_ids_and_times() -> None:
    index = index_of(f"[V] Tactic: {ID} Time: 0.0521", "[V] Tactic: -1 time 3", f"[V] Fastest Tactic: {ID} Time: inf", f"[V] x Set Tactic Name: n Tactic: {ID}")
    assert index.tactic.tolist() == [0xA1B2C3D4E5F607, 2**64 - 1, 0xA1B2C3D4E5F607, 0xA1B2C3D4E5F607]
    times = index.numbers(index.last_space[:3] + 1, index.end[:3])
    assert times[:2].tolist() == [0.0521, 3.0] and np.isnan(times[2])


@pytest.mark.parametrize("text", ["inf", "3.40282e+38", "-1", "nan", "1_0", "x", ""])
def test_no_time(text: str) -> None:
    assert np.isnan(k.finite(text)) and np.isnan(k.finite(text.encode()))


LINE = st.sampled_from([prefix + message for prefix, _, _ in PREFIXES.values() for message in KINDS]) | st.text(max_size=60).filter(lambda t: "\x1b" not in t)


@given(st.lists(LINE, max_size=30), st.booleans(), st.sampled_from(["\n", "\r\n", "  \n"]))
def test_a_line_reads_the_same_alone_and_in_a_block(texts: list[str], finished: bool, line_end: str) -> None:
    texts = [line for text in texts for line in (text.split("\n") or [""])]
    data = "".join(text + line_end for text in texts).encode()
    whole = k.index_block(data if finished else data.removesuffix(b"\n"))
    for row in range(len(whole)):
        alone = k.index_block(data[int(whole.start[row]) :].split(b"\n")[0] + b"\n")
        assert alone.text(0) == whole.text(row)
        assert (alone.kind[0], alone.writer[0], alone.severity[0], alone.tactic[0]) == (whole.kind[row], whole.writer[row], whole.severity[row], whole.tactic[row])


@given(st.binary(max_size=3000))
def test_any_bytes_are_lines(data: bytes) -> None:
    data = data.replace(b"\x1b", b"")
    index = k.index_block(data)
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    assert [data[a:b] for a, b in zip(index.start.tolist(), index.end.tolist(), strict=True)] == [line.rstrip(b" \t\r") for line in lines]
    assert (index.message >= index.start).all() and (index.message <= index.end).all()
