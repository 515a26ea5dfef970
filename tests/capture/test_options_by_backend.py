"""Every option has a name on the command line and in trtlens.toml, a text in --help, and one outcome for each backend (option_table.py).

The tensorrt backend is held to the table by bindings/test_bindings.py, with the real bindings of each version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.capture import fake_trtexec, models, option_table
from trtlens.capture.backends.trtexec import Outputs, plan
from trtlens.capture.settings import OPTION_NAMES, options_from
from trtlens.commands import build
from trtlens.errors import UsageError

ROOT = Path(__file__).parents[2]
COMMAND: Any = typer.main.get_command(build.app)
OPTIONS = {max(one.opts, key=len).lstrip("-"): one for one in COMMAND.params if one.param_type_name == "option"}
OF_TYPER = {"install-completion", "show-completion"}


def test_the_table_has_every_option_there_is() -> None:
    in_table = {name for row in option_table.TABLE.values() for name in row.given}
    assert in_table | option_table.NOT_THE_BUILDERS == set(OPTION_NAMES)


@pytest.mark.parametrize("version", fake_trtexec.VERSIONS)
def test_every_option_becomes_a_flag_of_that_trtexec_or_is_refused_with_the_reason(tmp_path: Path, version: str) -> None:
    model = models.conv_matmul(tmp_path / "m.onnx")
    made: dict[str, tuple[list[str], list[str]]] = {}
    for name, row in option_table.TABLE.items():
        try:
            options = options_from({"model": model, "backend": "trtexec", **row.given})
            found = plan(options, Path("trtexec"), fake_trtexec.help_text(version), Outputs("l.json", "p.json", None))
            made[name] = list(found.command), list(found.refusals)
        except UsageError as error:
            made[name] = [], [str(error)]
    assert option_table.failures(made, "trtexec", version) == []


def test_every_option_becomes_a_call_of_tensorrt_rtx_or_is_refused_with_the_reason() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed (pip install 'trtlens[rtx]')")
    program = "import json, tensorrt_rtx as m; from tests.capture.option_table import python_plans as p; print(json.dumps(p(m, 'tensorrt-rtx')))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert option_table.failures(json.loads(done.stdout), "rtx", "1.7.1") == []


def test_a_row_that_does_not_hold_is_noticed() -> None:
    nothing: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in option_table.TABLE}
    assert len(option_table.failures(nothing, "rtx", "1.7.1")) == len(option_table.TABLE)
    assert option_table.expected({"8": "a", "10.3": "b"}, "10.0.1") == "a" and option_table.expected({"8": "a", "10.3": "b"}, "10.16") == "b"


def test_the_command_line_has_every_option_of_the_settings_file() -> None:
    assert set(OPTION_NAMES) - {"model", "extra"} <= set(OPTIONS), "the model is the argument, extra flags stand after --"


def test_every_option_has_a_text_and_a_place_in_help() -> None:
    named = [name for names in build.GROUPS.values() for name in names]
    assert sorted(named) == sorted(set(OPTIONS) - OF_TYPER), "each option in one group"
    assert [name for name in named if not OPTIONS[name].help] == []


def test_help_fits_80_columns_in_groups() -> None:
    program = "from trtlens.cli import main; main()"
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    done = subprocess.run([sys.executable, "-c", program, "build", "--help"], env=environment, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and max(map(len, lines)) <= 80
    titles = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Arguments", *build.GROUPS, "Options"]
    assert all(f"--{name}" in done.stdout for name in OPTIONS)
