"""Options by name: from the command line's words and from `trtlens.toml`, which has the same keys.

In: a mapping of option names (`opt-level`, or `opt_level`) to values, and the path of a TOML file. Out: BuildOptions; the
command line wins over the file. Next: build.py.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, UsageError
from .options import BuildOptions, parse_bytes, parse_io_formats, parse_profiles, parse_target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTINGS_FILE = "trtlens.toml"


def options_from(given: Mapping[str, Any], settings: Path | None = None) -> BuildOptions:
    """BuildOptions from option names, `given` over `settings`; a value of None in `given` means "not given".

    Raises UsageError for an option that does not exist or a value that is none, InputError for a file that cannot be read.
    """
    named = {_key(name): value for name, value in given.items() if value is not None}
    from_file = read_settings(settings) if settings is not None else {}
    if any(name in named for name in _SHAPE_KEYS):
        from_file = {name: value for name, value in from_file.items() if name not in _SHAPE_KEYS}
    return _build({**from_file, **named})


def read_settings(path: Path) -> dict[str, Any]:
    """The `[build]` table of a trtlens.toml, or its top level if it has none. Relative paths in it are relative to the file."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"is not TOML: {error}") from error
    table = document.get("build", document)
    if not isinstance(table, dict):
        raise InputError(str(path), "[build] is not a table")
    values: dict[str, Any] = {}
    for name, value in table.items():
        try:
            key = _key(name)
        except UsageError as error:
            raise InputError(str(path), str(error)) from None
        values[key] = _beside(path, value) if key in _PATH_KEYS else value
    return values


def _beside(settings: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_beside(settings, one) for one in value]
    return str(settings.parent / value) if isinstance(value, str) else value


def _key(name: str) -> str:
    key = name.replace("_", "-")
    if key not in _KEYS:
        near = difflib.get_close_matches(key, _KEYS, n=1)
        raise UsageError(f"there is no build option {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return key


def _build(values: Mapping[str, Any]) -> BuildOptions:
    fields: dict[str, Any] = {}
    for key, value in values.items():
        if key in _SHAPE_KEYS:
            continue
        field, convert = _KEYS[key]
        fields[field] = convert(f"--{key}", value)
    shapes = [_texts(f"--{key}", values.get(key, ())) for key in _SHAPE_KEYS]
    if any(shapes):
        fields["profiles"] = parse_profiles(*shapes)
    return BuildOptions(**fields)


def _text(option: str, value: Any) -> str:
    if not isinstance(value, (str, Path)) or not str(value):
        raise UsageError(f"{option}: {value!r} is not text")
    return str(value)


def _path(option: str, value: Any) -> Path:
    return Path(_text(option, value))


def _texts(option: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, (str, Path)):
        return (str(value),)
    if not isinstance(value, Sequence):
        raise UsageError(f"{option}: {value!r} is neither text nor a list of texts")
    return tuple(_text(option, one) for one in value)


def _words(option: str, value: Any) -> tuple[str, ...]:
    return tuple(word.strip() for text in _texts(option, value) for word in text.split(",") if word.strip())


def _flag(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{option}: {value!r} is not true or false")
    return value


def _whole(option: str, value: Any) -> int:
    try:
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{option}: {value!r} is not a whole number") from None


def _number(option: str, value: Any) -> float:
    try:
        if isinstance(value, bool) or not math.isfinite(float(value)):
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{option}: {value!r} is not a number") from None


def _engine_kept(option: str, value: Any) -> bool:
    return not _flag(option, value)


_Converter = Callable[[str, Any], Any]
_KEYS: dict[str, tuple[str, _Converter]] = {
    "model": ("model", _path),
    "engine": ("engine", _path),
    "output": ("output", _path),
    "backend": ("backend", _text),
    "trtexec": ("trtexec", _path),
    "extra": ("extra", _texts),
    "target": ("target", lambda option, value: parse_target(str(value))),
    "sparsity": ("sparsity", _text),
    "precision": ("precision", _words),
    "strongly-typed": ("strongly_typed", _flag),
    "shapes": ("profiles", _texts),
    "min": ("profiles", _texts),
    "opt": ("profiles", _texts),
    "max": ("profiles", _texts),
    "workspace": ("workspace_bytes", lambda option, value: parse_bytes(value, option)),
    "opt-level": ("opt_level", _whole),
    "max-tactics": ("max_tactics", _whole),
    "avg-timing": ("avg_timing", _whole),
    "tactic-sources": ("tactic_sources", _words),
    "timing-cache": ("timing_cache", _path),
    "editable-cache": ("editable_cache", _flag),
    "io-formats": ("io_formats", lambda option, value: parse_io_formats(",".join(_texts(option, value)))),
    "direct-io": ("direct_io", _flag),
    "plugins": ("plugins", lambda option, value: tuple(Path(one) for one in _words(option, value))),
    "iterations": ("iterations", _whole),
    "warmup": ("warmup_ms", _number),
    "timeout": ("timeout_s", _number),
    "counterfactual": ("counterfactual", _flag),
    "repeat": ("repeat", _whole),
    "prune": ("prune", _text),
    "no-engine": ("keep_engine", _engine_kept),
    "force": ("force", _flag),
}
_SHAPE_KEYS = ("shapes", "min", "opt", "max")
_PATH_KEYS = ("model", "engine", "output", "trtexec", "timing-cache", "plugins")
OPTION_NAMES = tuple(_KEYS)
"""Every option name, as on the command line without its dashes."""
