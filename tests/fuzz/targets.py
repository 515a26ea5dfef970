"""One fuzz target a parser: any bytes at all may be refused with a TrtlensError, and nothing else may come out.

In: bytes. Out: nothing; any other exception is a bug. Next: run.py feeds them new inputs, test_corpus.py the ones kept in corpus/.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from trtlens.errors import TrtlensError

Target = Callable[[bytes], None]

SEPARATOR = b"\n%%\n"
"""Between the texts of an input that stands for several files."""


@lru_cache(maxsize=1)
def _scratch() -> Path:
    """A folder of this process, in memory where the system has such a place: a target may run thousands of times a second."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="trtlens-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _file(data: bytes, name: str = "input") -> str:
    path = _scratch() / name
    path.write_bytes(data)
    return str(path)


def _text(data: bytes) -> str:
    """As TextSource.read_text decodes a document."""
    return data.decode("utf-8", "backslashreplace")


def _lines(data: bytes) -> list[tuple[int, str]]:
    return list(enumerate(_text(data).split("\n"), 1))


def build_log(data: bytes) -> None:
    """The log reader; every line that it cites must be there to be read again."""
    from trtlens.parse.build_log import parse_build_log
    from trtlens.parse.textio import TextSource

    source = TextSource(_file(data))
    log = parse_build_log(source)
    for build in log.builds:
        cited = [*build.warnings, *build.fusions, *build.engine_layers, *(line for lines in build.notable.values() for line in lines)]
        texts = source.lines_at([line.offset for line in cited])
        assert all(texts[line.offset] for line in cited if line.text), "a cited line cannot be read again"


def layer_info(data: bytes) -> None:
    from trtlens.parse.layer_info import looks_like, parse_embedded_layer_info, parse_layer_info

    text = _text(data)
    looks_like(text)
    parse_embedded_layer_info(_lines(data))
    parse_layer_info(text, "input")


def timing_profile(data: bytes) -> None:
    from trtlens.parse.timing_profile import looks_like, parse_profile_table, parse_timing_profile

    text = _text(data)
    looks_like(text)
    parse_profile_table(_lines(data))
    parse_timing_profile(text, "input")


def trex_metadata(data: bytes) -> None:
    from trtlens.parse.trex_meta import looks_like, parse_trex_metadata

    text = _text(data)
    looks_like(text)
    parse_trex_metadata(text, "input")


def format_combination(data: bytes) -> None:
    """Both orders of axes; a combination that was read answers every question about its tensors."""
    from trtlens.parse.formats import innermost_first, parse_combination, parse_format, parse_reformat, same_memory_layout

    for line in _text(data).split("\n"):
        innermost_first(line)
        for reverse in (False, True):
            combination = parse_combination(line, reverse)
            parse_reformat(line, reverse)
            one = parse_format(line, reverse)
            tensors = [*combination.inputs, *combination.outputs] if combination is not None else []
            for tensor in [*tensors, *([one] if one is not None else [])]:
                for dimensions in (None, (1, 64, 28, 28), (2, 3)):
                    tensor.layout(dimensions)
                    same_memory_layout(tensor, tensors[0] if tensors else tensor, dimensions)


def engine_lines(data: bytes) -> None:
    from trtlens.parse.engine_lines import parse_engine_line

    for line in _text(data).split("\n"):
        parse_engine_line(line)


def kernel_names(data: bytes) -> None:
    from trtlens.parse.kernel_names import classify, is_sparse
    from trtlens.parse.kernel_trace import tactic_name
    from trtlens.parse.layer_names import onnx_nodes_from_metadata, onnx_nodes_from_name, split_profile_suffix

    for line in _text(data).split("\n"):
        assert classify(line).sparse == is_sparse(line)
        tactic_name(line)
        split_profile_suffix(line)
        onnx_nodes_from_name(line)
        onnx_nodes_from_metadata(line)


def kernel_trace(data: bytes) -> None:
    """CSV and SQLite; one reader tells them apart."""
    from trtlens.parse.kernel_trace import parse_kernel_trace

    _ = parse_kernel_trace(_file(data)).kernels


def onnx_reader(data: bytes) -> None:
    """The reader with the 2:4 check that reads every weight it found."""
    from trtlens.diagnose.weights import check_model

    check_model(_file(data, "model.onnx"))


def manifest(data: bytes) -> None:
    from trtlens.capture.manifest import read_manifest

    read_manifest(Path(_file(data, "manifest.json")))


def tar_capture(data: bytes) -> None:
    """The archive of a capture script; nothing may be written outside the folder it is unpacked into."""
    from trtlens.capture.folder import opened_capture

    with opened_capture(Path(_file(data, "capture.tar"))) as folder:
        assert folder.is_dir()
        sum(path.stat().st_size for path in folder.rglob("*"))


def detect(data: bytes) -> None:
    """Packed files, encodings, and what a file is."""
    from trtlens.parse import detect as module
    from trtlens.parse.textio import TextSource

    source = TextSource(_file(data))
    try:
        module.detect(source)
    except TrtlensError:
        pass
    text = b"".join(block for _, block in source.blocks(hash_it=True))
    source.lines_at([0, len(text) // 2])
    assert len(source.sha256) == 64


def explain(data: bytes) -> None:
    """The whole way of a capture, from its texts (log, layer info, timing profile, … whatever of them there is) to JSON, terminal, page and tables."""
    import io

    from rich.console import Console

    from trtlens.diagnose.explain import Options
    from trtlens.diagnose.frames import Frames
    from trtlens.diagnose.session import Session
    from trtlens.report.html import render_html
    from trtlens.report.json_report import to_dict, validate
    from trtlens.report.markdown import render_markdown
    from trtlens.report.terminal import render
    from trtlens.tables import TABLES

    paths = [_file(part, f"part{number}") for number, part in enumerate(data.split(SEPARATOR)[:4]) if part]
    session = Session(paths, Options())
    validate(to_dict(session.diagnosis))
    render(session.diagnosis, Console(file=io.StringIO(), width=100))
    render_markdown(session.diagnosis)
    render_html(session.diagnosis, session.extras())
    frames = Frames(session)
    for name in TABLES:
        for _ in frames.batches(name):
            pass


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        build_log, layer_info, timing_profile, trex_metadata, format_combination, engine_lines, kernel_names, kernel_trace, onnx_reader,
        manifest, tar_capture, detect, explain,
    )
}  # fmt: skip


def run(name: str, data: bytes) -> None:
    """One input through one target; returns where it was read or refused."""
    try:
        TARGETS[name](data)
    except TrtlensError as error:
        assert str(error), "a refusal must say what is wrong"
