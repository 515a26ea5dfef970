"""A capture script for a machine without trtlens: POSIX sh, trtexec and tar are all it needs.

In: BuildOptions. Out: the text of the script. Next: nothing here; its tar goes to `trtlens explain`. The script asks the trtexec it
finds for its flags, with the same table (backends/trtexec.py) that the trtexec backend uses.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

from ..errors import UsageError
from ..text import visible
from ..version import __version__
from .backends.trtexec import JETSON_TRTEXEC, Outputs, extra_refusals, flag_text, wishes
from .environment import Host
from .folder import BUILD_LOG, ENGINE, LAYER_INFO, PROFILE
from .manifest import BackendRecord, Failure, Manifest, Times
from .options import BuildOptions

_MODEL = "\n@MODEL@\n"  # cannot stand in a real path that a user types; replaced by the script's own variable


def emit_script(options: BuildOptions) -> str:
    """The script. Raises UsageError for options that need trtlens itself on that machine."""
    for given, option in ((options.counterfactual, "--counterfactual"), (options.repeat > 1, "--repeat"), (options.prune, "--prune")):
        if given:
            raise UsageError(f"{option} needs trtlens on the machine that builds: leave it out of --emit-script")
    if options.target or options.backend in ("tensorrt", "tensorrt-rtx"):
        raise UsageError("--emit-script writes a script for trtexec: leave out --target, and --backend other than trtexec")
    name = options.capture_path.name
    quoted = shlex.quote
    outputs = Outputs(f"{name}/{LAYER_INFO}", f"{name}/{PROFILE}", f"{name}/{ENGINE}" if options.keep_engine else None)
    choices: list[str] = []
    all_wanted = wishes(options, outputs, _MODEL, _as_given)
    refusals = extra_refusals(options, all_wanted)
    if refusals:
        raise UsageError("; ".join(refusals))
    for wanted in all_wanted:
        for index, (flag, value) in enumerate(wanted.spellings):
            text = quoted(flag_text(flag, value)) if value != _MODEL else f'"--{flag}=$model"'
            choices.append(f'{"el" if index else ""}if lists {flag}; then set -- "$@" {text}')
        if wanted.refusal is not None:
            choices.append(f"else refuse {quoted(wanted.refusal)}")
        elif wanted.note is not None:
            choices.append(f"else echo {quoted('note: ' + wanted.note)} >&2")
        choices.append("fi")
    if options.extra:
        choices.append(f'set -- "$@" {shlex.join(options.extra)}')
    for path in options.plugins:
        choices.append(f'[ -e {quoted(_as_given(path))} ] || refuse {quoted(f"{path}: there is no such file (--plugins)")}')
    before, after = _manifest_halves(options)
    return _SCRIPT.format(
        version=__version__,
        default_model=quoted(str(options.subject)),
        subject="engine" if options.engine else "model",
        out=quoted(name),
        where=_where(options),
        trtexec=quoted(_as_given(options.trtexec, word=True)) if options.trtexec else f"$(command -v trtexec || echo {JETSON_TRTEXEC})",
        choices="\n".join(choices),
        before=quoted(before),
        after=quoted(after),
        log=BUILD_LOG,
        layer_info=LAYER_INFO,
        profile=PROFILE,
        engine=ENGINE,
    )


def _as_given(path: Path, *, word: bool = False) -> str:
    """A path as the machine that builds shall take it: its folders are not those of this one, so a relative path stays relative.

    The loader of libraries searches places of its own for a bare file name. `word`: so may the shell, for a program.
    """
    return str(path) if word or path.is_absolute() or len(path.parts) > 1 else f"./{path}"


def _where(options: BuildOptions) -> str:
    """Where the script is to be run, as a line of its head."""
    paths = [one for one in (options.subject, *options.plugins, options.timing_cache) if one is not None and not one.is_absolute()]
    if not paths:
        return "Run it where the capture shall be made."
    return f"Run it in the folder that these paths start from, where the capture is made too: {visible(', '.join(map(str, paths)), 500)}"


def _manifest_halves(options: BuildOptions) -> tuple[str, str]:
    """The manifest, cut where the shell puts what it alone knows: status, failure, times and files."""
    manifest = dataclasses.asdict(
        Manifest(
            trtlens=__version__,
            status="complete",
            failure=Failure("exit", ""),
            backend=BackendRecord("trtexec", "the capture script", None),
            gpus=(),
            host=Host("unknown (capture script)", "none (capture script)", None, None, None, None),
            options=options.as_json(),
            model=None,
            engine=None,
            timing_cache=None,
            times=Times("", "", None, 0.0),
            files={},
        )
    )
    for name in ("status", "failure", "times", "files"):
        del manifest[name]
    text = json.dumps(manifest, ensure_ascii=True)
    return text[:-1] + ", ", "}"


_SCRIPT = """\
#!/bin/sh
# Written by trtlens {version}. Builds with trtexec and captures what trtlens explains.
# usage: sh capture.sh [{subject}]      environment: TRTEXEC=/path/to/trtexec
# {where}
set -u
model=${{1:-{default_model}}}
out={out}
refuse() {{ echo "$1" >&2; exit 2; }}

