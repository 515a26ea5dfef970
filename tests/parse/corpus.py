"""Where the corpus of real artefacts is: `$TRTLENS_CORPUS`, else `../shared/corpus` beside the repository.

Tests that need it are skipped where it is absent, and say so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("TRTLENS_CORPUS", REPOSITORY.parent / "shared" / "corpus"))
WHY_SKIPPED = f"no corpus at {CORPUS}: set TRTLENS_CORPUS"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=WHY_SKIPPED)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")
