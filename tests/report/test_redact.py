"""Redaction: no name survives in any output, equal names stay equal, and the verdicts are the same."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.parse.corpus import CORPUS, needs_corpus
from tests.report.factory import INPUTS, build, diagnosis, extras_for, layer, sparse_layer
from tests.synthetic.truth import make_capture
from trtlens.capture.manifest import read_manifest
from trtlens.diagnose.explain import explain
from trtlens.diagnose.gates import Gates, evaluate
from trtlens.diagnose.model import Diagnosis, Input, LayerVerdict, LineEvidence, PointerEvidence, Suspect, TensorEvidence, Warning
from trtlens.diagnose.session import Session
from trtlens.errors import InputError, UsageError
from trtlens.report.html import render_html
from trtlens.report.json_report import to_dict
from trtlens.report.junit import render_junit
from trtlens.report.markdown import render_markdown
from trtlens.report.redact import Redactor, names_in, new_salt, redact, words_of
from trtlens.report.redact_files import redact_files
from trtlens.report.redact_words import own_words, strict_words
from trtlens.report.sarif import sarif_dict
from trtlens.report.tables import write_tables
from trtlens.report.terminal import render

ROOT = Path(__file__).resolve().parents[2]
SALT = "test salt"
CAPTURE = Path(__file__).parents[2] / "fixtures" / "rtx_tiny" / "model.trtlens"


def every_output(made: Diagnosis) -> str:
    """JSON, HTML, Markdown, terminal, JUnit and SARIF of a diagnosis, as one text."""
    stream = io.StringIO()
    render(made, Console(file=stream, width=10_000), limit=1000)
    gates = evaluate(made, Gates(("dense",)))
    parts = [json.dumps(to_dict(made), ensure_ascii=False), render_html(made, pictures=False), render_markdown(made), stream.getvalue()]
    return "\n".join([*parts, render_junit(made, gates), json.dumps(sarif_dict(made, gates), ensure_ascii=False)])


# ---- text


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("convA1 + reluA2 [profile 1]", r"(n\w{10}) \+ (n\w{10}) \[profile 1\]"),
        ("{ForeignNode[enc.first...dec/last]}", r"\{ForeignNode\[(n\w{10})\.\.\.(n\w{10})\]\}"),
        ("PWN(mulA, addB)", r"PWN\((n\w{10}), (n\w{10})\)"),
        ("Reformatting CopyNode for Input Tensor 0 to convA1", r"Reformatting CopyNode for Input Tensor 0 to (n\w{10})"),
        ("/head/proj_myl0_3", r"(n\w{10})_myl0_3"),
        ("[ONNX Layer: a1b]\x1e[ONNX Layer: c2d]", r"\[ONNX Layer: (n\w{10})\]\x1e\[ONNX Layer: (n\w{10})\]"),
        ('"Name": "zeta9\\u001e"', r'"Name": "(n\w{10})\\u001e"'),
    ],
)
def test_the_frame_of_a_name_stays(text: str, pattern: str) -> None:
    assert re.fullmatch(pattern, Redactor(SALT).text(text))


@pytest.mark.parametrize(
    "text",
    [
        "[01/02/2030-10:20:41] [V] [TRT] Tactic: 0xd80cb0f3373aef38 Time: 0.102",
        "[01/02/2030-10:20:41] [V] [TRT] *************** Autotuning Reformat: Half(7056,1:8,504,36) -> Float(56448,196,14,1) ***************",
        "sm80_xmma_sparse_gemm_f16f16_f16f32_f32_tn_n_tilesize64x64x64_stage6",
        "Half CHW16 1x64x56x56",
        "__myl_FcMulAdd_myl0_3",
        "&&&& RUNNING TensorRT.trtexec [TensorRT v8502]",
        "CaskConvolution PluginV2DynamicExt PointWiseV2 CudaDepthwiseConvolution",
        "[01/02/2030-10:20:41] [V] [TRT] Disabling unused tactic source: EDGE_MASK_CONVOLUTIONS",
        "[01/02/2030-10:20:41] [I] [TRT] [MemUsageChange] Init cuBLAS/cuBLASLt: CPU +0, GPU +8, now: CPU 9, GPU 9 (MiB)",
        "[TensorRT] VERBOSE: Layer(PoolingTiled): (Unnamed Layer* 2) [Pooling]",
        "[01/02/2030-10:20:41] [W] [TRT] UNSUPPORTED_STATESkipping tactic 4 due to insuficient memory",
        '{"performance_summary": {"Latency": [0.1]}, "device_information": {"Selected Device": "NVIDIA"}}',
        "sparse 0.110 ms against dense 0.102 ms (+7.8 %)",
    ],
)
def test_what_nobody_named_stays(text: str) -> None:
    assert Redactor(SALT).text(text) == text


def test_equal_names_are_equal_under_one_salt_only() -> None:
    one, two = Redactor(SALT), Redactor("another")
    assert one.text("Layer(CaskConvolution): convA1 + x9y, Tactic") == f"Layer(CaskConvolution): {one.hash('convA1')} + {one.hash('x9y')}, Tactic"
    assert one.hash("convA1") == Redactor(SALT, ["other"]).hash("convA1") != two.hash("convA1")
    assert new_salt() != new_salt()


def test_a_word_of_ours_goes_where_a_name_holds_it() -> None:
    word = min(word for word in own_words() - strict_words() if len(word) > 8 and word.islower())
    sentence = f"it runs dense: {word}"
    assert Redactor(SALT).text(sentence) == sentence
    assert Redactor(SALT, [f"{word} + x9"]).text(sentence) == f"it runs dense: {Redactor(SALT).hash(word)}"


def test_paths_keep_their_role_alone() -> None:
    redactor = Redactor(SALT)
    assert re.fullmatch(r"n\w{10}/build\.log", redactor.path("/home/someone/secret-model/build.log"))
    assert re.fullmatch(r"n\w{10}\.log\.gz", redactor.path("secret.log.gz"))
    assert re.fullmatch(r"n\w{10}/n\w{10}\.onnx", redactor.path("C:\\work\\secret.onnx"))
    assert redactor.path("<stdin>") == "<stdin>"


# ---- diagnoses

SECRETS = st.text("abcdefghijkmopqrsuvwxyz0123456789_/.-層é", min_size=1, max_size=12).map(lambda text: f"Zq{text}Zq")


@settings(max_examples=25, deadline=None)
@given(st.lists(SECRETS, min_size=12, max_size=12, unique=True))
def test_no_name_survives_in_any_output(names: list[str]) -> None:
    one, two, tensor, path, twin, quoted, plugin, reformat, region, weight, listed, folder = names
    verdict = layer(
        f"{one} + {two} [profile 0]",
        type=plugin,
        onnx_nodes=(one, two),
        summary=f"the reformat of {tensor} costs more; {quoted} runs dense, see {one}.",
        inherited_from=twin,
        input_formats=(f"Half({tensor})",),
        suspects=(Suspect("memory-bound", "suggested", f"{region}: at the limits of the machine"),),
        evidence=(
            LineEvidence(0, 3, f"[V] [TRT] (Sparsity) Layers eligible for sparse math: {one} + {two}, {listed}"),
            PointerEvidence(1, f"/Layers/{reformat}/Name", f"{{ForeignNode[{one}...{region}]}}"),
            TensorEvidence(3, weight, (0,)),
        ),
    )
    warnings = (Warning("capture-mismatch", f"'{one}' differs from \"{two}\" ({listed})", (LineEvidence(0, 1, listed),)),)
    inputs = (Input(f"/home/{folder}/{path}.log", "build_log", None, 1, 1, "a" * 64), *INPUTS[1:])
    made = diagnosis(build([verdict, sparse_layer(twin)], warnings=warnings), inputs=inputs)
    text = every_output(redact(made, SALT))
    assert "Zq" in every_output(made)
    assert "Zq" not in text
    assert "a" * 64 not in text


def test_figures_kernels_and_reasons_are_untouched() -> None:
    made = diagnosis(build([layer("convA"), sparse_layer("convB")]))
    gone = redact(made, SALT)
    for before, after in zip(made.captures[0].builds[0].layers, gone.captures[0].builds[0].layers, strict=True):
        assert (before.status, before.reason, before.proof, before.time_ms, before.margin) == (after.status, after.reason, after.proof, after.time_ms, after.margin)
        assert (before.tactic, before.compared_dense, before.summary) == (after.tactic, after.compared_dense, after.summary)
    assert gone.captures[0].builds[0].summary == made.captures[0].builds[0].summary
    assert redact(made, SALT) == gone


def test_what_the_page_shows_beyond_the_verdicts_goes_too() -> None:
    made = diagnosis(build([layer("Zqa", onnx_nodes=("Zqa",)), layer("Zqb", onnx_nodes=("Zqb",))]))
    redactor = Redactor(SALT, names_in(made))
    extras = redactor.extras(extras_for(made))
    assert extras is not None
    gone = redactor.diagnosis(made)
    main = gone.captures[0].main
    assert main is not None
    assert set(extras.races) == {one.name for one in main.layers}  # they still join
    page = render_html(gone, extras, pictures=False)
    assert "Zq" not in page and "tensor_0" not in page and "model.onnx" not in page
    assert redactor.extras(None) is None


# ---- files


def write(folder: Path, seed: int, dialect: str) -> Path:
    made = make_capture(seed, dialect)
    folder.mkdir(parents=True)
    for name, text in (("build.log", made.log), ("layer_info.json", made.layer_info), ("profile.json", made.profile)):
        if text:
            (folder / name).write_text(text)
    return folder


def figures(made: Diagnosis) -> list[tuple[object, ...]]:
    main = made.captures[0].main
    assert main is not None
    return [_figures(one) for one in main.layers]


def _figures(one: LayerVerdict) -> tuple[object, ...]:
    return (one.status, one.reason, one.proof, one.stability, one.time_ms, one.best_dense_ms, one.best_sparse_ms, one.margin, one.tactic, one.type, len(one.evidence), one.input_formats, one.output_formats, [(remedy.gain_ms, remedy.gain_kind) for remedy in one.remedies])


def warned(made: Diagnosis) -> list[list[tuple[str, list[int]]]]:
    """Ids and cited lines of the warnings of each build."""
    return [[(w.id, [e.line for e in w.evidence if isinstance(e, LineEvidence)]) for w in build.warnings] for build in made.captures[0].builds]


def test_layouts_and_the_inspectors_own_words_stay(tmp_path: Path) -> None:
    source = ROOT / "fixtures" / "synthetic_small"
    paths = [str(source / name) for name in ("layer_info.json", "profile.json", "build.log")]
    before, copies = explain(paths), redact_files(paths, tmp_path / "copies", SALT)
    after = explain(copies.paths)
    assert figures(after) == figures(before) and after.captures[0].main.summary == before.captures[0].main.summary  # type: ignore[union-attr]
    shared = re.findall(r'"(\w+)":', (source / "layer_info.json").read_text())
    text = copies.files[0].read_text()
    assert {"HasResidual", "HasDynamicBias"} <= set(shared) and re.findall(r'"(\w+)":', text) == shared
    assert "Channel major FP16 format where channel % 8 == 0" in text and "kEXPLICIT_ROUND_DOWN" in text


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dialect", ["8.2", "8.5", "8.6", "10.3"])
def test_redacted_files_give_the_same_verdicts_and_hold_no_name(tmp_path: Path, seed: int, dialect: str) -> None:
    folder = write(tmp_path / "secret-folder", seed, dialect)
    session = Session([str(folder)])
    copies = redact_files([str(folder)], tmp_path / "out", SALT)
    redacted = Session(list(copies.paths))
    assert figures(redacted.diagnosis) == figures(session.diagnosis)
    assert warned(redacted.diagnosis) == warned(session.diagnosis)
    # The other way to the same end: the diagnosis itself redacted, with the same hashes.
    main, same = redacted.diagnosis.captures[0].main, redact(session.diagnosis, SALT).captures[0].main
    assert main is not None and same is not None
    assert [one.name for one in main.layers] == [one.name for one in same.layers]
    assert [w.id for w in main.warnings] == [w.id for w in same.warnings]
    secret = {word for name in names_in(session.diagnosis) for word in words_of(name)} - strict_words() - {"build.log"}
    assert secret
    for path in copies.files:
        assert path.read_text().count("\n") == (folder / path.name).read_text().count("\n")
        assert not secret & words_of(path.read_text())
    if seed == 0:
        tables = write_tables(redacted, tmp_path / "tables", "csv")
        text = "\n".join(path.read_text() for path in tables) + every_output(redacted.diagnosis)
        assert not secret & words_of(text)
        assert "synthetic_input" not in text and "secret-folder" not in text


@needs_corpus
def test_real_layer_info_keeps_its_verdicts(tmp_path: Path) -> None:
    done = 0
    for number, path in enumerate(sorted((CORPUS / "layer_info").iterdir())):
        try:
            before = explain([str(path)])
        except InputError:
            continue
        copies = redact_files([str(path)], tmp_path / str(number), SALT)
        after = explain(copies.paths)
        assert [one[:10] + one[11:] for one in figures(after)] == [one[:10] + one[11:] for one in figures(before)], path.name
        keys = re.findall(r'"(n[0-9a-f]{10})" *:', copies.files[0].read_text(errors="surrogateescape"))
        assert not keys, path.name
        secret = {word for name in names_in(before) for word in words_of(name)} - strict_words()
        kept = {word for word in secret if re.match(r"__my[le]|trainStation|dummy_shape_call__mye", word)}
        assert not (secret - kept) & words_of(copies.files[0].read_text(errors="surrogateescape")), path.name
        done += 1
    assert done > 30


@needs_corpus
def test_real_logs_keep_their_verdicts_and_warnings(tmp_path: Path) -> None:
    """Whatever TensorRT wrote there is still known for what it is: no line that was understood becomes an unknown one."""
    done = 0
    for number, path in enumerate(sorted((CORPUS / "verbose_logs").iterdir()) + sorted((CORPUS / "info_logs").glob("*skip*"))):
        if path.stat().st_size > 90_000:
            continue
        before = explain([str(path)])
        after = explain(redact_files([str(path)], tmp_path / str(number), SALT).paths)
        for one, other in zip(before.captures[0].builds, after.captures[0].builds, strict=True):
            assert [_figures(verdict)[:8] for verdict in one.layers] == [_figures(verdict)[:8] for verdict in other.layers], path.name
            assert (one.lines, one.summary, one.environment.tensorrt) == (other.lines, other.summary, other.environment.tensorrt), path.name
        assert warned(after) == warned(before), path.name
        done += 1
    assert done > 50


def test_captures_behind_urls_are_redacted_and_called_by_nothing_else(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    folder = write(tmp_path / "one", 1, "8.5")
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for path in folder.iterdir():
        memory.pipe(f"/far/{path.name}", path.read_bytes())
    copies = redact_files(["memory://far"], tmp_path / "out", SALT)
    assert [Path(path).name for path in copies.paths] == [Redactor(SALT).hash("memory://far")]
    assert figures(explain(copies.paths)) == figures(explain([str(folder)]))
    memory.pipe("/far/layer_info.json", b"{")
    with pytest.raises(InputError, match=r"^memory://far/layer_info\.json"):
        redact_files(["memory://far"], tmp_path / "again", SALT)
    memory.store.clear()


def test_json_escapes_and_raw_letters_are_one_name(tmp_path: Path) -> None:
    node = {"Name": "層\U0001f600Zq", "LayerType": "CaskConvolution", "Inputs": [], "Outputs": [], "HasSparseWeights": 1, "TacticName": "sm80_xmma_fprop"}
    (tmp_path / "li.json").write_text(json.dumps({"Layers": [node], "Bindings": []}))
    (tmp_path / "p.json").write_text(json.dumps([{"count": 2}, {"name": "層\U0001f600Zq", "timeMs": 2.0, "averageMs": 1.0, "medianMs": 1.0, "percentage": 100.0}], ensure_ascii=False))
    copies = redact_files([str(tmp_path / "li.json"), str(tmp_path / "p.json")], tmp_path / "out", SALT)
    main = explain(copies.paths).captures[0].main
    assert main is not None
    assert main.layers[0].time_ms == 1.0
    assert main.layers[0].name == Redactor(SALT).hash("層\U0001f600Zq")


def test_a_packed_log_is_copied_unpacked(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", 3, "8.5")
    log = (folder / "build.log").read_bytes()
    (folder / "build.log").unlink()
    (folder / "build.log.gz").write_bytes(gzip.compress(log))
    copies = redact_files([str(folder)], tmp_path / "out", SALT)
    assert sorted(path.name for path in copies.files) == ["build.log", "layer_info.json", "profile.json"]
    assert figures(explain(copies.paths)) == figures(explain([str(folder)]))


def test_a_capture_of_our_own_stays_one(tmp_path: Path) -> None:
    folder = tmp_path / "Zqsecret"
    shutil.copytree(CAPTURE, folder)
    values = json.loads((folder / "manifest.json").read_text())
    values["model"] |= {"path": "/home/zq/Zqnet.onnx", "sha256": "b" * 64}
    values["options"]["extra"] = ["--layerPrecisions=Zqhead:fp16"]
    (folder / "manifest.json").write_text(json.dumps(values))
    copies = redact_files([str(folder)], tmp_path / "out", SALT)
    before, after = explain([str(folder)]), explain(copies.paths)
    assert figures(after) == figures(before)
    assert after.captures[0].main is not None and before.captures[0].main is not None
    assert after.captures[0].main.environment == before.captures[0].main.environment
    manifest = next(path for path in copies.files if path.name == "manifest.json")
    assert "Zq" not in manifest.read_text() and "b" * 64 not in manifest.read_text()
    assert read_manifest(manifest).status == values["status"]
    assert json.loads(manifest.read_text()).keys() == values.keys()


def test_a_model_is_renamed_throughout(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")

    helper = onnx.helper
    inner = helper.make_graph([helper.make_node("Identity", ["Zqx"], ["Zqinner"], name="Zqid")], "Zqbranch", [], [helper.make_tensor_value_info("Zqinner", 1, ["Zqdim", 4])])
    nodes = [
        helper.make_node("MatMul", ["Zqx", "Zqw"], ["Zqh"], name="Zqmatmul", doc_string="Zqdoc"),
        helper.make_node("If", ["Zqc"], ["Zqy"], name="Zqif", then_branch=inner, else_branch=inner),
    ]
    nodes.append(helper.make_node("Zqop", ["Zqh"], ["Zqz"], name="Zqcustom", domain="Zqdomain", mode="Zqmode"))
    function = helper.make_function("Zqdomain", "Zqop", ["Zqa"], ["Zqb"], [helper.make_node("Relu", ["Zqa"], ["Zqb"], name="Zqrelu")], [helper.make_opsetid("", 17)])
    graph = helper.make_graph(
        nodes, "Zqgraph", [helper.make_tensor_value_info("Zqx", 1, ["Zqdim", 4]), helper.make_tensor_value_info("Zqc", 9, [])],
        [helper.make_tensor_value_info("Zqh", 1, None)], [helper.make_tensor("Zqw", 1, [4, 4], [1.0, 0, 0, 2] * 4)], doc_string="Zqdoc",
    )  # fmt: skip
    model = helper.make_model(graph, producer_name="Zqproducer", functions=[function], opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("Zqdomain", 1)])
    model.metadata_props.add(key="Zqkey", value="Zqvalue")
    onnx.save(model, tmp_path / "Zqmodel.onnx")
    (copy,) = redact_files([str(tmp_path / "Zqmodel.onnx")], tmp_path / "out", SALT).files
    assert b"Zq" not in copy.read_bytes()
    renamed = onnx.load(copy)
    assert renamed.graph.node[0].input[0] == renamed.graph.input[0].name == Redactor(SALT).hash("Zqx")
    custom = renamed.graph.node[2]
    assert (custom.op_type, custom.domain) == (renamed.functions[0].name, renamed.functions[0].domain)
    assert renamed.graph.initializer[0].float_data[:] == [1.0, 0, 0, 2] * 4


def test_copies_go_into_a_new_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UsageError, match="holds something"):
        redact_files(["whatever"], tmp_path, SALT)
    with pytest.raises(UsageError, match="cannot be made a folder"):
        redact_files(["whatever"], tmp_path / "mine" / "out", SALT)
