"""A child process that does not outlive its parent.

In: the parent's process id and a command. Out: the command, run in this very process. Next: child.py starts it. Standard library
only, because a fresh interpreter loads it before every build.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PROGRESS_FD_VARIABLE = "TRTLENS_PROGRESS_FD"
"""Names the pipe into which a child writes its progress."""
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux; elsewhere the process group is all there is)."""
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:  # the parent died before the call above: its signal will never come
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """`PARENT COMMAND ARGUMENT…`: become COMMAND, killed with PARENT. The setting survives exec (prctl(2))."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    die_with_parent(parent)
    os.execv(command[0], command)
