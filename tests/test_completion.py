"""Shell completion: a script for each shell, and words for the command line that it is asked about."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from trtlens.cli import COMMANDS

RUN = [sys.executable, "-c", "from trtlens.cli import main; main()"]


def ask(**environment: str) -> str:
    done = subprocess.run(RUN, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef trtlens"), ("fish", "complete --command trtlens")])
def test_a_script_for_each_shell(shell: str, word: str) -> None:
    script = ask(_TRTLENS_COMPLETE=f"source_{shell}")
    assert word in script and "_TRTLENS_COMPLETE" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_commands_and_options_are_completed_in_bash() -> None:
    assert ask(_TRTLENS_COMPLETE="complete_bash", COMP_WORDS="trtlens ", COMP_CWORD="1").split() == list(COMMANDS)
    assert ask(_TRTLENS_COMPLETE="complete_bash", COMP_WORDS="trtlens exp", COMP_CWORD="1").split() == ["explain"]
    assert {"--fail-on", "--min-picked", "--html"} <= set(ask(_TRTLENS_COMPLETE="complete_bash", COMP_WORDS="trtlens explain --", COMP_CWORD="2").split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_what_is_typed() -> None:
    """bash itself loads the script and asks it."""
    trtlens = " ".join(f"'{word}'" for word in RUN)
    code = f"""
trtlens() {{ {trtlens}; }}
env() {{ command env "${{@:1:3}}" {trtlens}; }}
source <(_TRTLENS_COMPLETE=source_bash {trtlens})
COMP_WORDS=(trtlens rea) COMP_CWORD=1
_trtlens_completion trtlens
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["reasons"], done.stderr
