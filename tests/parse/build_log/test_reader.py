"""Every form of line by TensorRT version, in snippets with known answers (docs/dialects.md says where each form was seen)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parse.build_log.hand_made import RULER, chose, costs, formats, reformat, runner
from tests.parse.build_log.reading import brief, combination, combinations, parse, tactics, verbose
from trtlens.parse.build_log import BuildLog, bulk
from trtlens.parse.build_log import lines as k
from trtlens.parse.build_log.reader import LogReader
from trtlens.parse.build_log.records import NO_TACTIC

# ---------------------------------------------------------------- tactics, names and times, by version


def test_tensorrt_5_without_prefix() -> None:
    log = parse("--------------- Timing module/slice3/conv3/Conv2D(14)\nTactic 313790760974845026 time 8.02246\nTactic 2 scratch requested: 301989888, available: 16777216\n")
    assert brief(log) == [
        ("module/slice3/conv3/Conv2D", "14", 313790760974845026, None, 8.02246, "timed"),
        ("module/slice3/conv3/Conv2D", "14", 2, None, None, "skipped"),
    ]
    assert tactics(log)[1]["why"] == "scratch: requested 301989888, available 16777216"


def test_tensorrt_7_names_stand_before_times_and_a_run_of_names_claims_nothing() -> None:
    lines = [
        formats("Float(1,56,3136) -> Float(1,56,3136)"),
        runner("fwd0 + relu0", "FusedConvActConvolution"),
        "FusedConvActConvolution has no valid tactics for this config, skipping",
        runner("fwd0 + relu0", "CaskConvolution"),
        "fwd0 + relu0 (scudnn) Set Tactic Name: volta_one",
        "Tactic: 861694390046228376 time 0.537152",
        "fwd0 + relu0 (scudnn) Set Tactic Name: volta_two",
        "fwd0 + relu0 (scudnn) Set Tactic Name: volta_three",
        "Tactic: -9147980667639709536 time 0.389856",
        "Fastest Tactic: -9147980667639709536 Time: 0.389856",
        chose("CaskConvolution", "-9147980667639709536"),
        runner("other", "CudnnConvolution"),
        "Fastest Tactic: -3360065831133338131 Time: 3.40282e+38",
    ]
    log = parse("".join(f"[TensorRT] VERBOSE: {line}\n" for line in lines))
    signed = -9147980667639709536 % 2**64
    assert brief(log) == [
        ("fwd0 + relu0", "CaskConvolution", 861694390046228376, "volta_one", 0.537152, "timed"),
        ("fwd0 + relu0", "CaskConvolution", signed, None, 0.389856, "timed"),
    ]
    first = combination(log, 0)
    assert (first["layer"], first["winner"], first["winner_ms"]) == ("fwd0 + relu0", ("CaskConvolution", signed), 0.389856)
    assert log.sections["no_valid"].tolist() == [1, 0, 0]
    assert log.sections["fastest"].tolist() == [0, signed, NO_TACTIC]
    assert log.sections["fastest_time"].tolist()[1] == 0.389856 and log.sections["fastest_time"][2] != log.sections["fastest_time"][2]


@pytest.mark.parametrize("names_section", [False, True], ids=["8.0 without sections", "8.2 with nameless sections"])
def test_tensorrt_8_0_and_8_2_decimal_ids(names_section: bool) -> None:
    lines = [
        *([costs("")] if names_section else []),
        formats("Float(784,784,28,1) -> Float(25088,784,28,1)"),
        runner("Conv_15 + Relu_16", "CudnnConvolution"),
        "Tactic: 0 is the only option, timing skipped",
        runner("Conv_15 + Relu_16", "CaskConvolution"),
        "Conv_15 + Relu_16 Set Tactic Name: ampere_scudnn_128x64_relu_small_nn_v1 Tactic: 4549827808004681195",
        "Tactic: 4549827808004681195 Time: 0.058368",
        "Tactic: 4 skipped. Scratch requested: 4624547840, available: 4294967296",
        chose("CaskConvolution", "4549827808004681195"),
    ]
    log = parse(verbose(*lines))
    assert brief(log) == [
        ("Conv_15 + Relu_16", "CudnnConvolution", 0, None, None, "skipped"),
        ("Conv_15 + Relu_16", "CaskConvolution", 4549827808004681195, "ampere_scudnn_128x64_relu_small_nn_v1", 0.058368, "timed"),
        ("Conv_15 + Relu_16", "CaskConvolution", 4, None, None, "skipped"),
    ]
    assert [t["why"] for t in tactics(log)] == ["only option", None, "scratch: requested 4624547840, available 4294967296"]
    assert combination(log, 0)["layer"] == "Conv_15 + Relu_16" and combination(log, 0)["winner_ms"] == 0.058368


def test_tensorrt_8_5_names_on_lines_before() -> None:
    log = parse(
        verbose(
            costs(""),
            formats("Int8(1,1:32,56,1) -> Int8(1,1:32,56,1)"),
            runner("Conv_1", "CaskConvolution"),
            "Conv_1 Set Tactic Name: one Tactic: 0x00000000000000aa",
            "Conv_1 Set Tactic Name: two Tactic: 0x00000000000000bb",
            "Tactic: 0x00000000000000bb Time: 0.2",
            "Setting a default quantization params because quantization data is missing for Conv_1",
            "Tactic: 0x00000000000000aa Time: 0.1",
            "Tactic: 0x00000000000000cc Time: 0.3",
            runner("Conv_1", "CaskConvActPool"),
            "Tactic Name: kIMMA_V1_TILE_32x64 ",
            "Tactic: 0x00000000000003e8 Time: 0.125513",
            "Tactic: 0x00000000000003e9 Time: 0.13",
            runner("Conv_1", "CaskGemmConvolution"),
            "Set Tactic Name: volta_sgemm_128x64_nn_v1 Tactic: 0x0000000000020042 numSplitK: 1 numBuffers: 0 numKernels: 1",
            "Tactic: 0x0000000000020042 Time: 0.4",
        )
    )
    assert [(t["tactic"], t["kernel"]) for t in tactics(log)] == [
        (0xBB, "two"), (0xAA, "one"), (0xCC, None), (0x3E8, "kIMMA_V1_TILE_32x64"), (0x3E9, None), (0x20042, "volta_sgemm_128x64_nn_v1"),
    ]  # fmt: skip


def test_a_name_is_not_carried_into_another_runner() -> None:
    log = parse(
        verbose(
            costs("Conv_1"), formats("Half(1) -> Half(1)"),
            runner("Conv_1", "CaskConvolution"), "Conv_1 Set Tactic Name: mine Tactic: 0x0000000000000002", "Tactic: 0x0000000000000002 Time: 0.1",
            runner("Conv_1", "CublasConvolution"), "x", "y", "z", "Tactic: 0x0000000000000002 Time: 0.2",
        )
    )
    assert [t["kernel"] for t in tactics(log)] == ["mine", None]


def test_tensorrt_8_6_to_10() -> None:
    blanks = "sm50_xmma_cublas_smallN_NN numSplitK: 1 numBuffers: 0 numKernels: 1"
    log = parse(
        verbose(
            costs("Conv_15 + Relu_16"),
            formats("Half(1) hazard, Float(2,1) long-strided -> Half(1)"),
            runner("Conv_15 + Relu_16", "CaskConvolution[0x80000009]"),
            "Fast skip Tactic:0x967f94e9db2001a8 which exceed time limit during pre-run",
            "Tactic Name: sm80_xmma_fprop_one Tactic: 0x967f94e9db2001a8 Time: 0.00641429",
            f"Tactic Name: {blanks} Tactic: 0x0000000000020506 Time: 26.1291",
            "Tactic: 0x0000000000000000 Time: 0.00285897",
            "Conv_15 + Relu_16 (CaskConvolution[0x80000009]) profiling completed in 1.2 seconds. Fastest Tactic: 0x0000000000000000 Time: 0.00285897",
            runner("Conv_15 + Relu_16", "Myelin[0x80000023]"),
            "Conv_15 + Relu_16 (Myelin[0x80000023]) profiling completed in 1.0 seconds. Fastest Tactic: 0xd15ea5edd15ea5ed Time: inf",
            "Skipping CaskFlattenConvolution: No valid tactics for Conv_15 + Relu_16",
            "RunnerBuilder of layer implementation CaskJitConv cannot handle striding for node Conv_15 + Relu_16",
            chose("CaskConvolution", "0x0000000000000000"),
        )
    )
    assert [(t["tactic"], t["kernel"], t["ms"], t["source"], t["why"]) for t in tactics(log)] == [
        (0x967F94E9DB2001A8, None, None, "skipped", "time limit"),
        (0x967F94E9DB2001A8, "sm80_xmma_fprop_one", 0.00641429, "timed", None),
        (0x20506, blanks, 26.1291, "timed", None),
        (0, None, 0.00285897, "timed", None),
    ]
    names = [log.runners.get(n) for n in log.sections["runner"].tolist()]
    assert names == ["CaskConvolution", "Myelin", "CaskFlattenConvolution", "CaskJitConv"]
    assert log.sections["no_valid"].tolist() == [0, 0, 1, 1]
    assert log.sections["fastest"].tolist()[1] == NO_TACTIC and log.sections["fastest_line"].tolist()[1] == 10
    assert combination(log, 0)["formats"] == "Half(1) hazard, Float(2,1) long-strided -> Half(1)"
    assert combination(log, 0)["winner_ms"] == 0.00285897
    assert log.unknown_lines == 0 and log.tuning_lines == 13


SKIPS = {
    "Skipping tactic 3 due to insuficient memory on requested size of 449 detected for tactic 4.": (4, "memory: requested 449"),
    "UNSUPPORTED_STATESkipping tactic 4 due to insufficient memory on requested size of 66048 detected for tactic 0x000000000000001f.": (31, "memory: requested 66048"),
    "UNSUPPORTED_STATE: Skipping tactic 33 due to insufficient memory on requested size of 629145600 detected for tactic 0xa5a46bfbd719d757.": (
        0xA5A46BFBD719D757, "memory: requested 629145600",
    ),
    "Error Code: 9: Skipping tactic 0x0000000000000007 due to exception [api_compile.cpp:4790: validate_quantize_operation] more": (7, "exception"),
    "Tactic: 0x0000000000000001 skipped. Scratch requested: 200704, available: 1024": (1, "scratch: requested 200704, available 1024"),
}  # fmt: skip


@pytest.mark.parametrize("message", SKIPS)
def test_skipped_tactics_and_why(message: str) -> None:
    log = parse(verbose(costs("C"), formats("Half(1) -> Half(1)"), runner("C", "CaskConvolution"), message))
    assert [(t["tactic"], t["why"], t["source"], t["ms"], t["runner"]) for t in tactics(log)] == [(*SKIPS[message], "skipped", None, "CaskConvolution")]


@pytest.mark.parametrize(
    "name",
    [
        "2-layer MLP: (Unnamed Layer* 8) [Fully Connected] + (Unnamed Layer* 9) [Activation] -> (Unnamed Layer* 10) [Fully Connected]",
        "PWN(/model.23/Constant_14_output_0 + ONNXTRT_Broadcast_107, PWN(PWN(/model.23/Add_2), PWN(/model.23/Div_1)))",
        "Conv_62 + Relu_63 || Conv_65 + Relu_66",
        "Gr\u00f6\u00dfe/\u5c64",
        "a" * 700,
    ],
)
def test_names_hold_anything_before_the_last_bracket(name: str) -> None:
    lines = [costs(name), *(line for _ in range(20) for line in (formats("Half(1) -> Half(1)"), runner(name, "PointWiseV2[0x80000028]"), "Tactic: 5 Time: 1"))]
    log = parse(verbose(*lines))
    assert brief(log) == [(name, "PointWiseV2", 5, None, 1.0, "timed")] * 20
    assert {c["layer"] for c in combinations(log)} == {name}


# ---------------------------------------------------------------- attribution


def test_empty_section_names_take_the_name_of_their_runners_and_silent_twins_none() -> None:
    half, single = "Half(1) -> Half(1)", "Float(1) -> Float(1)"
    log = parse(
        verbose(
            costs(""), formats(half), formats(single), runner("Conv_1", "CaskConvolution"), "Tactic: 7 Time: 0.5",
            costs(""), formats(half), formats(single),
            costs(""), formats(half), runner("Conv_3", "CaskConvolution"), "Tactic: 8 Time: 0.6",
        )
    )
    assert [c["layer"] for c in combinations(log)] == ["Conv_1", "Conv_1", None, None, "Conv_3"]
    assert brief(log) == [("Conv_1", "CaskConvolution", 7, None, 0.5, "timed"), ("Conv_3", "CaskConvolution", 8, None, 0.6, "timed")]


def test_tactics_without_a_runner_line_belong_to_their_combination() -> None:
    log = parse(verbose(costs("A"), formats("Half(1) -> Half(1)"), "Tactic: 7 Time: 0.5", formats("Float(1) -> Float(1)"), "Tactic: 8 Time: 0.6"))
    assert [(t["combination"], t["runner"], t["tactic"]) for t in tactics(log)] == [(0, None, 7), (1, None, 8)]


@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("head", [f"=============== Computing reformatting costs{tail}" for tail in ("", ": ", " for available format set")])
def test_reformats_are_no_layers(head: str, blank: str) -> None:
    log = parse(
        verbose(
            costs("A"), formats("Half(1) -> Half(1)"), runner("A", "CaskConvolution"), "Tactic: 1 Time: 1",
            head, reformat("Half(1) -> Float(1)", blank), runner("Optimizer Reformat(<in> -> 455)", "Reformat[0x80000006]"), "Tactic: 0x00000000000003e8 Time: 0.25",
            costs("B"), formats("Float(1) -> Float(1)"),
        )
    )
    found = combinations(log)
    assert [(c["reformat"], c["layer"], c["formats"]) for c in found] == [
        (False, "A", "Half(1) -> Half(1)"), (True, "Optimizer Reformat(<in> -> 455)", "Half(1) -> Float(1)"), (False, "B", "Float(1) -> Float(1)"),
    ]  # fmt: skip
    assert tactics(log)[1]["combination"] == 1


def test_cached_results_stand_for_a_race_and_leave_the_place_alone() -> None:
    log = parse(
        verbose(
            costs("A"), formats("Half(1) -> Half(1)"), runner("A", "CaskConvolution"), "Tactic: 0x0000000000000001 Time: 1",
            "B, with a comma [Half(1) -> Half(1)] got cached result: CaskConvolution, tactic 0x0000000000000001, 1 ms",
            "Optimizer Reformat(x -> y) [Half(1) -> Float(1)] got cached result: Reformat, tactic 0x00000000000003e8, 0.0032534 ms",
            "Tactic: 0x0000000000000002 Time: 2",
        )
    )
    cached = [c for c in combinations(log) if c["cached"]]
    assert [(c["layer"], c["winner"], c["winner_ms"], c["reformat"]) for c in cached] == [
        ("B, with a comma", ("CaskConvolution", 1), 1.0, False), ("Optimizer Reformat(x -> y)", ("Reformat", 0x3E8), 0.0032534, True),
    ]  # fmt: skip
    assert [(t["layer"], t["tactic"], t["source"]) for t in tactics(log)] == [
        ("A", 1, "timed"), ("B, with a comma", 1, "cached"), ("Optimizer Reformat(x -> y)", 0x3E8, "cached"), ("A", 2, "timed"),
    ]  # fmt: skip


def test_myelin_tables_and_foreign_sub_builds() -> None:
    log = parse(
        verbose(
            costs("{ForeignNode[a...b]}"), formats("Half(1) -> Half(1)"), runner("{ForeignNode[a...b]}", "Myelin[0x80000023]"),
            " (foreignNode) (Sparsity) Found 1 layer(s) eligible to use sparse tactics: node_linear",
            " (foreignNode) (Sparsity) Chose 0 layer(s) using sparse tactics:",
            " (foreignNode) Autotuning op node_linear(key: 0x12ab): [ONNX Layer: node_linear]",
            " (foreignNode) Sorted table of all tactics:",
            "tactic_id, cost(in ms), cost/fastest_cost, prediction_correlation, kernel_name, tactic_hash, tactic_scratch_size",
            "0, 0.0038, 1, 1, sm80_xmma_gemm_one, 0x00000000000000aa, 0",
            "12, 0.0040, 1.05, 1, sm80_xmma_gemm_two, 0x00000000000000bb, 0",
            "The selected tactic is (tactic hash, cost(in ms)): 0x00000000000000aa, 0.0038",
        )
    )
    assert [(t["op"], t["layer"], t["kernel"], t["tactic"], t["ms"], t["source"]) for t in tactics(log)] == [
        ("node_linear", "{ForeignNode[a...b]}", "sm80_xmma_gemm_one", 0xAA, 0.0038, "myelin"),
        ("node_linear", "{ForeignNode[a...b]}", "sm80_xmma_gemm_two", 0xBB, 0.004, "myelin"),
    ]
    op = log.sections["op"].tolist().index(max(log.sections["op"]))
    assert (log.sections["fastest"][op], log.sections["fastest_time"][op]) == (0xAA, 0.0038)
    assert [(s.kind, s.names, s.count, s.foreign) for s in log.builds[0].sparsity] == [("eligible", ("node_linear",), 1, True), ("picked", (), 0, True)]
    assert log.dialect == "cask+myelin" and log.unknown_lines == 0


# ---------------------------------------------------------------- builds and passes


def build_of(layer: str, tactic: int) -> list[str]:
    return [
        f"Parsing node: {layer} [Conv]",
        costs(layer), formats("Half(1) -> Half(1)"), runner(layer, "CaskConvolution"), f"Tactic: {tactic} Time: 0.5", chose("CaskConvolution", str(tactic)),
        f"(Sparsity) Layers eligible for sparse math: {layer}, PWN(a, b)", "(Sparsity) TRT inference plan picked sparse implementation for layers:",
        "Engine generation completed in 1.5 seconds.", "Engine Layer Information:",
    ]  # fmt: skip


def test_several_builds_in_one_file_are_kept_apart() -> None:
    text = "".join(verbose(*build_of(f"Conv_{n}", n)) + f"Layer(CaskConvolution): Conv_{n}, Tactic: {n}, x (Half[1]) -> y (Half[1])\n" for n in range(5))
    log = parse(text)
    assert [(b.complete, b.tuned, len(b.engine_layers), b.first_line, b.last_line) for b in log.builds] == [(True, True, 1, 1 + 11 * n, 11 * n + 11) for n in range(5)]
    assert [(c["build"], c["layer"], c["winner_ms"]) for c in combinations(log)] == [(n, f"Conv_{n}", 0.5) for n in range(5)]
    assert [s.names for b in log.builds for s in b.sparsity if s.kind == "eligible"] == [(f"Conv_{n}", "PWN(a, b)") for n in range(5)]
    assert all(b.severities == {"V"} for b in log.builds) and not log.truncated


def test_tuning_after_an_engine_was_printed_is_another_build() -> None:
    log = parse(verbose(*build_of("A", 1), *build_of("B", 2)[1:6]))
    assert [(b.complete, b.tuned) for b in log.builds] == [(True, True), (False, True)]
    assert log.truncated


def test_an_engine_that_only_runs_is_no_build() -> None:
    log = parse(verbose("Loaded engine size: 12 MiB", "Deserialization required 663 microseconds.", "Total per-runner device persistent memory is 0"))
    assert log.builds == []


def test_loading_the_engine_does_not_end_or_begin_a_build() -> None:
    log = parse(verbose(*build_of("A", 1), "Loaded engine size: 12 MiB", "Loaded 3 timing cache entries."))
    assert len(log.builds) == 2 and log.builds[1].loaded_cache_entries == 3 and not log.builds[1].tuned


def test_a_failed_build_is_not_a_truncated_log() -> None:
    error = "[01/02/2030-03:04:06] [E] [TRT] 10: [optimizer.cpp::computeCosts::3628] Error Code 10: Internal Error (Could not find any implementation for node A.)\n"
    log = parse(verbose(*build_of("A", 1)[:5]) + error)
    assert log.builds[0].failed is not None and log.builds[0].failed.line == 6 and not log.truncated
    assert parse(verbose(*build_of("A", 1)[:5])).truncated


def test_backend_strategies_are_passes_with_fates() -> None:
    def strategy(number: int, tactic: int) -> list[str]:
        return [f"Building graph using backend strategy {number}", "Local timing cache in use. Profiling results in this builder pass will not be stored.", *build_of("A", tactic)[1:9]]

    log = parse(
        verbose(
            *strategy(4, 1), "Use backend strategy 4 with estimated inference time (0.224256) as the initial choice.",
            *strategy(3, 2), "Skip backend strategy 3since its estimated inference time (0.260096) is not faster than the previous engine (0.224256).",
            "Engine Layer Information:",
        )
    )
    (build,) = log.builds
    assert [(p.strategy, p.fate, p.estimated_ms, p.cache_mode) for p in build.passes] == [(4, "used", 0.224256, "local"), (3, "skipped", 0.260096, "local")]
    assert [(c["pass"], c["winner"]) for c in combinations(log)] == [(0, ("CaskConvolution", 1)), (1, ("CaskConvolution", 2))]
    assert [(s.kind, s.pass_index) for s in build.sparsity] == [("eligible", 0), ("picked", 0), ("eligible", 1), ("picked", 1)]


def test_optimization_profiles_are_kept_apart() -> None:
    log = parse(
        verbose(
            "Constructing optimization profile number 0 [1/2].", costs("A"), formats("Half(1) -> Half(1)"), runner("A", "X"), "Tactic: 1 Time: 1",
            "Constructing optimization profile number 1 [2/2].", costs("A [profile 1]"), formats("Half(1) -> Half(1)"), runner("A [profile 1]", "X"), "Tactic: 1 Time: 2",
        )
    )
    assert [(c["profile"], c["layer"]) for c in combinations(log)] == [(0, "A"), (1, "A [profile 1]")]
    assert log.builds[0].passes[0].profiles == 2


def test_trtexec_facts_and_version() -> None:
    own = "[01/02/2030-03:04:05] [I] "
    text = (
        "&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=x.onnx --sparsity=enable\n"
        f"{own}=== Build Options ===\n{own}Precision: FP32+FP16\n{own}Sparsity: Enabled\n{own}Selected Device: Orin\n"
        + verbose(*build_of("A", 1))
        + "&&&& PASSED TensorRT.trtexec [TensorRT v8502] # trtexec\n"
    )
    (build,) = parse(text).builds
    assert build.version == "8.5.2" and build.facts["sparsity"][0] == "Enabled" and build.facts["sparsity"][1].line == 4
    assert build.command is not None and "--sparsity=enable" in build.command.text
    assert build.own_lines == 4 and build.severities == {"I", "V"}


def test_the_network_as_the_parser_printed_it() -> None:
    log = parse(
        verbose(
            "Parsing node: conv1 [Conv]", "Searching for input: x",
            "conv1 [Conv] inputs: [x -> (-1, 1, 28, 28)[FLOAT]], [w -> (32, 1, 5, 5)[FLOAT]], ",
            "Registering layer: conv1 for ONNX node: conv1",
            "Using kernel: (5, 5), strides: (1, 1), prepadding: (2, 2), postpadding: (2, 2), dilations: (1, 1), numOutputs: 32, nbGroups: 1",
            "conv1 [Conv] outputs: [y -> (-1, 32, 28, 28)[FLOAT]], ",
            "Parsing node: relu1 [Relu]", "ConvReluFusion: Fusing conv1 with relu1",
        )
    )
    conv, relu = log.builds[0].network
    assert (conv.name, conv.operator, conv.layer, conv.line) == ("conv1", "Conv", "conv1", 1)
    assert conv.inputs is not None and "(32, 1, 5, 5)" in conv.inputs and conv.outputs is not None and conv.kernel is not None and "nbGroups: 1" in conv.kernel
    assert (relu.name, relu.inputs) == ("relu1", None)
    assert [f.line for f in log.builds[0].fusions] == [8]


def test_cited_lines_by_topic() -> None:
    log = parse(
        verbose(
            *build_of("A", 1)[:5],
            "Adding reformat layer: Reformatted Input Tensor 0 to A (x) from Float(1) to Half(1)",
            "A: 9 available tactics, 1 unparsable, 5 pruned, 3 remaining after tactic pruning.",
            "Formats and tactics selection completed in 81.6789 seconds.",
            "Tactic Device request: 448MB Available: 425MB. Device memory is insufficient to use tactic.",
        )
    )
    (build,) = log.builds
    assert [r.line for r in build.reformat_layers] == [6]
    assert {topic: [line.line for line in kept] for topic, kept in build.notable.items()} == {"pruned": [7], "duration": [8]}
    assert [w.line for w in build.warnings] == [9]


# ---------------------------------------------------------------- damage


def test_two_writers_in_one_line() -> None:
    torn = "[01/02/2030-03:04:05] [V] [TRT] Local timing cac[01/02/2030-03:04:05] [V] [TRT] Tactic: 0x00000000000000aa Time: 0.5\n"
    log = parse(verbose(costs("A"), formats("Half(1) -> Half(1)"), runner("A", "X")) + torn)
    assert brief(log) == [("A", "X", 0xAA, None, 0.5, "timed")]
    assert [line.line for line in log.damaged_lines] == [4]


def test_hard_wrapped_lines_are_joined_where_certain() -> None:
    text = verbose(costs("A"), formats("Half(1) -> Half(1)"))
    text += "[01/02/2030-03:04:05] [V] [TRT] --------------- Timing Runner: a very long lay\ner name (CaskConvolution)\n"
    text += verbose("Tactic: 0x00000000000000aa Time: 0.5")
    log = parse(text)
    assert brief(log) == [("a very long layer name", "CaskConvolution", 0xAA, None, 0.5, "timed")]
    assert log.unknown_lines == 0


def test_a_broken_section_line_takes_its_tactics_from_the_combination_before() -> None:
    log = parse(verbose(costs("A"), formats("Half(1) -> Half(1)"), runner("A", "X"), "Tactic: 1 Time: 1", f"{RULER} Autotuning format combination: Half(1) -> Ha", "Tactic: 2 Time: 2"))
    assert [(t["layer"], t["combination"], t["runner"], t["tactic"]) for t in tactics(log)] == [("A", 0, "X", 1), ("A", 1, None, 2)]
    assert [c["formats"] for c in combinations(log)] == ["Half(1) -> Half(1)", None]
    assert log.unknown_lines == 1 and log.unknown_samples[0].line == 5


def test_a_kernel_has_one_name_however_its_line_is_read() -> None:
    line = "Tactic Name: sm50_xmma_cublas numSplitK: 1 numBuffers: 0 numKernels: 1 Tactic: 0x0000000000020506 Time: 26.1291"
    log = parse(verbose(costs("A"), formats("Half(1) -> Half(1)"), runner("A", "X"), line, "Local timing cac" + verbose(line).rstrip("\n")))
    assert [t["kernel"] for t in tactics(log)] == ["sm50_xmma_cublas numSplitK: 1 numBuffers: 0 numKernels: 1"] * 2


def test_memory_that_is_insufficient_in_either_spelling_is_a_warning() -> None:
    lines = ["Some plugin has insuficient memory", "Some plugin has insufficient memory"]
    assert [w.text for w in parse(verbose(costs("A"), formats("Half(1) -> Half(1)"), *lines)).builds[0].warnings] == lines


def test_unknown_lines_are_counted_and_shown() -> None:
    log = parse(verbose("Something before tuning", costs("A"), formats("Half(1) -> Half(1)"), "A line of no known form", "Tactic: 1 Time: 1", "Engine Layer Information:", "After it"))
    assert (log.unknown_lines, log.tuning_lines) == (1, 4)
    assert [s.text for s in log.unknown_samples] == ["A line of no known form"]


def test_a_fragment_keeps_what_it_holds() -> None:
    log = parse(verbose("Tactic: 0x00000000000000aa Time: 0.5", "Fastest Tactic: 0x00000000000000aa Time: 0.5", chose("CaskConvolution", "0x00000000000000aa")))
    assert brief(log) == [(None, None, 0xAA, None, 0.5, "timed")]
    assert combination(log, 0)["formats"] is None and len(log.builds) == 1 and log.builds[0].first_line == 1


def test_progress_bars_and_colours() -> None:
    text = "\x1b[2K[----------] Computing reformatting costs 0/7\r\n" + verbose(costs("A"), formats("Half(1) -> Half(1)"))
    text += "\x1b[38;5;104m" + verbose("Tactic: 3 Time: 0.25").rstrip("\n") + "\x1b[0m\n"
    log = parse(text)
    assert [(t["layer"], t["tactic"], t["line"]) for t in tactics(log)] == [("A", 3, 4)]
    assert len(log.combinations) == 1


def test_a_logger_of_the_users_own() -> None:
    lines = verbose(costs("A"), formats("Half(1) -> Half(1)"), runner("A", "X"), "Tactic: 3 Time: 0.25")
    log = parse(lines.replace("[01/02/2030-03:04:05] [V] [TRT] ", "My Logger: Severity.VERBOSE "))
    assert brief(log) == [("A", "X", 3, None, 0.25, "timed")]


# ---------------------------------------------------------------- in bulk and one by one, truncated and damaged

LAYER = st.sampled_from(["A", "B + C", "PWN(d, e)"])
RUNNER = st.sampled_from(["CaskConvolution[0x80000009]", "CudnnConvolution", "Reformat"])
TACTIC = st.sampled_from(["0x00000000000000aa", "1002", "-5", "0xd15ea5edd15ea5ed"])
STRUCTURE = st.one_of(
    st.builds(costs, LAYER | st.just("")),
    st.just("=============== Computing reformatting costs: "),
    st.builds(formats, st.sampled_from(["Half(1) -> Half(1)", "Float(1) -> Float(1)"])),
    st.builds(reformat, st.just("Half(1) -> Float(1)"), st.sampled_from(["", " "])),
    st.builds(runner, LAYER, RUNNER),
    st.builds(chose, st.just("CaskConvolution"), TACTIC),
    st.builds("Skipping {}: No valid tactics for {}".format, st.just("CaskFlattenConvolution"), LAYER),
    st.builds("Tactic: {} Time: {}".format, TACTIC, st.sampled_from(["0.5", "inf", "12"])),
    st.builds("Tactic Name: {} Tactic: {} Time: 1.5".format, st.sampled_from(["one", "two"]), TACTIC),
    st.builds("A Set Tactic Name: {} Tactic: {}".format, st.sampled_from(["one", "two"]), TACTIC),
    st.builds("Fastest Tactic: {} Time: 0.5".format, TACTIC),
    st.just("X has no valid tactics for this config, skipping"),
    st.just("Fast skip Tactic:0x00000000000000aa which exceed time limit during pre-run"),
    st.builds("{} [Half(1) -> Float(1)] got cached result: X, tactic 0x00000000000000aa, {} ms".format, LAYER | st.just("Optimizer Reformat(a -> b)"), st.sampled_from(["0.5", "inf"])),
    st.builds("Autotuning op {} (key: 0x0a):".format, LAYER),
    st.builds("{:4}, 0.25, 1.0, 0, {}, {},".format, st.integers(0, 300), st.sampled_from(["one", "f<a, b>", "two"]), st.sampled_from(["0xaa", "0x00000000000000ab"])),
    st.just("The selected tactic is (tactic hash, cost(in ms)): 0xaa, 0.25"),
)  # fmt: skip
NEUTRAL = st.sampled_from(
    [
        "Tactic: 4 skipped. Scratch requested: 2, available: 1",
        "Tactic: 0x00000000000000ab is the only option, timing skipped",
        "Tactic: 0x12 Time: 0.5",
        "Set Tactic Name: late Tactic: 0x00000000000000aa numSplitK: 1 numBuffers: 0 numKernels: 1",
        "Adding reformat layer: Reformatted Input Tensor 0 to A (x) from Float(1) to Half(1)",
        "Set number of tactics to 300 at optimization level 5",
        "UNSUPPORTED_STATE: Skipping tactic 0 due to insufficient memory on requested size of 2688 detected for tactic 0x00000000000000aa.",
        "[pass.cpp:2131: run_passes] Exceeded mem budget of 2688. Need 852992",
        "A: 32 available tactics, 0 unparsable, 16 pruned, 16 remaining after tactic pruning.",
    ]
)  # fmt: skip
OTHER = st.sampled_from(
    [
        "Engine generation completed in 1 seconds.",
        "Building graph using backend strategy 2",
        "of no known form",
        "Engine Layer Information:",
        "Tactic: 4 skipped. Scratch requested: 2, available: 1",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STRUCTURE | NEUTRAL, max_size=120), st.lists(st.tuples(st.integers(0, 120), OTHER), max_size=2))
def test_bulk_reads_what_one_by_one_reads(lines: list[str], others: list[tuple[int, str]]) -> None:
    for at, other in others:
        lines.insert(at, other)
    text = verbose(*lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trtlens.parse.build_log.reader.BULK_ROWS", 10**9)
        slow = parse(text)
        patch.setattr("trtlens.parse.build_log.reader.BULK_ROWS", 1)
        fast = parse(text)
    assert combinations(fast) == combinations(slow)
    assert tactics(fast) == tactics(slow)
    for name in fast.sections.arrays:
        if name not in ("runner", "layer", "op", "combination"):  # numbers of texts, which the tactics compare
            assert str(fast.sections[name].tolist()) == str(slow.sections[name].tolist()), name
    assert (fast.unknown_lines, fast.tuning_lines, len(fast.builds)) == (slow.unknown_lines, slow.tuning_lines, len(slow.builds))
    assert bulk.BULK_ROWS > 1


@settings(max_examples=60, deadline=None)
@given(st.lists(STRUCTURE | NEUTRAL | OTHER, max_size=40))
def test_lines_in_one_block_read_as_each_in_a_block_of_its_own(lines: list[str]) -> None:
    """What stands between runs of structure may be read after them; it must say the same as in its place."""
    # Tactics without a format combination and a runner before them are fragments: where those are put is not said by the lines alone.
    begun = [costs("A"), formats("Half(1) -> Half(1)"), runner("A", "CaskConvolution")]
    whole_lines = [*begun]
    for line in lines:
        whole_lines += [line, *begun[line.startswith("=") :]] if line.startswith(("=", "*", "Engine", "Building")) else [line]
    text = verbose(*whole_lines)
    whole, reader, offset = parse(text), LogReader("x.log"), 0
    for line in text.encode().splitlines(keepends=True):
        reader.block(offset, line + bytes(k.PAD))
        offset += len(line)
    single = reader.finish(offset, [])
    assert combinations(whole) == combinations(single)
    assert tactics(whole) == tactics(single)
    assert sorted(map(str, section_rows(whole))) == sorted(map(str, section_rows(single)))
    assert (whole.unknown_lines, whole.tuning_lines, len(whole.builds)) == (single.unknown_lines, single.tuning_lines, len(single.builds))
    assert [(b.notable, b.warnings, b.reformat_layers, b.passes) for b in whole.builds] == [
        (b.notable, b.warnings, b.reformat_layers, b.passes) for b in single.builds
    ]


def section_rows(log: BuildLog) -> list[tuple[object, ...]]:
    """The runner sections by what they say, for their numbers may differ."""
    s = log.sections.arrays
    return [
        (log.runners.get(s["runner"][n]), log.layers.get(s["layer"][n]), log.layers.get(s["op"][n]), s["combination"][n], *(str(s[c][n]) for c in SAID))
        for n in range(len(log.sections))
    ]


SAID = ("line", "no_valid", "fastest", "fastest_time", "fastest_line")
WHOLE = verbose(*(line for n in range(3) for line in build_of(f"Conv_{n}", n)), "Tactic Name: a_kernel Tactic: 0x00000000000000aa Time: 0.125")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(WHOLE)), st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 7)), max_size=12))
def test_damage_never_raises_and_invents_no_row(cut: int, flips: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE.encode()[:cut])
    for at, bit in flips:
        if at < len(data):
            data[at] ^= 1 << bit
    log = parse(bytes(data))
    held = bytes(data).decode("utf-8", "backslashreplace").split("\n")
    for row in tactics(log):
        line = held[row["line"] - 1]
        assert str(row["tactic"]) in line or f"{row['tactic']:016x}" in line.lower() or str(row["tactic"] - 2**64) in line
        assert row["kernel"] is None or row["kernel"] in line
        if row["ms"] is not None:
            assert any(word for word in line.split() if word.replace("_", "x").replace(".", "").isdigit() and float(word) == row["ms"]), line


def test_a_run_that_loads_an_engine_tells_its_machine() -> None:
    command = "TensorRT.trtexec [TensorRT v101601] [b11] # trtexec --loadEngine=m.plan"
    text = (
        f"&&&& RUNNING {command}\n[01/02/2030-03:04:05] [I] Sparsity: Disabled\n[01/02/2030-03:04:05] [I] Load engine: m.plan\n"
        f"[01/02/2030-03:04:05] [I] Selected Device: NVIDIA H100 PCIe\n[01/02/2030-03:04:05] [I] TensorRT version: 10.16.1\n&&&& PASSED {command}\n"
    )
    for log in (parse(text), parse(text[: text.index("&&&& PASSED")])):
        (build,) = log.builds
        assert build.facts["selected device"][0] == "NVIDIA H100 PCIe" and build.version == "10.16.1"
        assert build.command is not None and not build.tuned and not build.complete and not log.truncated


@pytest.mark.parametrize("state", ["PASSED", "FAILED"])
def test_the_end_of_a_run_tells_its_command_where_the_beginning_is_lost(state: str) -> None:
    banner = f"&&&& {state} TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=x.onnx --sparsity=enable\n"
    (build,) = parse(verbose(*build_of("A", 1)) + banner).builds
    assert build.version == "8.5.2" and build.command is not None and "--sparsity=enable" in build.command.text
    begun = banner.replace(state, "RUNNING").replace("v8502", "v8501").replace("x.onnx", "y.onnx")
    (build,) = parse(begun + verbose(*build_of("A", 1)) + banner).builds
    assert build.version == "8.5.1" and build.command is not None and "y.onnx" in build.command.text
