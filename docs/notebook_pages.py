"""MkDocs hook: each notebook of docs/ becomes a page with the outputs that it was checked in with; nothing is run and nothing is fetched.

In: the files of the site. Out: a Markdown page beside each notebook, made by nbconvert; links to `x.ipynb` lead to it. Next: mkdocs.yml names this file.
(mkdocs-jupyter was tried: each of its pages asks a server for MathJax and brings 575 KB of style.)
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_OWN_STYLE = re.compile(r"<style scoped>.*?</style>\s*", re.DOTALL)
_LINK = re.compile(r"\]\(([\w./-]+)\.ipynb(#[\w-]+)?\)")


def page(path: Path) -> str:
    """The notebook as Markdown; tables of pandas look like those of the other pages."""
    from nbconvert import MarkdownExporter

    text, _ = MarkdownExporter().from_filename(str(path))
    text = _OWN_STYLE.sub("", text).replace(' border="1" class="dataframe"', "")
    title, _, rest = str(text).lstrip().partition("\n")
    return f'{title}\n\n<p><a href="../{path.name}" download>This page is a notebook: download it</a></p>\n{rest}'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        assert notebook.abs_src_path is not None  # it lies in docs/
        name = notebook.src_uri.removesuffix(".ipynb") + ".md"
        files.append(File.generated(config, name, content=page(Path(notebook.abs_src_path))))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    return _LINK.sub(r"](\1.md\2)", markdown)
