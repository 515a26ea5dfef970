"""The network's own tensors, as the ONNX parser names them."""

from __future__ import annotations

from tests.parse.build_log.reading import parse, verbose


def test_inputs_and_outputs_of_each_build() -> None:
    network = ["Adding network input: x:0 with dtype: float32, dimensions: (-1, 1, 28, 28)", "Adding network input: with dtype: int32, dimensions: ()"]
    log = parse(verbose(*network, "Marking z:0_0 as output: z:0", "Marking a as output: b as output: c", "Marking nothing", "Original: 3 layers"))
    assert [(b.network_inputs, b.network_outputs) for b in log.builds] == [(["x:0", "with dtype: int32, dimensions: ()"], ["z:0", "c"])]


def test_a_log_without_the_parsers_lines_lists_none() -> None:
    log = parse(verbose("Original: 3 layers", "=============== Computing costs for A"))
    assert [(b.network_inputs, b.network_outputs) for b in log.builds] == [([], [])]


def test_options_of_a_run_that_never_came_to_build_are_kept() -> None:
    lines = ["&&&& RUNNING TensorRT.trtexec [TensorRT v101300] # trtexec --onnx=m.onnx", "[01/02/2030-00:00:00] [I] Sparsity: Enabled"]
    (build,) = parse("\n".join(lines) + "\n").builds
    assert (build.facts["sparsity"][0], build.version, build.tuned, build.complete) == ("Enabled", "10.13.0", False, False)
