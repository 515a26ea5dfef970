"""The pages of README.md and docs, taken apart: fenced blocks, markers, headings, links. In: Markdown. Out: records. Next: test_commands.py, test_links.py.

A marker is a comment on a line of its own before a block: `<!-- not run: needs a GPU -->` (the reason is for readers of the source) or
`<!-- exit code: 1 -->`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MARKER = re.compile(r"<!-- (not run|exit code): (.+?) -->$")
_FENCE = re.compile(r"(?P<indent> *)```(?P<language>\w*)\s*$")


@dataclass(frozen=True)
class Block:
    """One fenced block. `line`: of the fence, from 1; `not_run`: why, if it cannot run here."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None = None
    exit_code: int = 0


def pages() -> list[Path]:
    """README.md, CONTRIBUTING.md, and every page of docs, generated ones among them."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """All fenced blocks in order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    markers: dict[str, str] = {}
    position = 0
    while position < len(lines):
        line = lines[position]
        opened = _FENCE.match(line)
        if opened is None:
            marker = _MARKER.match(line.strip())
            if marker:
                markers[marker[1]] = marker[2]
            elif line.strip():
                markers = {}
            position += 1
            continue
        end = next(i for i in range(position + 1, len(lines)) if lines[i].strip() == "```")
        text = "\n".join(line.removeprefix(opened["indent"]) for line in lines[position + 1 : end])
        code = int(markers.get("exit code", "0"))
        found.append(Block(page, position + 1, opened["language"], text, markers.get("not run"), code))
        markers, position = {}, end + 1
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks and inline code."""
    text = re.sub(r"(?ms)^ *```.*?^ *```\s*$", "", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", "", text)


def links(page: Path) -> list[str]:
    """Targets of all links and pictures."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if target]


def anchors(page: Path) -> set[str]:
    """What a `#…` behind the page's name may say: the slugs of its headings."""
    text = re.sub(r"(?ms)^ *```.*?^ *```\s*$", "", page.read_text(encoding="utf-8"))
    return {_slug(heading) for heading in re.findall(r"(?m)^#{1,6} +(.+?)\s*$", text)}


def _slug(heading: str) -> str:
    heading = re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower()
    return re.sub(r"[-\s]+", "-", heading)
