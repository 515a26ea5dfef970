"""Which words may stay when names are redacted: TensorRT's and trtlens' own, numbers, kernel names.

In: one word of a text. Out: whether it may stay. Next: redact.py, which hashes every other word. The rule is deny by default: a word that nobody here
knows is taken for a name. The words are collected from trtlens' own string constants (the grammars of its parsers, the sentences of its rules), so
that they never fall behind the code.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

_LETTERS = re.compile(r"[A-Za-zµ]+(?:'[a-z]+)?")
_PROSE = re.compile(r"[a-z`)]\.(?:\s|$)|\n")
_JOINED = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+)+")

# What is no name whatever it says: numbers with units, ids, dates, versions, sizes, shapes; types and layouts; TensorRT's own files.
_PLAIN = re.compile(
    r"[\d.,:/%x\-+*~<>=&!?^#@$_TZ]*"
    r"|[+\-]?\d[\d.,]*(?:e[+\-]?\d+)?(?:ms|us|ns|s|GiB|MiB|KiB|GB|MB|KB|GHz|MHz|W|bit|bits|D|d|x|th|st|nd)?"
    r"|0x[0-9a-fA-F]+|(?:sm_?|SM|v|V|b)\d{1,8}|-?(?:nan|inf)"
    r"|(?:FP|BF|INT|Int|UInt|TF|fp|bf|int|uint|tf|float|bfloat|i|f|e)\d{1,2}(?:[eE]\dm\d|M\d)?|(?:D?HWC|CD?HW|NHWC|NCHW|DHWC)\d{0,2}|DLA_(?:LINEAR|HWC4)|E\dM\d|\d-layer",
    re.ASCII,
)
_KERNEL = re.compile(
    r"lib(?:nv|cu)\w*(?:\.so)?[\w.]*|\w+\.(?:cpp|cu)|TensorRT\.\w+"
    r"|Plugin(?:V\d\w*)?|PLUGIN_V\d|PointWise(?:V\d)?|(?:[Cc]ask|[Cc]udnn|[Cc]ublas|[Cc]uda|Fused|Myelin|LegacySASS)[A-Z][A-Za-z]*(?:V\d)?"
    r"|(?:Disabl|Serializ)[a-z]{1,8}|MemUsage[A-Z][a-z]{1,12}|Severity\.[A-Z_]{4,14}|UNSUPPORTED_STATESkipping|insuf+icient"
    r"|(?:sm\d{2,3}_|trt_|maxwell_|volta_|turing_|ampere_|ada_|hopper_|blackwell_|cask_|cask__|xmma_|cutlass_|cudnn_|generatedNativePointwise)[\w.]*"
)
_MYELIN = re.compile(r"trainStation\d*|(?:dummy_shape_call)?__my[le]\w*")
# Words with marks in them, or that only real logs hold; none of them tells anything of a model.
_MORE_TEXT = (
    "Format/Datatype I/O CPU/GPU build.log build.log.gz build.log.zst layer_info.json profile.json manifest.json UNSUPPORTED_STATE INTERNAL_ERROR "
    "EXPLICIT_BATCH OUT_OF_MEMORY GPU CPU NVIDIA TensorRT TRT CUDA Orin GeForce RTX Tesla Quadro Jetson Xavier trtexec verbose info warning error nvinfer "
    "onnx ONNX Conv ConvTranspose Gemm MatMul Relu Add Mul Sub Div Concat Pool MaxPool AveragePool GlobalAveragePool Softmax Sigmoid Transpose Reshape Slice Resize "
    "BatchNormalization LayerNormalization Shuffle ElementWise Unary Reduce TopK NMS Fill Loop Padding Activation Normalization Select Einsum OneHot NonZero GridSample "
    "Shape Scale SoftMax LogSoftmaxTopK Pooling TiledPooling GemmDeconvolution Deconvolution MatrixMultiply FullyConnected ParametricReLU Assertion Scatter "
    "HostToDeviceCopy DeviceToShapeHostCopy ShapeHostToDevice DeviceToHostCopy TrainStation shape_call DeviceToShapeHost HostToShapeDevice "
    "kgen ConvActPool Clip Split Gather Cast Constant Identity Flatten QuantizeLinear DequantizeLinear Unnamed Layer Convolution "
    "PoolingTiled allocators cuBLAS/cuBLASLt CUBLAS_LT EDGE_MASK_CONVOLUTIONS JIT_CONVOLUTIONS cost/fastest_cost prediction_correlation kernel_name tactic_hash "
    "tunable_parameter numBuffers Fully Connected "
    # The layouts of the engine inspector: `Thirty-two wide channel vectorized row major Int8 format`, `N/A due to dynamic shapes`.
    "Channel Row linear Two Four Eight Sixteen Thirty-two wide vectorized major N/A "
    "Optimizer in out ForeignNode PWN MLP profile device host bytes workspace default local global Enabled Disabled None nan"
)
_MORE = frozenset(_MORE_TEXT.split())
# Keys and values of the engine inspector that no parser of trtlens reads: they stay unless a name of this capture holds them.
_INSPECTOR_TEXT = (
    "Bias HasBias HasReLU HasDynamicBias HasResidual ConvXAsActInputIdx BiasAsActInputIdx ResAsActInputIdx ParameterSubType PoolingType WindowSize BlendFactor "
    "AverageCountExcludesPadding Mode Shift Power ChannelAxis PluginType PluginVersion ElementWiseOperation ResizeMode ResizeScales ExcludeOutside CubicCoeff "
    "CoordTransform ResizeSelector NNRounding ConvolutionTacticIndex Operation ReduceAxes KeepDimensions FirstTranspose SecondTranspose ZeroIsPlaceholder MatrixOpA MatrixOpB Alpha Beta "
    "RELU CLIPPED_RELU NONE REFORMAT QDQ CHANNEL ELEMENTWISE UNIFORM SLICE AVERAGE AVG MAX GENERIC CAST NEAREST CONCAT InstanceNormalization_TRT"
)
_INSPECTOR = frozenset(_INSPECTOR_TEXT.split())
_INSPECTOR_FORMS = re.compile(
    r"k[A-Z][A-Z\d_]+|(?:Nb)?(?:PointWiseExpression)?(?:InputArgs|OutputVars|Params|Literals|Operations)"
    r"|(?:Conv|Pooling)(?:ParameterType|PaddingMode|P(?:re|ost)Padding|Stride|Dilation|OutMaps|Groups|Weights|Bias|Activation|HasDynamic(?:Filter|Bias)|HasResidual"
    r"|(?:ConvX|Bias|Res)AsActInputIdx|PoolingType|WindowSize|BlendFactor|AverageCountExcludesPadding)"
)


@lru_cache(maxsize=1)
def strict_words() -> frozenset[str]:
    """Words of TensorRT's grammar: they stay even where a name holds them, or no parser could read a redacted log."""
    return frozenset(_words("trtlens.parse", prose=False)) | _MORE


