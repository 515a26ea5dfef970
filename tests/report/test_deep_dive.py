"""One layer in depth: what is printed, for whom, and that nothing in a name or a log line can move the terminal."""

from __future__ import annotations

import gzip
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.small_log import DENSE, DENSE_HWC, HWC8, LAYER, LINEAR, layer_info_text, log_text
from trtlens.diagnose.session import Session
from trtlens.errors import UsageError
from trtlens.parse.textio import TextSource
from trtlens.report.deep_dive import lines_around, render_layer
from trtlens.text import display_width


def session_of(folder: Path, text: str | None = None, **changes: str) -> Session:
    (folder / "build.log").write_text(text if text is not None else log_text(**changes))
    (folder / "layer_info.json").write_text(layer_info_text(**changes))
    return Session([str(folder / "build.log"), str(folder / "layer_info.json")])


def shown(session: Session, name: str, width: int = 80) -> str:
    out = StringIO()
    render_layer(session, name, Console(file=out, width=width, highlight=False))
    return out.getvalue()


@pytest.mark.parametrize("name", [LAYER, "conv1"])
def test_a_layer_or_node_shows_verdict_race_and_proof(tmp_path: Path, name: str) -> None:
    text = shown(session_of(tmp_path), name)
    flat = " ".join(text.split())
    assert text.startswith(f"{LAYER}\n  dense: slower (suggested)")
    assert "2 format combinations" in text and LINEAR in flat and HWC8 in flat
    assert "dense 0.0203 ms" in flat and "sparse 0.0302 ms" in flat and "dense 0.0501 ms" in flat
    assert "x: Half(50176,784,28,1) -> Half(6272,1:8,224,8): 0.003 ms" in flat
    assert "Scratch" not in text.split("Evidence")[0] and "(scratch: requested 2000, available 1000)" in flat
    assert "What to do" in text


def test_cited_lines_stand_in_their_context(tmp_path: Path) -> None:
    lines = log_text().splitlines()
    cited = next(n for n, line in enumerate(lines, 1) if "Time: 0.0302" in line)
    text = shown(session_of(tmp_path), LAYER, width=120)
    assert any(line.split()[:2] == [">", str(cited)] and line.endswith("Time: 0.0302") for line in text.splitlines())
    for near in (cited - 2, cited - 1, cited + 1, cited + 2):
        assert any(str(near) in line.split()[:2] for line in text.splitlines()), near


def test_nothing_is_wider_than_the_terminal_and_plain_without_one(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    for width in (60, 80, 120):
        text = shown(session, LAYER, width)
        assert max(display_width(line) for line in text.splitlines()) <= width
        assert "\x1b" not in text and text.isascii()


def test_hostile_names_and_lines_are_shown_not_obeyed(tmp_path: Path) -> None:
    name = "conv[red]x[/] \u202e層"
    text = log_text(layer=name).replace("a warning", "a \x1b[2J\x07 [bold]warning")
    session = session_of(tmp_path, text)
    (tmp_path / "layer_info.json").write_text(layer_info_text(layer=name))
    session = Session([str(tmp_path / "build.log"), str(tmp_path / "layer_info.json")])
    out = StringIO()
    render_layer(session, name, Console(file=out, width=80, force_terminal=True, color_system=None, highlight=False))
    assert "[red]x[/]" in out.getvalue() and "\u202e" not in out.getvalue() and "\x1b[2J" not in out.getvalue() and "\x07" not in out.getvalue()


def test_a_node_in_several_layers_lists_them(tmp_path: Path) -> None:
    import json

    info = json.loads(layer_info_text())
    info["Layers"] = [{**info["Layers"][0], "Name": f"{LAYER} [profile {n}]"} for n in (0, 1)]
    (tmp_path / "layer_info.json").write_text(json.dumps(info))
    session = Session([str(tmp_path / "layer_info.json")])
    for name in ("conv1", LAYER):
        text = shown(session, name)
        assert text.startswith("2 layers match") and f"{LAYER} [profile 0]" in text and f"{LAYER} [profile 1]" in text
    assert shown(session, f"{LAYER} [profile 1]").startswith(f"{LAYER} [profile 1]\n")


@pytest.mark.parametrize(("name", "close"), [("relu1", None), ("CONV", LAYER), ("cnov1", "conv1"), ("zzz", "")])
def test_an_unknown_name_is_told_with_the_closest(tmp_path: Path, name: str, close: str | None) -> None:
    session = session_of(tmp_path)
    if close is None:
        assert shown(session, name).startswith(LAYER)
        return
    with pytest.raises(UsageError) as error:
        shown(session, name)
    assert repr(name) in str(error.value) and (f"'{close}'" in str(error.value) if close else "close to it" not in str(error.value))


def test_without_a_log_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "layer_info.json").write_text(layer_info_text())
    text = shown(Session([str(tmp_path / "layer_info.json")]), LAYER)
    assert "these inputs hold no race for this layer" in text and "TacticName" in text


@settings(max_examples=60)
@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r"), max_size=12), min_size=1, max_size=30),
    st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 3), st.booleans(), st.booleans(),
)  # fmt: skip
def test_lines_around_are_the_lines_of_the_file(tmp_path_factory: pytest.TempPathFactory, lines: list[str], wanted: list[int], around: int, packed: bool, ends: bool) -> None:
    data = ("\n".join(lines) + ("\n" if ends else "")).encode()
    path = tmp_path_factory.mktemp("log") / "x.log"
    path.write_bytes(gzip.compress(data) if packed else data)
    if not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        texts = data.decode().split("\n")
        texts = texts[:-1] if ends else texts
        expected = {n: texts[n - 1] for line in wanted for n in range(line - around, line + around + 1) if 1 <= n <= len(texts) and (texts[n - 1] or n < len(texts) or ends)}
        assert lines_around(TextSource(str(path)), wanted, around) == expected


def test_the_hex_ids_of_the_layer_are_printed(tmp_path: Path) -> None:
    assert f"0x{DENSE_HWC:016x}" in shown(session_of(tmp_path), LAYER) and f"{DENSE:016x}" in log_text()
