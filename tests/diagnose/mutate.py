"""One change to the source of one module of trtlens.diagnose, for as long as a `with` block lasts.

In: a module's name, a snippet that stands in its source exactly once, what to put in its place. Out: the `explain` module of a package that was
imported anew with that change. Next: test_mutations.py. The modules themselves and their files stay as they are.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import trtlens.diagnose

PACKAGE = "trtlens.diagnose"
_CODE: dict[str, CodeType] = {}


def changed_source(module: str, old: str, new: str) -> str:
    """The module's source with `new` for `old`; the snippet must stand there exactly once, or the mutant no longer says what it drops."""
    text = (Path(trtlens.diagnose.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{module}.py holds this snippet {text.count(old)} times, not once; say anew which condition is dropped: {old!r}"
    return text.replace(old, new)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str | None) -> None:
        super().__init__(name, path)
        self.changed = source

    def get_code(self, fullname: str) -> CodeType | None:
        if self.changed is not None:
            return compile(self.changed, self.path, "exec", dont_inherit=True)
        if fullname not in _CODE:
            code = super().get_code(fullname)
            assert code is not None
            _CODE[fullname] = code
        return _CODE[fullname]


class _Finder(MetaPathFinder):
    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not (fullname == PACKAGE or fullname.startswith(PACKAGE + ".")):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path, self.source if fullname == self.name else None)
        return spec


@contextmanager
def mutated(module: str, old: str, new: str) -> Iterator[ModuleType]:
    """`trtlens.diagnose.explain` as it would be with `new` for `old` in `module`."""
    finder = _Finder(f"{PACKAGE}.{module}", changed_source(module, old, new))
    kept = {name: item for name, item in sys.modules.items() if name == PACKAGE or name.startswith(PACKAGE + ".")}
    parent = sys.modules["trtlens"]
    for name in kept:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module(f"{PACKAGE}.explain")
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name == PACKAGE or name.startswith(PACKAGE + ".")]:
            del sys.modules[name]
        sys.modules.update(kept)
        parent.diagnose = kept[PACKAGE]  # type: ignore[attr-defined]
