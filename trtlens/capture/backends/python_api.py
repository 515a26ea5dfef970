"""The plan for the two Python backends, `tensorrt` and `tensorrt-rtx`: which calls this very module supports.

In: BuildOptions and the Surface of the imported module. Out: a Plan with steps, notes and refusals. Next: driver.py carries it out.
What exists is asked of the module, never derived from its version: 8.6 to 11.4 and TensorRT-RTX 1.7 differ in both directions.
"""

from __future__ import annotations

from ..options import BuildOptions
from ..shapes import FORMAT_NAMES, TYPE_NAMES
from .plan import Member, Plan, Step, Surface

CLASSES = (
    "Builder", "IBuilderConfig", "INetworkDefinition", "ITensor", "IOptimizationProfile", "OnnxParser", "IPluginRegistry", "BuilderFlag",
    "NetworkDefinitionCreationFlag", "TacticSource", "MemoryPoolType", "ProfilingVerbosity", "ComputeCapability", "TensorFormat",
    "DataType", "IProgressMonitor", "ITimingCache",
)  # fmt: skip

_SINCE = {
    ("BuilderFlag", "BF16"): "10.0",
    ("BuilderFlag", "INT4"): "10.3",
    ("BuilderFlag", "EDITABLE_TIMING_CACHE"): "10.8",
    ("IBuilderConfig", "builder_optimization_level"): "8.6",
    ("IBuilderConfig", "max_num_tactics"): "10.4",
    ("NetworkDefinitionCreationFlag", "STRONGLY_TYPED"): "10.0",
}

RTX_EXPERIMENT = (
    "TensorRT-RTX chooses kernels on the GPU that runs the engine, "
    "and its engines are byte for byte the same with and without SPARSE_WEIGHTS"
)


def plan(options: BuildOptions, surface: Surface, backend: str) -> Plan:
    """The calls for `options`, or the reasons why this module cannot do what they ask."""
    planner = _Planner(options, surface, backend)
    planner.run()
    return Plan(
        backend,
        surface.version,
        steps=tuple(planner.steps),
        network_flags=tuple(planner.network_flags),
        notes=tuple(planner.notes),
        refusals=tuple(planner.refusals),
    )