@lru_cache(maxsize=1)
def own_words() -> frozenset[str]:
    """Words of trtlens' own sentences: they stay unless a name of this capture holds them."""
    from ..diagnose.model import STATUSES
    from ..diagnose.reasons import REASONS, WARNINGS

    return frozenset((*_words("trtlens.diagnose"), *_words("trtlens.report"), *_words("trtlens.capture"), *STATUSES, *REASONS, *WARNINGS)) | strict_words()


def plain(word: str) -> bool:
    """Whether a word is a number, a type, an id: nothing that anybody named."""
    return _PLAIN.fullmatch(word) is not None


def myelin(word: str) -> bool:
    """Whether Myelin or TensorRT made up this layer name: it stays even though it is one."""
    return _MYELIN.fullmatch(word) is not None


def kernel(word: str) -> bool:
    """Whether a word is a kernel's name, or that of one of TensorRT's own files, which NVIDIA gave it."""
    return _KERNEL.fullmatch(word) is not None


def inspector(word: str) -> bool:
    """Whether the engine inspector writes this word as a key or a value of its own."""
    return word in _INSPECTOR or _INSPECTOR_FORMS.fullmatch(word) is not None


def _words(package: str, prose: bool = True) -> Iterator[str]:
    """Every run of letters in the string constants of a package's modules, none of which is imported. Without `prose` docstrings are left out."""
    spec = importlib.util.find_spec(package)
    names = [package, *(found.name for found in pkgutil.walk_packages(spec.submodule_search_locations, f"{package}."))] if spec and spec.submodule_search_locations else []
    for name in names:
        found = importlib.util.find_spec(name)
        get_code = getattr(found.loader, "get_code", None) if found is not None else None
        code = get_code(name) if get_code is not None else None
        for text in _constants(code) if isinstance(code, CodeType) else ():
            if prose or not _PROSE.search(text):
                yield from _LETTERS.findall(text)
                yield from _JOINED.findall(text)


def _constants(value: object) -> Iterator[str]:
    if isinstance(value, CodeType):
        for constant in value.co_consts:
            yield from _constants(constant)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, (tuple, frozenset)):
        for item in value:
            yield from _constants(item)
