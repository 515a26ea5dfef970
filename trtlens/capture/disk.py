"""What the system says of a disk, in words for the user.

In: an OSError. Out: a line without the system's numbers. Next: worker.py, build.py and folder.py. Small, because every build's child imports it.
"""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when a disk is full, or a user's share of it."""
NO_SPACE = "no space is left on the disk of the capture"


def told(error: OSError) -> str:
    """Why a file of a capture could not be written or read."""
    if error.errno in FULL:
        return NO_SPACE
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
