"""The terminal's side of `trtlens build`: plan, script or build with live progress; the diagnosis of the folder is the caller's.

In: options as given. Out: the capture folders to explain, or None where nothing was built. Next: cli.py.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..text import shorten_middle, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from ..capture.options import BuildOptions
    from ..capture.progress import ProgressEvent


@dataclass(frozen=True, slots=True)
class Built:
    """What `trtlens build` captured: the capture folder (its further builds are inside it), and the ONNX model whose weights are in the engine."""

    folders: list[str]
    model: str | None


def build_options(given: Mapping[str, Any], config: str | None) -> tuple[BuildOptions, str | None]:
    """The options as given over those of the settings file, and that file, if there is one. Raises UsageError and InputError."""
    from ..capture.settings import SETTINGS_FILE, options_from

    settings = config if config is not None else SETTINGS_FILE if Path(SETTINGS_FILE).is_file() else None
    named = {key: value for key, value in given.items() if value is not None}
    return options_from(named, Path(settings) if settings is not None else None), settings


def run_build_command(options: BuildOptions, dry_run: bool, script: str | None, fail_on: Sequence[str], console: Console) -> Built | None:
    """Plan, write the script, or build. Raises UsageError, InputError or BuildFailed (the folder then holds what was captured)."""
    from ..capture.build import choose_backend, plan_build, run_build
    from .terminal import Printer

    if script is not None:
        _write_script(options, script, console)
        return None
    choice = choose_backend(options)
    if choice.backend == "tensorrt-rtx" and any(id.strip() in ("dense", "sparse") for text in fail_on for id in text.split(",")):
        raise UsageError(
            "--fail-on dense has no answer with --backend tensorrt-rtx: it chooses kernels on the user's GPU; build there with tensorrt or trtexec"
        )
    say = Printer(console).line
    if choice.reason != f"--backend {choice.backend}":  # what was asked for needs no reason
        say(f"backend {choice.backend}: {visible(choice.reason, 300)}")
    if dry_run:
        _, plan = plan_build(options)
        for line in plan.lines():
            print(visible(line, 4000))
        for note in plan.notes:
            say(f"note: {visible(note, 600)}")
        if plan.refusals:
            raise UsageError("; ".join(plan.refusals))
        return None
    with _Live(console) as live:
        result = run_build(options, live.report)
    say(f"captured into {visible(str(result.folder), 300)}")
    for note in result.manifest.notes:
        say(f"note: {visible(note, 600)}")
    # The weights of what was built: the pruned copy where there is one.
    pruned = result.folder / "pruned.onnx"
    model = str(pruned if pruned.is_file() else options.model) if options.model is not None else None
    return Built([str(result.folder)], model)


def _write_script(options: BuildOptions, target: str, console: Console) -> None:
    from ..capture.script import emit_script
    from .files import write_text

    write_text(emit_script(options), target)
    if target != "-":
        Path(target).chmod(0o755)
        console.print(f"wrote {visible(target, 300)}: run it on the GPU machine, then `trtlens explain` the tar it makes", markup=False)


class _Live:
    """One line on a terminal that says where the build stands, with a clock that runs; nothing where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> _Live:
        if self._shown:
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.table import Column

            # The clock is the bar's own: a phase can last for minutes without a report.
            words = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
            self._bar = Progress(SpinnerColumn(), TimeElapsedColumn(), words, console=self._console, transient=True)
            self._bar.add_task("building", total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def report(self, event: ProgressEvent) -> None:
        """Show the phase and the last warning."""
        if self._bar is None:
            return
        step = f" {event.step}/{event.steps}" if event.step is not None and event.steps else ""
        warning = f"  [W] {shorten_middle(event.last_warning, 60)}" if event.last_warning else ""
        self._bar.update(self._bar.task_ids[0], description=visible(f"{event.phase}{step}{warning}", 200))
