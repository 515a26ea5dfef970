"""`trtlens diff A B`: two captures in, one comparison out, in every form that was asked for.

In: two sides as the user named them. Out: files, text on the console, exit code. Next: diagnose/diff.py compares; diff_terminal.py, diff_json.py and
diff_html.py write.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..diagnose.diff import DiffResult, diff
from ..diagnose.explain import Options, diagnose
from ..diagnose.load import Progress, load_captures
from ..errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ..diagnose.model import CaptureDiagnosis

_NAME = 24


def run_diff(
    a: str,
    b: str,
    json: str | None = None,
    html: str | None = None,
    *,
    console: Console,
    noise: str = "3%,1us",
    quiet: bool = False,
    progress: Progress | None = None,
) -> int | None:
    """Compare two sides, each a capture folder, one artefact file, or several files of one capture joined by commas; write what was asked for.

    Raises UsageError and InputError as `load_captures` does. A difference is no failure: there is no exit code for it.
    """
    write_diff(compare(a, b, noise, progress), json, html, console=console, quiet=quiet)
    return None


def write_diff(result: DiffResult, json: str | None = None, html: str | None = None, *, console: Console, quiet: bool = False) -> None:
    """Write the files that were asked for, and print. Raises UsageError where one cannot be written."""
    from .diff_terminal import render_diff

    if json is not None:
        from .diff_json import write_diff_json

        write_diff_json(result, json)
    if html is not None:
        from .diff_html import write_diff_html

        write_diff_html(result, html)
    render_diff(result, console, quiet=quiet)


def compare(a: str, b: str, noise: str = "3%,1us", progress: Progress | None = None, names: tuple[str, str] | None = None) -> DiffResult:
    """Read both sides and compare their main builds. `names`: what to call them, if not after what tells their paths apart."""
    from ..diagnose.session import parse_noise

    options = Options(noise=parse_noise(noise))
    if "-" in side_files(a) and "-" in side_files(b):
        raise UsageError("standard input can be only one side of a diff")
    sides = [read_side(side, options, progress) for side in (a, b)]
    return diff(sides[0], sides[1], options.noise, names or side_names(a, b))


def side_files(side: str) -> list[str]:
    """The files of one side: `a.json,b.log` is two, unless there is a file of that very name."""
    if "," not in side:
        return [side]
    try:
        if Path(side).exists():
            return [side]
    except OSError:
        pass  # joined files can be longer than any one file's name may be
    return [part.strip() for part in side.split(",") if part.strip()]


def read_side(side: str, options: Options | None = None, progress: Progress | None = None) -> CaptureDiagnosis:
    """The diagnosis of one side of a diff, or of the baseline of a gate. Raises UsageError where it is several captures."""
    captures = load_captures(side_files(side), progress)
    if len(captures) != 1:
        raise UsageError(f"{side}: is {len(captures)} captures; a side of a diff is one folder, or the files of one capture joined by commas")
    return diagnose(captures[0], options or Options())


def side_names(a: str, b: str) -> tuple[str, str]:
    """Short names for both sides: the last part of the path that tells them apart, else A and B."""
    parts = [[part for part in Path(side_files(side)[0]).parts if part not in ("/", ".", "..")] for side in (a, b)]
    while parts[0] and parts[1] and parts[0][-1] == parts[1][-1]:
        parts = [side[:-1] for side in parts]
    names = [side[-1] if side else "" for side in parts]
    if names[0] == names[1] or not all(0 < len(name) <= _NAME for name in names):
        return "A", "B"
    return names[0], names[1]
