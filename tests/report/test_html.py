"""The page as text: what it may hold, how big it is, how it is written."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re

import pytest

from tests.report import factory
from trtlens.errors import UsageError
from trtlens.report.extras import Experiment, ReportExtras
from trtlens.report.html import embed_json, render_html, write_html


def policy(text):
    return re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text).group(1)


def test_embedded_json_holds_nothing_that_html_could_read():
    value = {"a": [*factory.HOSTILE_NAMES[:5], "<!--", "-->", "]]>", "&amp;"]}
    text = embed_json(value)
    assert json.loads(text) == value
    assert not set("<>&") & set(text) and text.isascii()


def test_the_policy_forbids_all_but_our_own_scripts():
    text = render_html(factory.engine(24))
    rules = policy(text)
    assert rules.startswith("default-src 'none';")
    assert "unsafe" not in rules and "http" not in rules
    script = re.findall(r"<script>(.*?)</script>", text, re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in rules


def test_no_attribute_points_outside():
    for made in (factory.engine(24), factory.hostile()):
        for target in re.findall(r'\b(?:src|href|action|poster|data)="([^"]*)"', render_html(made, pictures=False)):
            assert target.startswith("#") or target == "data:,"


@pytest.mark.parametrize(("layers", "limit"), [(100, 2_300_000), (5000, 3_200_000)])
def test_it_stays_small_with_races_and_pictures(layers, limit):
    made = factory.engine(layers)
    text = render_html(made, factory.extras_for(made))
    assert "plotly-gzip" in text and len(text.encode()) <= limit


def test_the_same_diagnosis_gives_the_same_page():
    assert render_html(factory.engine(24)) == render_html(factory.engine(24))


def test_large_data_are_packed_and_hold_every_layer():
    text = render_html(factory.engine(600), pictures=False)
    packed = re.search(r'id="data" data-encoding="gzip">([^<]+)<', text).group(1)
    assert len(json.loads(gzip.decompress(base64.b64decode(packed)))["layers"]) == 600


def test_pictures_are_left_out_when_nothing_has_a_time():
    made = factory.diagnosis(factory.build([factory.unknown_layer("a", "undetermined", "names-only")]))
    assert "plotly-gzip" not in render_html(made)


def test_experiments_have_their_section():
    text = render_html(factory.engine(3), ReportExtras(experiments=(Experiment("Padded to <64>", ("one & two",)),)), pictures=False)
    assert "<h3>Padded to &lt;64&gt;</h3>" in text and "<li>one &amp; two</li>" in text


def test_writing_is_whole_or_not_at_all(tmp_path):
    target = tmp_path / "report.html"
    write_html(factory.engine(3), target)
    assert target.read_text(encoding="utf-8").endswith("</html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(UsageError):
        write_html(factory.engine(3), tmp_path / "missing" / "report.html")


def test_the_signs_beside_code_stay_on_its_line():
    from trtlens.report.html import _prose

    assert _prose("Build (`trtlens build`), then `a <b>`.") == (
        'Build <span class="whole">(<code>trtlens build</code>),</span> then <span class="whole"><code>a &lt;b&gt;</code>.</span>'
    )
