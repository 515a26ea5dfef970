"""Everything in a build log that is no tactic: the network, builds, passes, sparsity lists, the engine, tables, trtexec's own lines.

In: the message of one line, known by its beginning. Out: `Build` records and their cited lines. Next: reader.py.
"""

from __future__ import annotations

from collections.abc import Callable

from ...text import parse_tactic, split_top_level
from . import grammar as g
from . import lines as k
from .bulk import MYELIN_RUNNER
from .records import MYELIN, Build, Line, NetworkNode, Pass, SparsityList
from .single_lines import SingleLines
from .state import KEPT_LINES

MEMORY_WORDS = ("nsufficient", "nsuficient", "out of memory", "Out of memory", "OutOfMemory", "could not be allocated", "NvMapMem", "Requested amount of GPU memory")

Handler = Callable[[str, int, int, bool, int], "bool | None"]
"""Takes message, line, offset, whether a Myelin sub-build said it, and row; False means: not mine after all."""


class EventReader(SingleLines):
    """Handlers by a line's beginning; `dispatch_table` says which."""

    def _node_io(self, name: str, operator: str, side: str, tensors: str, line: int) -> None:
        build = self._builder(line)
        if build.tuned or build.complete:
            return
        node = self.node
        if node is None or node["name"] != name:
            self._flush_node()
            node = self.node = {"name": name, "operator": operator, "line": line}
        node[side] = tensors

    def _flush_node(self) -> None:
        node, self.node = self.node, None
        if node is None or self.build is None:
            return
        text = {key: str(node[key]) for key in ("inputs", "outputs", "kernel", "layer") if key in node}
        line, kernel_at = node["line"], node.get("kernel_at")
        self.build.network.append(
            NetworkNode(
                str(node["name"]), str(node["operator"]), text.get("inputs"), text.get("outputs"), text.get("kernel"), text.get("layer"),
                line if isinstance(line, int) else 0, kernel_at if isinstance(kernel_at, Line) else None,
            )
        )  # fmt: skip

    def _parsing(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.PARSING.match(message)
        self._flush_node()
        if self.build is not None and (self.build.complete or self.build.tuned):
            self._end_build(line)
        if match:
            self._builder(line)
            self.node = {"name": match["name"], "operator": match["operator"], "line": line}

    def _using_kernel(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        if self.node is not None:
            self.node["kernel"] = message
            self.node["kernel_at"] = Line(line, offset, message, self.severity)

    def _registering(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.REGISTERING_LAYER.match(message)
        if match and self.node is not None and self.node["name"] == match["node"] and "layer" not in self.node:
            self.node["layer"] = match["layer"]

    def _begin(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        self._flush_node()
        self._next_build(line)

    def _network_input(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        self._begin(message, line, offset, foreign, row)
        match = g.NETWORK_INPUT.match(message)
        if match and self.build is not None and len(self.build.network_inputs) < KEPT_LINES:
            self.build.network_inputs.append(match["name"])

    def _network_output(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.NETWORK_OUTPUT.match(message)
        if match and self.build is not None and not self.build.tuned and len(self.build.network_outputs) < KEPT_LINES:
            self.build.network_outputs.append(match["name"])
        if match is None and (self.build is None or not self.build.tuned) and not message.endswith(" tensors as outputs"):  # Polygraphy's own words
            self._damage(Line(line, offset, message, self.severity))  # an output whose name is lost

    def _original(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        # TensorRT 8 prints `Applying generic optimizations` before `Original: N layers`, 10 after; either begins the builder's work.
        self._flush_node()
        if self.build is not None and self.build.complete and self.build.engine_header is not None:
            self._end_build(line)
        self._builder(line)

    def _strategy(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.STRATEGY.match(message)
        if match is None:
            return
        if self.build is not None and self.build.engine_header is not None:
            self._end_build(line)
        build = self._builder(line)
        if self.pass_ is not None:
            self.pass_.last_line = line - 1
        self.pass_ = Pass(len(build.passes), build.index, int(match["number"]), line, line, start=Line(line, offset, message, self.severity))
        build.passes.append(self.pass_)
        self.strategies[int(match["number"])] = self.pass_
        build.complete = False  # the first strategy's `Engine generation completed` does not end the build
        self.profile, self.named_sections, self.section_of = 0, False, ""
        self.combination = self.runner = self.layer = -1
        self._moved(row)

    def _strategy_fate(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.STRATEGY_FATE.match(message)
        if match is None or self.build is None:
            return
        number, fate = int(match["number"]), "used" if match["fate"] == "Use" else "skipped"
        tried = self.strategies.get(number)
        if tried is not None and tried.build == self.build.index:
            tried.fate, tried.fate_line = fate, Line(line, offset, message, self.severity)
            value = k.finite(match["time"])
            tried.estimated_ms = None if value != value else value

    def _profile_number(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.PROFILE_NUMBER.match(message)
        if match is None:
            return
        if self.build is not None and self.build.engine_header is not None:
            self._end_build(line)
        self._pass(line).profiles = int(match["all"])
        self.profile = int(match["number"])
        self.combination = self.runner = -1
        self._moved(row)

    def _cache(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        if message.startswith("Loaded ") and g.LOADED_ENTRIES.match(message) is None:
            return False  # `Loaded engine size: 12 MiB`: an engine runs, none is built
        if self.build is not None and (self.build.engine_header is not None or (" in use" in message and self._has_chosen())):
            self._end_build(line)  # said before the next build begins
        build = self._builder(line)
        self._note("cache", message, line, offset)
        match = g.LOADED_ENTRIES.match(message)
        if match:
            build.loaded_cache_entries = (build.loaded_cache_entries or 0) + int(match["count"])
        elif self.pass_ is not None:
            self.pass_.cache_mode = message.split(" ", 1)[0].lower()
        return None

    def _sparsity(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        match = g.SPARSITY.match(message)
        if match is None:
            self._note("sparsity", message, line, offset)
            return None
        rest = (match["rest"] or "").removeprefix(":").strip()
        kind = "eligible" if match["new"] == "Found" or (match["old"] or "").startswith("Layers") else "picked"
        if kind == "eligible" and not foreign and self._has_chosen():
            self._end_build(line)
        build = self._builder(line)
        build.sparsity.append(
            SparsityList(
                kind, tuple(split_top_level(rest)), int(match["count"]) if match["count"] else None, foreign,
                self.pass_.index if self.pass_ is not None else -1, build.index, Line(line, offset, message, self.severity),
                self.doubtful_list,
            )
        )  # fmt: skip
        return None

    def _has_chosen(self) -> bool:
        """Whether the build said what it chose in a log without tuning (INFO of TensorRT 8): there nothing else shows where the next build begins."""
        build = self.build
        return build is not None and not build.tuned and not build.passes and any(item.kind == "picked" and not item.foreign for item in build.sparsity)

    def _generation(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        build = self._builder(line)
        build.complete = True
        if self.pass_ is not None:
            self.pass_.last_line = line
        self._note("duration", message, line, offset)
        self._tuning_ends(line)
        self.combination = self.runner = -1
        self._moved(row)

    def _selection(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        self._note("duration", message, line, offset)
        self.combination = self.runner = -1
        self._moved(row, selected=True)

    def _engine_header(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        build = self._builder(line)
        build.engine_header = Line(line, offset, message, self.severity)
        build.complete = True
        build.engine_layers = []
        self._tuning_ends(line)
        self.engine_open = True
        self.combination = self.runner = -1
        self._moved(row)

    def _engine_layer(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        if not self.engine_open or self.build is None:
            return False
        self.build.engine_layers.append(Line(line, offset, message, self.severity))
        self.engine_end = line
        return None

    def _adding_reformat(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        if self.build is not None:
            self.build.reformat_layers.append(Line(line, offset, message, self.severity))

    def _op_line(self, text: bytes, line: int, offset: int, row: int) -> None:
        match = g.OP_TABLE.match(text.decode("utf-8", "backslashreplace"))
        if match is None or k.is_torn(text):
            self._as_other(text, line, offset, row)
            return
        self._tuning_begins(line)
        self._pass(line)
        if self.combination < 0:
            self.combination = self._add_combination(-1, 0, line, offset, layer=self.layer)
        region = self.combinations.arrays["layer"][self.combination]
        self.op = self._add_section(self.combination, self.runners.add(MYELIN_RUNNER), region, line, offset, op=self.layers.add(match["op"]))
        self.tables.append((row, self.op))

    def _op_row(self, message: str, line: int, offset: int) -> bool:
        match = g.OP_ROW.match(message)
        tactic = parse_tactic(match["id"]) if match else None
        if match is None or tactic is None:
            return False
        runner, self.runner = self.runner, self.op
        self._slow_row(tactic, self.kernels.add(match["kernel"]) if match["kernel"] else -1, k.finite(match["time"]), MYELIN, -1, line, offset)
        self.runner = runner
        return True

    def _op_selected(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.OP_SELECTED.match(message)
        op = self._op_here() if match else -1
        if match and op >= 0:
            s = self.sections.arrays
            s["fastest"][op] = parse_tactic(match["id"]) or 0
            s["fastest_time"][op] = k.finite(match["time"])
            s["fastest_line"][op] = line

    def _set_name(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool:
        # Tried first where it is no line of two forms, as name lines with `numSplitK: …` come in thousands.
        return (" Time: " not in message and self._name_line(message, line, offset)) or self._logical(message, line, offset, row)

    def _tactic_line(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool:
        return self._logical(message, line, offset, row)

    def _skipping(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool:
        return self._skip_line(message, line, offset)

    def _running(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.RUNNING.match(message)
        if match is None:
            return
        at = Line(line, offset, message, self.severity)
        if match["state"] == "RUNNING":
            self._end_build(line)
            self._begin_run(at, _banner_version(match["version"]))
            return
        if self.build is not None and self.build.command is None and match["command"]:
            # A log that lost its beginning (`tail`): the last line of the run says its command once more.
            self.build.command, self.build.version = at, self.build.version or _banner_version(match["version"])
        if match["state"] == "FAILED":
            if self.build is not None:
                self.build.failed = at
            else:
                self._builder(line).failed = at
            self._end_build(line + 1)
            self._begin_run(None, None)
        else:
            self._end_build(line + 1)
            if self.run_facts:
                self.ended_run = (self.run_facts, self.run_command, self.run_version)
            self._begin_run(None, None)

    def _own(self, message: str, line: int, offset: int) -> None:
        """A line that trtexec itself wrote: options, device, tables."""
        if message.startswith("=== Profile ("):
            self._close_collections()
            self.table = [(line, message)]
            return
        if message == "=== Model Options ===" and self.run_facts:
            self._end_build(line)  # the line that begins this run is lost
            self._begin_run(None, None)
        if message.startswith(g.RUN_OVER):
            self.run_over = True
        match = g.FACT.match(message)
        if match:
            key = match["key"].strip().lower()
            # One line a tensor and optimization profile: each is a fact of its own.
            shape = key.startswith("input build shape (") and "=" in match["value"] and len(self.run_facts) < KEPT_LINES
            key = f"{key} {match['value'].partition('=')[0]}" if shape else key
            if (key in g.FACT_KEYS or shape) and key not in self.run_facts:
                fact = (match["value"].strip(), Line(line, offset, message, self.severity))
                self.run_facts[key] = fact
                if key == "tensorrt version":
                    printed = fact[0] if g.VERSION.match(fact[0]) else None
                    self.run_version = (_banner_version(fact[0]) if fact[0].isdecimal() else printed) or self.run_version
                if self.build is not None and (not self.build.tuned or key in ("throughput", "latency", "gpu compute time")):
                    self.build.facts.setdefault(key, fact)
                    self.build.version = self.run_version

    def _collect(self, message: str, line: int, writer: int) -> bool:
        """Lines of a profile table or of a layer-info dump inside the log. Whether the line belonged to it."""
        # A document's further lines have no prefix; a table's have trtexec's.
        ends = writer != k.BARE if self.document is not None else writer == k.TRT
        if ends or message.startswith(("&&&&", "=== ")):
            self._close_collections()
            return False
        target = self.document if self.document is not None else self.table
        assert target is not None
        if len(target) < 2_000_000:
            target.append((line, message))
        return True

    def _close_collections(self) -> None:
        lines = self.document if self.document is not None else self.table
        if lines is not None:
            run = Build(-1, lines[0][0], lines[-1][0], facts=dict(self.run_facts), command=self.run_command, version=self.run_version)
            (self.tables_seen if self.document is None else self.documents).append((run, lines))
        self.table = self.document = None

    def _document(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        """`Layers:` (trtexec --dumpLayerInfo, verbose builds of 10.x and TensorRT-RTX) or a JSON document that a script printed."""
        self._close_collections()
        self.document = [(line, message)]

    def _memory_line(self, message: str, line: int, offset: int, row: int) -> None:
        if not self._skip_line(message, line, offset):
            self._warning(message, line, offset)

    def _failure(self, message: str, line: int, offset: int) -> None:
        """An error that ends a build: what follows it in the log is not missing, it never was."""
        if self.build is not None and not self.build.complete and any(words in message for words in g.BUILD_FAILED):
            self.build.failed = self.build.failed or Line(line, offset, message, self.severity)

    def _topic(self, topic: str) -> Callable[[str, int, int, bool, int], None]:
        def handler(message: str, line: int, offset: int, foreign: bool, row: int) -> None:
            self._note(topic, message, line, offset)

        return handler

    def _sizes(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        """`Layer: NAME Host Persistent: 5712 …`, `Total Activation Memory: 802816 bytes`: what the engine needs."""
        if not g.MEMORY_SIZE.search(message) or any(w in message for w in MEMORY_WORDS):
            return False
        self._note("memory", message, line, offset)
        return None

    def _ignore(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        # Beginnings that also begin lines with a memory complaint take the long way.
        return False if any(w in message for w in MEMORY_WORDS) else None


def _banner_version(digits: str) -> str | None:
    """`8502` → 8.5.2, `8510` → 8.5.10, `100300` → 10.3.0, `101602` → 10.16.2 (trtexec's banner)."""
    number = int(digits[:9])
    if number < 1000:
        return None
    if number >= 100_000:
        return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    return f"{number // 1000}.{number // 100 % 10}.{number % 100}"


def dispatch_table(reader: EventReader) -> dict[bytes, list[tuple[str, Handler]]]:
    forms: list[tuple[str, Handler]] = [
        ("Parsing node: ", reader._parsing),
        ("Static check for parsing node", reader._ignore),
        ("Using kernel: ", reader._using_kernel),
        ("Registering layer: ", reader._registering),
        ("Registering tensor: ", reader._ignore),
        ("Input filename:", reader._begin),
        ("Adding network input", reader._network_input),
        ("Marking ", reader._network_output),
        ("Original: ", reader._original),
        ("Building graph using backend strategy", reader._strategy),
        ("Use backend strategy", reader._strategy_fate),
        ("Skip backend strategy", reader._strategy_fate),
        ("Constructing optimization profile number", reader._profile_number),
        ("Local timing cache in use", reader._cache),
        ("Global timing cache in use", reader._cache),
        ("Timing cache disabled", reader._cache),
        ("Loaded ", reader._cache),
        ("Using cached timing", reader._cache),
        ("(Sparsity)", reader._sparsity),
        ("(Refit + Sparsity)", reader._topic("sparsity")),
        ("Engine generation completed", reader._generation),
        ("Formats and tactics selection completed", reader._selection),
        ("Engine Layer Information:", reader._engine_header),
        ("Layer(", reader._engine_layer),
        ("Adding reformat layer:", reader._adding_reformat),
        ("The selected tactic is", reader._op_selected),
        ("Tactic ", reader._tactic_line),
        ("Tactic: ", reader._tactic_line),
        ("Fastest Tactic", reader._tactic_line),
        ("Fast skip Tactic", reader._skipping),
        ("Skipping tactic", reader._skipping),
        ("UNSUPPORTED_STATE", reader._skipping),
        ("Set Tactic Name: ", reader._set_name),
        ("&&&& ", reader._running),
        ("Set number of tactics", reader._topic("opt_level")),
        ("Disabling tactic timing cache because algorithm selector", reader._topic("selector")),
        ("Setting workspace to", reader._topic("workspace")),
        ("Layer: ", reader._sizes),
        ("Total ", reader._sizes),
        ("Max Scratch", reader._sizes),
        ("Peak memory", reader._sizes),
        ("Compiler backend", reader._topic("rtx")),
        ("Using legacy CPU-only", reader._topic("rtx")),
        ('{"Layers"', reader._document),
        ("Layers:", reader._document),
        ("Layer Information:", reader._document),
    ]  # fmt: skip
    table: dict[bytes, list[tuple[str, Handler]]] = {}
    for prefix, handler in forms:
        table.setdefault(prefix.encode()[:4], []).append((prefix, handler))
    return table