[ -e "$model" ] || refuse "$model: there is no such file"
[ ! -e "$out" ] || refuse "$out exists already: move it away first"
trtexec=${{TRTEXEC:-{trtexec}}}
help=$("$trtexec" --help 2>&1)
lists() {{ printf '%s\\n' "$help" | grep -E "^[[:space:]]*--$1([^A-Za-z0-9]|\\$)" >/dev/null; }}
lists verbose || refuse "$trtexec --help lists no flags: set TRTEXEC to the path of trtexec"

set --
{choices}

mkdir "$out" || exit 2
started=$(date -u +%Y-%m-%dT%H:%M:%SZ); began=$(date +%s)
if command -v nvidia-smi >/dev/null 2>&1; then nvidia-smi -q >"$out/nvidia-smi.txt" 2>&1; fi
trap : INT  # Ctrl-C ends trtexec; this script goes on and packs what there is
"$trtexec" "$@" >"$out/{log}" 2>&1
code=$?
trap - INT
ended=$(date +%s)
if [ "$code" -eq 0 ]; then
  status='"complete"'; failure=null
elif [ "$code" -gt 128 ]; then
  status='"failed"'; failure='{{"kind": "signal", "message": "ended by a signal", "signal": '$((code - 128))', "exit_code": null}}'
else
  status='"failed"'; failure='{{"kind": "exit", "message": "trtexec ended with an error", "signal": null, "exit_code": '$code'}}'
fi
files='"build_log": "{log}"'
# A file that trtexec did not finish is no JSON: it is kept under another name.
for pair in layer_info:{layer_info} profile:{profile}; do
  role=${{pair%%:*}}; file=${{pair#*:}}
  [ -e "$out/$file" ] || continue
  case $(tail -c 16 "$out/$file" | tr -d '[:space:]') in
    *']' | *'}}') files="$files, \\"$role\\": \\"$file\\"" ;;
    *) mv "$out/$file" "$out/$file.damaged" ;;
  esac
done
if [ -e "$out/{engine}" ]; then files="$files, \\"engine\\": \\"{engine}\\""; fi
{{
  printf '%s' {before}
  printf '"status": %s, "failure": %s, ' "$status" "$failure"
  printf '"times": {{"started": "%s", "finished": "%s", "build_s": null, "child_s": %s}}, ' \\
    "$started" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$((ended - began))"
  printf '"files": {{%s}}' "$files"
  printf '%s\\n' {after}
}} >"$out/manifest.json"
tar -cf "$out.tar" "$out" || exit 2
echo "wrote $out.tar; explain it with: trtlens explain $out.tar"
[ "$code" -eq 0 ] || {{ echo "trtexec ended with code $code; its log is $out/{log}" >&2; exit 3; }}
"""
