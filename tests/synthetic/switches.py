"""What makes real logs hard, one switch each. In: nothing. Out: `Switches`, and `settle` for a dialect's habits. Next: worlds.py."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Switches:
    """What makes real logs hard. The first group shapes the world, the second removes or falsifies evidence."""

    noise: bool = False  # the race's times differ from the true ones that the timing profile shows
    repeated_ids: bool = False  # runners without kernel names whose ids (0x0, 0x2, 0x3e8) repeat over combinations
    fan_out: bool = False  # residual branches: a tensor with two consumers
    free_reformats: bool = False  # channels and sizes for which layouts share their bytes; TensorRT times those reformats all the same
    unlisted: bool = False  # some convolutions are dense: not in the (Sparsity) list
    grouped: bool = False  # a grouped convolution, not listed
    float_only: bool = False  # no FP16, no INT8: only Float combinations
    sm75: bool = False  # a Turing GPU: no sparse tensor cores
    flag_off: bool = False  # sparsity disabled
    profiles: bool = False  # two optimization profiles (8.6+)
    strategies: bool = False  # 10.16: a second backend strategy is tuned after the one that is used
    pinned_sparse: bool = False  # a sparse tactic is used although a dense one was timed faster
    earlier_build: bool = False  # another engine of another model was built earlier in the same log

    unnamed: bool = False  # some Cask tactics are named nowhere
    twins: bool = False  # layers that reuse an earlier race: silent in 8.x, cached results in 10.x
    warm_cache: bool = False  # some layers' timings come from outside the log
    hidden_cost: bool = False  # the planner saw costs that the log does not show: the local arithmetic need not close
    skipped_some: bool = False  # some tactics skipped for scratch, memory or time
    skipped_all_sparse: bool = False  # of some layers every sparse tactic was skipped for scratch
    pruned: bool = False  # tactics pruned before timing (8.6+)
    reformat_gap: bool = False  # some reformats were not measured
    myelin: bool = False  # a matrix multiplication inside a Myelin region
    myelin_table: bool = False  # ... whose tactic table is printed (10.16)
    fusion_differs: bool = False  # the list names an eligible layer otherwise than the engine does
    stderr_missing: bool = False  # trtexec's warnings and errors were not captured
    types_only: bool = False  # layer info gives types without layouts
    names_only: bool = False  # layer info is a list of names
    no_layer_info: bool = False
    no_profile: bool = False
    other_build_json: bool = False  # layer info and timing profile come from another build of the model
    truncated: bool = False  # the log ends early

    @property
    def on(self) -> tuple[str, ...]:
        return tuple(f.name for f in fields(self) if getattr(self, f.name))


SHAPING = frozenset(
    [
        "noise",
        "repeated_ids",
        "fan_out",
        "free_reformats",
        "unlisted",
        "grouped",
        "float_only",
        "sm75",
        "flag_off",
        "profiles",
        "strategies",
        "pinned_sparse",
        "earlier_build",
    ]
)
"""Switches that leave the capture complete: everything a verdict needs is still printed."""


@dataclass(frozen=True)
class Habits:
    """What the world must know of the dialect that will print it."""

    era: float
    twins_cached: bool
    profiles: bool
    strategies: bool
    pruned_line: bool


def settle(switches: Switches, habits: Habits) -> Switches:
    """Drop what the dialect cannot show and what contradicts another switch."""
    off: dict[str, bool] = {}
    if not habits.strategies:
        off |= {"strategies": False, "myelin_table": False}
    if not habits.profiles:
        off["profiles"] = False
    if not habits.pruned_line:
        off["pruned"] = False
    if switches.no_layer_info:
        off |= {"names_only": False, "types_only": False, "other_build_json": False}
    elif switches.names_only:
        off |= {"types_only": False, "other_build_json": False}
    if switches.myelin_table and habits.strategies:
        off["myelin"] = True
    if switches.flag_off:
        off["pinned_sparse"] = False
    if switches.profiles:  # the second profile repeats kernel names: hiding them in one graph alone hides nothing
        off["unnamed"] = False
    if switches.truncated:  # a cut log may not show that it disagrees with the JSON
        off["other_build_json"] = False
    if switches.strategies and habits.strategies:  # the second pass repeats the first one's races as cached results
        off |= {"warm_cache": False, "twins": False, "profiles": False}
    return replace(switches, **off)