class _Planner:
    def __init__(self, options: BuildOptions, surface: Surface, backend: str) -> None:
        self.options, self.surface, self.rtx = options, surface, backend == "tensorrt-rtx"
        self.title = f"TensorRT-RTX {surface.version}" if self.rtx else f"TensorRT {surface.version}"
        self.typed_only = not surface.has("BuilderFlag", "FP16")
        self.steps: list[Step] = []
        self.network_flags: list[str] = []
        self.notes: list[str] = []
        self.refusals: list[str] = []

    def run(self) -> None:
        options = self.options
        if self.rtx:
            self._refuse_what_rtx_lacks()
        self._network_flags()
        self._config("set", "profiling_verbosity", Member("ProfilingVerbosity", "DETAILED"))
        if options.sparsity == "enable":
            self._flag("SPARSE_WEIGHTS", "--sparsity enable")
        self._precision()
        if options.workspace_bytes is not None:
            self._config("call", "set_memory_pool_limit", Member("MemoryPoolType", "WORKSPACE"), options.workspace_bytes)
        self._number("builder_optimization_level", options.opt_level, "--opt-level")
        self._number("max_num_tactics", options.max_tactics, "--max-tactics")
        self._number("avg_timing_iterations", options.avg_timing, "--avg-timing")
        if options.direct_io:
            self._flag("DIRECT_IO", "--direct-io")
        if options.editable_cache:
            self._flag("EDITABLE_TIMING_CACHE", "--editable-cache")
        self._tactic_sources()
        if options.timing_cache is not None:  # without one the driver makes an empty cache
            self._config("call", "set_timing_cache", str(options.timing_cache))
        self._target()
        self._tensors()
        if options.plugins and not self.surface.has("IPluginRegistry", "load_library"):
            self.refusals.append(f"--plugins: {self.title} cannot load plugin libraries")
        for plugin in options.plugins:
            self.steps.append(Step("call", "plugin_registry", "IPluginRegistry", "load_library", (str(plugin),)))

    def _config(self, kind: str, attribute: str, *arguments: object) -> None:
        self.steps.append(Step("set" if kind == "set" else "call", "config", "IBuilderConfig", attribute, arguments))

    def _since(self, owner_class: str, name: str) -> str:
        version = _SINCE.get((owner_class, name))
        return f"; it came with {version}" if version and not self.rtx else ""

    def _flag(self, name: str, option: str) -> None:
        if self.surface.has("BuilderFlag", name):
            self._config("call", "set_flag", Member("BuilderFlag", name))
        else:
            self.refusals.append(f"{option}: {self.title} has no BuilderFlag.{name}{self._since('BuilderFlag', name)}")

    def _number(self, attribute: str, value: int | None, option: str) -> None:
        if value is None:
            return
        if self.surface.has("IBuilderConfig", attribute):
            self._config("set", attribute, value)
        else:
            self.refusals.append(f"{option}: {self.title} has no IBuilderConfig.{attribute}{self._since('IBuilderConfig', attribute)}")

    def _network_flags(self) -> None:
        flag = "NetworkDefinitionCreationFlag"
        if self.surface.has(flag, "EXPLICIT_BATCH"):  # needed up to 9, a no-op in 10, gone in 11
            self.network_flags.append("EXPLICIT_BATCH")
        if self.options.strongly_typed and not self.surface.has(flag, "STRONGLY_TYPED"):
            self.refusals.append(f"--strongly-typed: {self.title} has no strongly typed networks{self._since(flag, 'STRONGLY_TYPED')}")
        elif (self.options.strongly_typed or self.typed_only) and self.surface.has(flag, "STRONGLY_TYPED"):
            self.network_flags.append("STRONGLY_TYPED")

    def _precision(self) -> None:
        precision = self.options.precision
        if precision and self.typed_only:
            self.refusals.append(
                f"--precision {','.join(precision)}: networks of {self.title} are strongly typed, the model's own types rule; "
                "convert the model (for INT8 and FP8 with Q/DQ nodes) and leave the option out"
            )
            return
        if "best" in precision:
            wanted = [name for name in ("FP16", "BF16", "INT8", "FP8", "INT4") if self.surface.has("BuilderFlag", name)]
        else:
            wanted = [name.upper() for name in precision]
        for name in wanted:
            self._flag(name, f"--precision {name.lower()}")
        if self.typed_only and not self.rtx:
            self.notes.append(f"networks of {self.title} are strongly typed: every layer runs in the types that the model has")
        elif not self.typed_only and not precision and not self.options.strongly_typed and self.options.sparsity == "enable":
            self.notes.append(
                "no --precision is given: TensorRT tries FP32 kernels alone, and NVIDIA asks for FP16 or INT8 where sparsity shall help"
            )

    def _tactic_sources(self) -> None:
        sources = [source[1:] for source in self.options.tactic_sources]
        absent = [name for name in sources if not self.surface.has("TacticSource", name)]
        if absent:
            known = ", ".join(sorted(self.surface.members.get("TacticSource", frozenset()) - {"name", "value"}))
            self.refusals.append(f"--tactic-sources: {self.title} has no source {', '.join(absent)}; it has {known}")
        elif sources:
            # The driver turns the +/- words into the bit mask, because the default mask is known to the builder alone.
            self._config("call", "set_tactic_sources", *self.options.tactic_sources)

    def _target(self) -> None:
        target = self.options.target
        if target is None:
            return
        known = sorted(
            (name for name in self.surface.members.get("ComputeCapability", frozenset()) if name.startswith("SM")),
            key=lambda name: int(name[2:]),
        )
        if not self.rtx or not self.surface.has("IBuilderConfig", "set_compute_capability"):
            self.refusals.append(f"--target {target}: {self.title} builds for the GPU it runs on")
        elif target not in known:
            self.refusals.append(
                f"--target {target}: {self.title} cannot build for it, only for {', '.join(known)}; "
                f"build with --backend tensorrt or trtexec on a machine with that GPU"
            )
        else:
            self._config("set", "num_compute_capabilities", 1)
            self._config("call", "set_compute_capability", Member("ComputeCapability", target), 0)

    def _tensors(self) -> None:
        for index, profile in enumerate(self.options.profiles):
            for one in profile.inputs:
                arguments = (one.name, one.minimum, one.optimum, one.maximum)
                self.steps.append(Step("call", f"profile_{index}", "IOptimizationProfile", "set_shape", arguments))
        typed = "STRONGLY_TYPED" in self.network_flags or self.typed_only
        for tensor in self.options.io_formats:
            name = FORMAT_NAMES[tensor.layout]
            if not self.surface.has("TensorFormat", name):
                self.refusals.append(f"--io-formats {tensor.name}: {self.title} has no layout {tensor.layout}")
                continue
            self.steps.append(Step("set", f"tensor {tensor.name}", "ITensor", "allowed_formats", (Member("TensorFormat", name),)))
            if tensor.dtype is None:
                continue
            if typed:
                self.refusals.append(
                    f"--io-formats {tensor.name}:{tensor.dtype}: the types of a strongly typed network come from the model; "
                    f"give {tensor.name}:{tensor.layout}"
                )
            elif not self.surface.has("DataType", TYPE_NAMES[tensor.dtype]):
                self.refusals.append(f"--io-formats {tensor.name}: {self.title} has no type {tensor.dtype}")
            else:
                self.steps.append(Step("set", f"tensor {tensor.name}", "ITensor", "dtype", (Member("DataType", TYPE_NAMES[tensor.dtype]),)))

    def _refuse_what_rtx_lacks(self) -> None:
        self.refusals.extend(rtx_refusals(self.options))
        self.notes.append(
            "TensorRT-RTX decides between sparse and dense kernels on the GPU that runs the engine: this capture shows the layers "
            "and their fusion, not the decision; for that, build on the GPU machine with --backend tensorrt or trtexec, "
            "or take the script of --emit-script there"
        )


def rtx_refusals(options: BuildOptions) -> list[str]:
    """Options that can have no effect with TensorRT-RTX, whatever its version: known before anything is imported."""
    no_timing = "TensorRT-RTX times no kernels when it builds, so it could have no effect"
    no_run = "a TensorRT-RTX engine is not run here; profile it on the GPU it is for"
    reasons = {
        "--counterfactual": (options.counterfactual, RTX_EXPERIMENT),
        "--repeat": (options.repeat > 1, RTX_EXPERIMENT),
        "--max-tactics": (options.max_tactics is not None, no_timing),
        "--avg-timing": (options.avg_timing is not None, no_timing),
        "--tactic-sources": (bool(options.tactic_sources), no_timing),
        "--timing-cache": (options.timing_cache is not None, no_timing),
        "--editable-cache": (options.editable_cache, no_timing),
        "--iterations": (options.iterations is not None, no_run),
        "--warmup": (options.warmup_ms is not None, no_run),
        "--engine": (options.engine is not None, no_run),
        "--plugins": (bool(options.plugins), "TensorRT-RTX has no plugin layers"),
    }
    return [f"{option}: {why}" for option, (given, why) in reasons.items() if given]
