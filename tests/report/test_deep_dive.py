"""One layer in depth: what is printed, for whom, and that nothing in a name or a log line can move the terminal."""

from __future__ import annotations

import gzip
import re
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from reports.make import big_engine
from tests.small_log import DENSE, DENSE_HWC, HWC8, LAYER, LINEAR, layer_info_text, log_text
from trtlens.diagnose.model import LineEvidence
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
    # It is wrapped, not cut.
    assert re.sub(r"\s", "", f"> {cited} {lines[cited - 1]}") in re.sub(r"\s", "", text)
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


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """About a hundred layers with every kind of verdict: twins, pinned layers, tactics without memory."""
    folder = tmp_path_factory.mktemp("engine")
    for name, text in big_engine().files.items():
        (folder / name).write_text(text)
    return Session([str(folder)])


def test_every_layer_of_an_engine_shows_its_verdict_and_every_line_that_it_cites(engine: Session) -> None:
    main = engine.main().main
    assert main is not None
    seen = set()
    for verdict in main.layers:
        text = shown(engine, verdict.name, 120)
        lines = text.splitlines()
        assert lines[0] == verdict.name or lines[0].startswith(verdict.name[:100])
        assert lines[1] == f"  {verdict.status}: {verdict.reason} ({verdict.proof})" if verdict.reason else lines[1].startswith(f"  {verdict.status}")
        cited = sorted({e.line for e in (*verdict.evidence, *verdict.eligibility.evidence) if isinstance(e, LineEvidence) and e.input == engine.captures[0].log_input})
        marked = [int(line.split()[1]) for line in lines if line.startswith("  > ")]
        assert marked == cited[: len(marked)] and (len(marked) == len(cited) or f"and {len(cited) - len(marked):,} more cited lines" in text)
        flat = " ".join(text.split())
        assert ("race of the equal layer:" in flat) is bool(verdict.inherited_from)
        assert all(suspect.reason in flat for suspect in verdict.suspects[:10])
        seen |= {verdict.status} | ({"twin"} if verdict.inherited_from else set()) | ({"skipped"} if "skipped " in flat else set()) | ({"alone"} if "hold no race" in flat else set())
    assert {"sparse", "dense", "ineligible", "other", "twin", "skipped", "alone"} <= seen


def test_a_layer_of_two_captures_is_listed_with_its_capture(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "layer_info.json").write_text(layer_info_text().replace("conv1", "conv1" if name == "a" else "conv2"))
    session = Session([str(tmp_path / "a"), str(tmp_path / "b")])
    both = shown(session, "relu1")
    assert both.startswith("2 layers match relu1") and ", capture 1" in both and ", capture 2" in both
    assert shown(session, "conv2").startswith("conv2 + relu1 (capture 2)\n")
    twice = Session([str(tmp_path / "a"), str(tmp_path / "a" / "layer_info.json")])
    text = shown(twice, LAYER)  # no other name would tell them apart
    assert text.startswith(f"{LAYER} (capture 1)\n") and f"\n{LAYER} (capture 2)\n" in text


def test_a_capture_without_layers_has_none_to_name(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text("".join(log_text().splitlines(keepends=True)[:1]))
    with pytest.raises(UsageError, match="the inputs name no layer at all"):
        shown(Session([str(tmp_path / "build.log")]), "conv1")


def test_a_long_list_is_cut_around_the_layer_that_it_is_cited_for(tmp_path: Path) -> None:
    names = ", ".join(f"other{number} + relu{number}" for number in range(60))
    line = next(line for line in log_text().splitlines() if "(Sparsity)" in line and "eligible" in line)
    text = log_text().replace(line, line.replace(LAYER, f"{names}, {LAYER}, {names}"))
    found = shown(session_of(tmp_path, text), LAYER, 100)
    number = next(n for n, one in enumerate(text.splitlines(), 1) if "(Sparsity)" in one and "eligible" in one)
    cited = " ".join(found.split(f"> {number:>7} ")[1].split(f" {number + 1} ")[0].split())
    assert "other59" in cited and LAYER in cited and "..." in cited and len(cited) <= 500
    assert max(map(display_width, found.splitlines())) <= 100


def test_the_hex_ids_of_the_layer_are_printed(tmp_path: Path) -> None:
    assert f"0x{DENSE_HWC:016x}" in shown(session_of(tmp_path), LAYER) and f"{DENSE:016x}" in log_text()
