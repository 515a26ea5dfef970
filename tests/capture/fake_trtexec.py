"""A stand-in for trtexec that answers `--help` with the recorded flags of a version, and then behaves as badly as it is told to."""

from __future__ import annotations

import json
from pathlib import Path

FLAGS = json.loads((Path(__file__).parent / "data" / "trtexec_flags.json").read_text())
VERSIONS = tuple(FLAGS["versions"])

_BANNERS = {"8.5.2": "v8502", "8.6.1": "v8601", "10.16.1": "v101601", "11.1.0": "v110100"}

_BEHAVIOUR = {
    "good": """
echo "[11/21/2026-12:00:00] [V] [TRT] =============== Computing costs for conv1"
echo "[11/21/2026-12:00:00] [W] [TRT] a warning on standard error" >&2
[ -z "$layers" ] || printf '{"Layers": [{"Name": "conv1", "LayerType": "Convolution"}], "Bindings": ["x", "y"]}' >"$layers"
[ -z "$profile" ] ||
  printf '[ { "count" : 3 }, { "name" : "conv1", "timeMs" : 3, "averageMs" : 1, "medianMs" : 1, "percentage" : -nan } ]' >"$profile"
[ -z "$engine" ] || printf 'plan' >"$engine"
echo "&&&& PASSED TensorRT.trtexec"
""",
    "hangs": "echo started; sleep 600 & echo $! >{pids}; echo $$ >>{pids}; sleep 600",
    "ignores SIGTERM": "trap '' TERM; echo $$ >{pids}; while :; do sleep 1; done",
    "segfaults": 'echo "[11/21/2026-12:00:00] [I] [TRT] half way"; kill -SEGV $$',
    "is killed": "kill -KILL $$",
    "half a file": """printf '{"Layers": [{"Name": "conv1", ' >"$layers"; printf '[ { "count" : 3 }, ' >"$profile"; kill -ABRT $$""",
    "floods": """i=0; while [ $i -lt 40 ]; do head -c 1000000 /dev/zero | tr '\\0' e >&2; echo >&2; i=$((i+1)); done
printf '{"Layers": ["conv1"]}' >"$layers"; exit 0""",
    "fails": 'echo "[11/21/2026-12:00:00] [E] [TRT] 9: no such luck" >&2; echo "&&&& FAILED TensorRT.trtexec"; exit 1',
}


def help_text(version: str) -> str:
    """What the stand-in answers to --help: the recorded flags in trtexec's layout, and prose that mentions a flag it does not have."""
    lines = [f"&&&& RUNNING TensorRT.trtexec [TensorRT {_BANNERS[version]}] # trtexec --help", "=== Model Options ==="]
    lines += [f"  --{flag}=<value>            about {flag}" for flag in FLAGS["every"] + FLAGS["versions"][version]]
    return "\n".join([*lines, "                           Note: use instead of --noSuchFlag or --editableTimingCache", ""])


def write(path: Path, version: str = "8.6.1", mode: str = "good") -> Path:
    """Write the stand-in to `path`; with a mode that leaves processes, their ids go to `<path>.pids`."""
    behaviour = _BEHAVIOUR[mode].replace("{pids}", f"{path}.pids")
    path.write_text(
        f"""#!/bin/sh
if [ "$1" = --help ]; then cat <<'END'
{help_text(version)}END
exit 0; fi
layers= profile= engine=
for flag; do case $flag in
  --exportLayerInfo=*) layers=${{flag#*=}};; --exportProfile=*) profile=${{flag#*=}};; --saveEngine=*) engine=${{flag#*=}};; esac; done
echo "&&&& RUNNING TensorRT.trtexec [TensorRT {_BANNERS[version]}] # $0 $*"
{behaviour}
"""
    )
    path.chmod(0o755)
    return path
