"""Options against themselves, and by name from the command line and from trtlens.toml."""

from pathlib import Path
from typing import Any

import pytest

from trtlens.capture.options import BuildOptions, parse_bytes, parse_target
from trtlens.capture.settings import OPTION_NAMES, options_from
from trtlens.errors import InputError, UsageError

MODEL = Path("m.onnx")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing to build"),
        ({"model": MODEL, "engine": Path("m.plan")}, "not both"),
        ({"engine": Path("m.plan"), "counterfactual": True}, "built already"),
        ({"engine": Path("m.plan"), "precision": ("fp16",)}, "built already"),
        ({"model": MODEL, "sparsity": "disable", "counterfactual": True}, "without sparsity"),
        ({"model": MODEL, "sparsity": "force"}, "--prune magnitude"),
        ({"model": MODEL, "sparsity": "maybe"}, "enable, disable"),
        ({"model": MODEL, "precision": ("best", "fp16")}, "alone"),
        ({"model": MODEL, "precision": ("fp64",)}, "one of"),
        ({"model": MODEL, "precision": ("fp16",), "strongly_typed": True}, "from the model"),
        ({"model": MODEL, "opt_level": 6}, "from 0 to 5"),
        ({"model": MODEL, "repeat": 0}, "1 or more"),
        ({"model": MODEL, "timeout_s": 0.0}, "above 0"),
        ({"model": MODEL, "backend": "polygraphy"}, "one of auto"),
        ({"model": MODEL, "backend": "tensorrt", "extra": ("--fp16",)}, "trtexec's"),
        ({"model": MODEL, "backend": "tensorrt", "target": "SM80"}, "TensorRT-RTX's"),
        ({"model": MODEL, "tactic_sources": ("CUBLAS",)}, "[+]NAME"),
        ({"model": MODEL, "timing_cache": Path("c"), "repeat": 3}, "timings of the first"),
    ],
)
def test_a_contradiction_is_refused_with_its_reason(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        BuildOptions(**given)


def test_json_carries_every_option_to_the_child_and_back() -> None:
    options = options_from(
        {
            "model": "a b.onnx", "output": "out", "backend": "trtexec", "trtexec": "/opt/trtexec", "extra": ["--useCudaGraph"],
            "precision": "fp16,int8", "min": "x:1x3", "opt": "x:2x3", "max": "x:4x3", "workspace": "2GiB", "opt-level": 5, "max-tactics": 7,
            "avg-timing": 8, "tactic-sources": "+JIT_CONVOLUTIONS,-CUBLAS", "io-formats": "x:fp16:hwc8", "direct-io": True,
            "plugins": "a.so,b.so", "iterations": 10, "warmup": 1.5, "timeout": 60, "repeat": 2, "prune": "magnitude", "no-engine": True,
            "force": True,
        }
    )  # fmt: skip
    assert BuildOptions.from_json(options.as_json()) == options
    assert options.keep_engine is False and options.workspace_bytes == 2 << 30 and options.plugins == (Path("a.so"), Path("b.so"))


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    settings = tmp_path / "trtlens.toml"
    settings.write_text('[build]\nmodel = "m.onnx"\nopt-level = 2\nprecision = ["fp16", "int8"]\nshapes = "x:1x3"\nplugins = ["p.so"]\n')
    options = options_from({"opt_level": 5, "min": "x:1", "opt": "x:1", "max": "x:2", "force": None}, settings)
    assert (options.opt_level, options.precision) == (5, ("fp16", "int8"))
    assert options.profiles[0].inputs[0].maximum == (2,), "shapes of the file give way as one"
    assert options.model == tmp_path / "m.onnx" and options.plugins == (tmp_path / "p.so",), "paths are relative to the file"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[build]\nopt-levle = 3", "did you mean 'opt-level'"),
        ("[build", "is not TOML"),
        ("build = 3", "not a table"),
        ("\xff", "is not TOML"),
    ],
)
def test_a_settings_file_that_is_none_is_named(tmp_path: Path, text: str, said: str) -> None:
    settings = tmp_path / "trtlens.toml"
    settings.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=said) as error:
        options_from({"model": "m.onnx"}, settings)
    assert "trtlens.toml" in str(error.value)


@pytest.mark.parametrize(
    "given",
    [
        {"opt-level": "five"}, {"opt-level": 2.5}, {"opt-level": True}, {"warmup": "nan"}, {"force": "yes"}, {"precision": 16},
        {"model": ""}, {"workspace": "2 gigs"}, {"target": "ampere"}, {"iterations": float("inf")},
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_names_its_option(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(given))}"):
        options_from({"model": "m.onnx", **given})


def test_sizes_and_targets_have_the_usual_spellings() -> None:
    assert [parse_bytes(text) for text in ("512", "512MiB", "0.5G", "536870912B")] == [512 << 20] * 4
    assert [parse_target(text) for text in ("SM80", "sm_80", "80", "8.0")] == ["SM80"] * 4
    assert parse_target("12.0") == "SM120"


def test_every_option_of_the_record_can_be_given_by_name() -> None:
    spelled = {"workspace_bytes": "workspace", "warmup_ms": "warmup", "timeout_s": "timeout", "keep_engine": "no-engine"}
    spelled["profiles"] = "shapes"
    assert {spelled.get(name, name.replace("_", "-")) for name in BuildOptions.__dataclass_fields__} <= set(OPTION_NAMES)
