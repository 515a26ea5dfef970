"""Logs that came through a collector: a time, a host or a container's name stands before TensorRT's own prefix.

In: one log with different prefixes. Out: the same tables, whatever stands before, and offsets that lead to the very lines.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.parse.build_log.hand_made import chose, costs, formats, runner
from tests.parse.build_log.reading import brief, combinations, parse, verbose
from trtlens.parse.build_log import parse_build_log
from trtlens.parse.textio import TextSource

PREFIXES: dict[str, Callable[[int], str]] = {
    "docker logs -t, CI": lambda n: f"2030-01-02T03:04:{n % 60:02d}.{n * 7919}Z ",
    "docker compose": lambda n: "builder-1  | ",
    "journald": lambda n: f"Jan 02 03:04:{n % 60:02d} host app[123]: ",
    "a logger around it": lambda n: f"2030-01-02 03:04:{n % 60:02d},{n:03d} {'INFO' if n % 2 else 'WARNING'} worker ",
    "brackets": lambda n: f"[job {n}] ",
    "journald's seconds since the start": lambda n: f"[{n * n * 7.25:12.6f}] host app[123]: ",
    "syslog at the turn of the ninth": lambda n: f"Mar {9 + n // 4:2d} 03:04:05 host app: ",
    "cat -n": lambda n: f"{n * n * 9:6d}\t",
    "a quotation": lambda n: "> ",
    "a quoted quotation": lambda n: "> > ",
}
MESSAGES = [
    costs("Conv_1"), formats("Half(1) -> Half(1)"), runner("Conv_1", "CaskConvolution[0x80000009]"), "Tactic Name: k Tactic: 0x00000000000000aa Time: 0.25",
    " (foreignNode) (Sparsity) Chose 0 layer(s) using sparse tactics:", chose("CaskConvolution", "0x00000000000000aa"),
]  # fmt: skip
OTHERS = {
    "trtexec": verbose(*MESSAGES).replace("[V] [TRT]  (foreign", "[I] [TRT]  (foreign"),
    "the Python API": verbose(*MESSAGES).replace("[V] [TRT]", "[TRT] [V]"),
    "a plain logger": "".join(f"[V] {message}\n" for message in MESSAGES),
    "TensorRT 7": "".join(f"[TensorRT] VERBOSE: {message}\n" for message in MESSAGES),
}


@pytest.mark.parametrize("writer", OTHERS)
@pytest.mark.parametrize("collector", PREFIXES)
def test_what_a_collector_puts_before_each_line_changes_nothing(collector: str, writer: str, tmp_path: Path) -> None:
    text = OTHERS[writer] + "[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information:\nLayer(CaskConvolution): Conv_1, Tactic: 0x00000000000000aa, x (Half[1]) -> y (Half[1])\n"
    (tmp_path / "plain.log").write_text(text)
    (tmp_path / "collected.log").write_text("".join(PREFIXES[collector](number) + line for number, line in enumerate(text.splitlines(keepends=True))))
    plain, collected = (parse_build_log(TextSource(str(tmp_path / name))) for name in ("plain.log", "collected.log"))
    assert brief(collected) == brief(plain) == [("Conv_1", "CaskConvolution", 0xAA, "k", 0.25, "timed")]
    assert combinations(collected) == combinations(plain)
    for log in (plain, collected):
        assert [line.text.split(",")[0] for line in log.builds[0].engine_layers] == ["Layer(CaskConvolution): Conv_1"]
        assert [(found.kind, found.foreign) for found in log.builds[0].sparsity] == [("picked", True)]
        assert log.builds[0].complete and not log.unknown_lines
    assert collected.builds[0].severities == plain.builds[0].severities
    source = TextSource(str(tmp_path / "collected.log"))
    offset = collected.builds[0].engine_layers[0].offset
    assert source.lines_at([offset])[offset] == (tmp_path / "collected.log").read_text().splitlines()[-1]


LOGGERS: dict[str, Callable[[int, str], str]] = {
    "loguru": lambda n, level: f"2030-01-02 03:04:{n:02d}.123 | {level:8} | trt:log:{n} - ",
    "a level padded to a width": lambda n, level: f"trt.{n} {level:<8}",
    "a level padded, and a blank": lambda n, level: f"trt.{n} {level:<8} ",
    "a level": lambda n, level: f"trt.{n} {level} ",
}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("logger", LOGGERS)
def test_a_logger_that_pads_the_severity_to_a_width(logger: str, first: int) -> None:
    log = parse("".join(f"{LOGGERS[logger](n, ('VERBOSE', 'INFO')[(n + first) % 2])}{message}\n" for n, message in enumerate(MESSAGES)))
    assert brief(log) == [("Conv_1", "CaskConvolution", 0xAA, "k", 0.25, "timed")]
    assert [(found.kind, found.foreign) for found in log.builds[0].sparsity] == [("picked", True)]
    assert log.builds[0].severities == {"V", "I"} and not log.unknown_lines


@pytest.mark.parametrize("opener", ["[", "2030-01-02 03:04:05 INFO epoch 1 ", "Training: 44% "])
def test_one_damaged_ruler_is_no_collector(opener: str, tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(opener + OTHERS["trtexec"] + OTHERS["trtexec"].replace("Conv_1", "Conv_2"))
    log = parse_build_log(TextSource(str(tmp_path / "build.log")))
    assert [combination["layer"] for combination in combinations(log)] == ["Conv_1", "Conv_2"]
    assert log.builds[0].severities == {"V", "I"}


@pytest.mark.parametrize("writer", ["[I] ", "[TensorRT] INFO: ", "[01/02/2030-03:04:05] [TRT] [I] ", ""])
@pytest.mark.parametrize("collector", PREFIXES)
def test_an_info_log_without_a_ruler_tells_its_collector_by_its_lists(collector: str, writer: str, tmp_path: Path) -> None:
    """TensorRT 8 prints its lists at INFO, where nothing is tuned and no ruler stands."""
    messages = [
        "Local timing cache in use. Profiling results in this builder pass will not be stored.", "(Sparsity) Layers eligible for sparse math: conv0, conv1",
        "(Sparsity) TRT inference plan picked sparse implementation for layers: conv1", "Total Activation Memory: 538968064",
    ]  # fmt: skip
    path = tmp_path / "collected.log"
    path.write_text("".join(f"{PREFIXES[collector](number)}{writer}{message}\n" for number, message in enumerate(messages)))
    log = parse_build_log(TextSource(str(path)))
    lists = [item for build in log.builds for item in build.sparsity]
    assert [(item.kind, item.names) for item in lists] == [("eligible", ("conv0", "conv1")), ("picked", ("conv1",))]
    offset = lists[1].at.offset
    assert TextSource(str(path)).lines_at([offset])[offset] == path.read_text().splitlines()[2]
