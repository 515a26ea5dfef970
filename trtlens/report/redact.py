"""Layer, tensor and file names become stable hashes, so that a report or a capture can leave the company.

In: a `Diagnosis`, or the files of a capture, and a salt. Out: the same without a name. Next: redact_words.py, which says what may stay; redact_files.py
for folders. Equal names become equal hashes under one salt, in every file and output, so that layers still join; without the salt nobody can try names
until a hash fits. Kernel names, numbers, types and TensorRT's own words stay. A word that is not known is taken for a name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from ..diagnose.model import (
    BuildDiagnosis,
    CaptureDiagnosis,
    Diagnosis,
    Evidence,
    Input,
    LayerVerdict,
    LineEvidence,
    PointerEvidence,
    Warning,
)
from .extras import ReportExtras
from .redact_words import inspector, kernel, myelin, own_words, plain, strict_words

# A word: what stands between blanks, brackets, quotes and the marks that TensorRT and JSON put around names. JSON's escapes of such marks are no part of it.
_WORD = re.compile(r"""(?:\\u[0-9a-fA-F]{4}|[^\s\[\](){},;:"'`<>|=+\\])+""")
_SEPARATOR_ESCAPE = re.compile(r"\\u00(?:1[0-9a-fA-F]|2[0-7]|0[0-9a-fA-F])")
_MYELIN_TAIL = re.compile(r"_myl\d+_\d+$")
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_EDGES = re.compile(r"[.!?*…&\-]*")
_STANDARD_FILES = frozenset({"manifest.json", "layer_info.json", "profile.json", "build.log", "build.log.gz", "build.log.zst"})
_SUFFIXES = (".log", ".txt", ".json", ".gz", ".zst", ".onnx", ".csv", ".parquet", ".sqlite", ".engine")
_LENGTH = 10


def new_salt() -> str:
    """A salt that nobody can guess. Keep it to redact a further capture so that equal names stay equal."""
    return secrets.token_hex(16)


def redact(diagnosis: Diagnosis, salt: str, names: Iterable[str] = ()) -> Diagnosis:
    """The diagnosis without layer, tensor and file names. `names`: further names that are to go wherever they stand."""
    return Redactor(salt, (*names_in(diagnosis), *names), kernels_in(diagnosis)).diagnosis(diagnosis)


def names_in(diagnosis: Diagnosis) -> set[str]:
    """Every name that a diagnosis holds in a field of its own."""
    found: set[str] = set()
    for capture in diagnosis.captures:
        found.update(item.path for item in capture.inputs)
        for build in capture.builds:
            for layer in build.layers:
                found.update((layer.name, *layer.onnx_nodes, layer.inherited_from or ""))
                for item in (*layer.evidence, *layer.eligibility.evidence):
                    if not isinstance(item, (LineEvidence, PointerEvidence)):
                        found.add(item.tensor)
    return found


def kernels_in(diagnosis: Diagnosis) -> set[str]:
    """Every kernel that a diagnosis names, and its GPUs: they stay."""
    found: set[str | None] = set()
    for capture in diagnosis.captures:
        for build in capture.builds:
            found.update((build.environment.gpu, build.environment.tensorrt))
            for layer in build.layers:
                found.update((layer.tactic.name, layer.compared_dense, layer.compared_sparse))
    return {name for name in found if name}


class Redactor:
    """One salt's hashes. `names`: words in them go even where they are words of trtlens' own sentences; `kernels`: their words stay."""

    def __init__(self, salt: str, names: Iterable[str] = (), kernels: Iterable[str] = ()) -> None:
        self._key = salt.encode("utf-8", "surrogatepass")
        strict = strict_words()
        self._names = {word for name in names for word in words_of(name)} - strict
        self._kernels = {word for name in kernels for word in words_of(name)} - self._names
        self._known: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Any text with its names hashed, the marks between its words as they were."""
        return _WORD.sub(lambda match: self._word(match.group()), text)

    def hash(self, name: str) -> str:
        """The hash of one name: `n` and ten hexadecimal digits, so that it is a name again wherever it stands."""
        return "n" + hmac.new(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_LENGTH]

    def path(self, path: str) -> str:
        """A path: its folder as one hash, its file by its role (`build.log`), or as a hash with its ending."""
        if path in ("-", "<stdin>", ""):
            return path
        pure = PurePosixPath(path.replace("\\", "/"))
        name = pure.name
        if name not in _STANDARD_FILES:
            ending = ""
            while name.endswith(_SUFFIXES):
                suffix = next(suffix for suffix in _SUFFIXES if name.endswith(suffix))
                name, ending = name[: -len(suffix)], suffix + ending
            name = self.hash(name) + ending
        folder = str(pure.parent)
        return name if folder == "." else f"{self.hash(folder)}/{name}"

    def digest(self, sha256: str) -> str:
        """A file's checksum would tell which public model it is: it is hashed as well, into one of the same form."""
        return hmac.new(self._key, sha256.encode(), hashlib.sha256).hexdigest()

    def _word(self, word: str) -> str:
        found = self._known.get(word)
        if found is None:
            if len(self._known) > 1_000_000:
                # Line numbers and times of a log of gigabytes must not fill the memory.
                self._known.clear()
            found = self._known[word] = self._judge(word)
        return found

    def _judge(self, word: str) -> str:
        if "..." in word:
            # `{ForeignNode[first...last]}`
            return "...".join(self._judge(part) if part else "" for part in word.split("..."))
        escape = _SEPARATOR_ESCAPE.search(word)
        if escape is not None:
            return (self._judge(word[: escape.start()]) if escape.start() else "") + escape.group() + (self._judge(word[escape.end() :]) if word[escape.end() :] else "")
        head, core, tail = _split(word)
        if not core or plain(core) or myelin(core):
            return word
        if _CHECKSUM.fullmatch(core):
            return head + self.digest(core) + tail
        if core in self._names:
            return head + self._name(core) + tail
        if core in self._kernels or core in own_words() or kernel(core) or inspector(core):
            return word
        return head + self._name(core) + tail

    def _name(self, core: str) -> str:
        suffix = _MYELIN_TAIL.search(core)
        # Myelin numbers the operations it makes of a node: the node must still be told.
        return self.hash(core[: suffix.start()]) + suffix.group() if suffix is not None and suffix.start() else self.hash(core)

    # ---- the records of a diagnosis

    def diagnosis(self, diagnosis: Diagnosis) -> Diagnosis:
        """Every record without a name."""
        return Diagnosis(tuple(self._capture(capture) for capture in diagnosis.captures))

    def _capture(self, capture: CaptureDiagnosis) -> CaptureDiagnosis:
        return CaptureDiagnosis(tuple(map(self._input, capture.inputs)), capture.main_build, tuple(map(self._build, capture.builds)))

    def _input(self, item: Input) -> Input:
        return replace(item, path=self.path(item.path), sha256=self.digest(item.sha256) if item.sha256 else None)

    def _build(self, build: BuildDiagnosis) -> BuildDiagnosis:
        return replace(build, layers=tuple(map(self._layer, build.layers)), warnings=tuple(map(self._warning, build.warnings)))

    def _warning(self, warning: Warning) -> Warning:
        return replace(warning, message=self.text(warning.message), evidence=self._evidence(warning.evidence))

    def _layer(self, layer: LayerVerdict) -> LayerVerdict:
        return replace(
            layer,
            name=self.text(layer.name),
            type=None if layer.type is None else self.text(layer.type),
            onnx_nodes=tuple(map(self.text, layer.onnx_nodes)),
            summary=self.text(layer.summary),
            eligibility=replace(layer.eligibility, evidence=self._evidence(layer.eligibility.evidence)),
            tactic=replace(layer.tactic, runner=None if layer.tactic.runner is None else self.text(layer.tactic.runner)),
            input_formats=tuple(map(self.text, layer.input_formats)),
            output_formats=tuple(map(self.text, layer.output_formats)),
            inherited_from=None if layer.inherited_from is None else self.text(layer.inherited_from),
            suspects=tuple(replace(item, summary=self.text(item.summary)) for item in layer.suspects),
            evidence=self._evidence(layer.evidence),
            remedies=tuple(replace(item, text=self.text(item.text)) for item in layer.remedies),
        )

    def _evidence(self, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
        return tuple(map(self._one, evidence))

    def _one(self, item: Evidence) -> Evidence:
        if isinstance(item, LineEvidence):
            return replace(item, text=self.text(item.text))
        if isinstance(item, PointerEvidence):
            return replace(item, pointer="/".join(map(self.text, item.pointer.split("/"))), text=self.text(item.text))
        return replace(item, tensor=self.text(item.tensor))

    def extras(self, extras: ReportExtras | None) -> ReportExtras | None:
        """What the HTML report shows beyond the verdicts, without a name."""
        if extras is None:
            return None
        return replace(
            extras,
            model=None if extras.model is None else self.path(extras.model),
            options=tuple(map(self.text, extras.options)),
            races={
                self.text(name): tuple(replace(race, combination=self.text(race.combination)) for race in races)
                for name, races in extras.races.items()
            },
            reformats={
                self.text(name): tuple(
                    replace(item, tensor=self.text(item.tensor), from_format=self.text(item.from_format), to_format=self.text(item.to_format)) for item in items
                )
                for name, items in extras.reformats.items()
            },
            samples_ms={self.text(name): samples for name, samples in extras.samples_ms.items()},
            ceilings={self.text(name): ceiling for name, ceiling in extras.ceilings.items()},
            weights={self.text(name): tuple(map(self.text, lines)) for name, lines in extras.weights.items()},
            experiments=tuple(replace(one, title=self.text(one.title), lines=tuple(map(self.text, one.lines))) for one in extras.experiments),
        )


def words_of(text: str) -> set[str]:
    """The words that `text` is made of, as a `Redactor` sees them, numbers and the like left out."""
    found = set()
    for match in _WORD.finditer(text):
        for part in match.group().split("..."):
            core = _split(part)[1]
            if core and not plain(core):
                found.add(core)
    return found


def _split(word: str) -> tuple[str, str, str]:
    """What stands before and after the name in a word: `--onnx`, `done.`, `Layer*`."""
    head = _EDGES.match(word)
    assert head is not None  # it matches the empty text
    start = head.end()
    end = len(word)
    while end > start and word[end - 1] in ".!?*…&-":
        end -= 1
    return word[:start], word[start:end], word[end:]
