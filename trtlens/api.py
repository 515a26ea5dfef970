"""trtlens from Python: captures as DataFrames, verdicts, reports.

In: paths as the command line takes them. Out: `Capture` (tables only are asked of it) or `Explanation` (verdicts, reports). Next: diagnose/session.py
parses and diagnoses; diagnose/frames.py makes the tables. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from .diagnose.diff import DiffResult
    from .diagnose.model import BuildDiagnosis, Diagnosis, Input, LayerVerdict, Warning
    from .diagnose.rules import Noise
    from .diagnose.session import Session

PathLike = str | os.PathLike[str]
_REPR_ROWS = 10


def load(*paths: PathLike, build: int | None = None, noise: str | Noise = "3%,1us") -> Capture:
    """Read the files of one capture, or several capture folders, as tables.

    `paths`: layer info, timing profile, build log (`.gz`, `.zst` too), ONNX model, kernel trace, or capture folders, recognised by content. `build`:
    which build of a log that holds several (default: the one that the layer info matches, else the last complete one). `noise`: the band within which
    two times are equal, `3%,1us` or `Noise(ratio, time_ms)`. Raises `trtlens.errors.InputError` for a file that cannot be read and `UsageError` for
    paths or options that make no sense together; both are `TrtlensError`.
    """
    return Capture(_session(paths, build, noise))


def explain(*paths: PathLike, build: int | None = None, noise: str | Noise = "3%,1us") -> Explanation:
    """Why do eligible layers run dense? Arguments and errors are those of `load`."""
    return Explanation(_session(paths, build, noise))


def diff(a: PathLike, b: PathLike, noise: str = "3%,1us") -> DiffResult:
    """Compare two captures: each a folder, one artefact file, or files of one capture joined by commas. Raises `TrtlensError`, as `load` does."""
    from .report.diff import compare

    return compare(os.fspath(a), os.fspath(b), noise)


def _session(paths: tuple[PathLike, ...], build: int | None, noise: str | Noise) -> Session:
    from .diagnose.explain import Options
    from .diagnose.session import Session, parse_noise

    return Session([os.fspath(path) for path in paths], Options(build=build, noise=parse_noise(noise) if isinstance(noise, str) else noise))


class Tables(Mapping[str, "pd.DataFrame"]):
    """Every table by name (`layers`, `tactics`, `verdicts`, …), made when it is first asked for. Columns, types and units: `trtlens.tables`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The table as a DataFrame: the same object each time. Raises KeyError for a table that does not exist."""
        if name not in self._made:
            from .tables import TABLES

            if name not in TABLES:
                raise KeyError(f"{name!r}: there is no such table; it is one of {', '.join(TABLES)}")
            from .diagnose.frames import Frames

            self._made[name] = Frames(self._session).pandas(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        from .tables import TABLES

        return iter(TABLES)

    def __len__(self) -> int:
        from .tables import TABLES

        return len(TABLES)

    def __contains__(self, name: object) -> bool:
        # The mapping's own would make the table to find out.
        return name in list(self)

    def __repr__(self) -> str:
        return f"Tables({', '.join(self)})"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)


class Capture:
    """The artefacts of one or more captures, parsed. Made by `load`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def tables(self) -> Tables:
        """The tables, with a `capture` column that says which capture a row is from."""
        return Tables(self._session)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The files that were read."""
        return tuple(item for capture in self._session.diagnosis.captures for item in capture.inputs)

    def __repr__(self) -> str:
        from .text import visible

        files = ", ".join(item.path for item in self.inputs[:4]) + (", …" if len(self.inputs) > 4 else "")
        return visible(f"<trtlens.{type(self).__name__} of {files}>")


class Explanation(Capture):
    """A diagnosis with everything to show it. Made by `explain`; a notebook shows a summary of it."""

    @property
    def diagnosis(self) -> Diagnosis:
        """The verdicts as typed records, builds apart."""
        return self._session.diagnosis

    @property
    def verdicts(self) -> pd.DataFrame:
        """The verdicts of the main builds, a row a layer: status, reason, proof, times in milliseconds."""
        import pandas as pd

        frame = self.tables["verdicts"]
        mains = {_name(self._session, number): capture.main_build for number, capture in enumerate(self.diagnosis.captures)}
        wanted = [mains.get(str(name)) == build for name, build in zip(frame["capture"], frame["build"], strict=True)]
        return frame[pd.Series(wanted, index=frame.index, dtype=bool)].reset_index(drop=True)

    @property
    def warnings(self) -> tuple[Warning, ...]:
        """What takes ground from under the verdicts of the main builds, captures in order."""
        return tuple(warning for build in self._mains() for warning in build.warnings)

    def _mains(self) -> list[BuildDiagnosis]:
        return [capture.main for capture in self.diagnosis.captures if capture.main is not None]

    def to_html(self, path: PathLike | None = None) -> str:
        """The report as one self-contained page; also written to `path` if one is given. Raises UsageError where it cannot be written."""
        from .report.html import render_html

        return _written(render_html(self.diagnosis, self._session.extras()), path)

    def to_json(self, path: PathLike | None = None) -> str:
        """The diagnosis as JSON (`schema_version` 1); also written to `path` if one is given."""
        from .report.json_report import json_parts

        return _written("".join(json_parts(self.diagnosis)), path)

    def to_markdown(self, path: PathLike | None = None) -> str:
        """The report as GitHub Markdown of at most 60 KB; also written to `path` if one is given."""
        from .report.markdown import render_markdown

        return _written(render_markdown(self.diagnosis), path)

    def __repr__(self) -> str:
        from .report.words import story
        from .text import visible

        told = " ".join(story(capture).headline for capture in self.diagnosis.captures)
        return visible(f"<trtlens.Explanation: {told}>", 1000)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer and the costliest fallbacks."""
        from .report.words import costliest_first, ms, story
        from .text import shorten_middle, visible

        def cell(text: str, limit: int = 90) -> str:
            return escape(shorten_middle(visible(text), limit))

        out: list[str] = []
        for capture in self.diagnosis.captures:
            told = story(capture)
            out.append(f"<p><b>{cell(told.headline, 600)}</b></p>")
            out += [f"<p>{cell(f'{warning.id}: {warning.message}', 300)}</p>" for warning in told.warnings[:3]]
            layers: list[LayerVerdict] = list(costliest_first(told.fallbacks))
            if not layers:
                continue
            heads = "".join(f"<th>{text}</th>" for text in ("layer", "why", "proof", "ms", "best dense ms", "best sparse ms"))
            rows = "".join(
                f"<tr><td>{cell(v.name)}</td><td>{cell(v.reason or 'unknown')}</td><td>{v.proof}</td><td>{ms(v.time_ms)}</td>"
                f"<td>{ms(v.best_dense_ms)}</td><td>{ms(v.best_sparse_ms)}</td></tr>"
                for v in layers[:_REPR_ROWS]
            )
            out.append(f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
            if len(layers) > _REPR_ROWS:
                out.append(f"<p>{len(layers) - _REPR_ROWS:,} more fallbacks are in <code>.verdicts</code>.</p>")
        return "\n".join(out)


def _written(text: str, path: PathLike | None) -> str:
    if path is not None:
        from .report.files import write_text

        write_text(text, path)
    return text


def _name(session: Session, number: int) -> str:
    from .diagnose.frames import capture_name

    return capture_name(session.captures[number], number)
