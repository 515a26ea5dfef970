"""The build log: lines.py (columns over a block), grammar.py (line forms as data), reader.py (one pass), records.py (what comes out)."""

from .reader import parse_build_log
from .records import BuildLog

__all__ = ["BuildLog", "parse_build_log"]
