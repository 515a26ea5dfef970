"""Format sentences of every era as (datatype, layout)."""

from __future__ import annotations

import pytest

from trtlens.parse.tensor_formats import datatype_of, layout_of


@pytest.mark.parametrize(
    ("sentence", "datatype", "layout"),
    [
        ("Row major linear FP32", "Float", "LINEAR"),
        ("Row major linear FP16 format", "Half", "LINEAR"),
        ("Row major Int8 format", "Int8", "LINEAR"),
        ("Row major linear Int32", "Int32", "LINEAR"),
        ("Row major linear BOOL", "Bool", "LINEAR"),
        ("Two wide channel vectorized row major FP16 format", "Half", "CHW2"),
        ("Four wide channel vectorized row major Int8 format.", "Int8", "CHW4"),
        ("Sixteen wide channel vectorized row major FP16 format", "Half", "CHW16"),
        ("Thirty-two wide channel vectorized row major Int8 format", "Int8", "CHW32"),
        ("Thirty-two wide channel vectorized row major FP16 format with 3 spatial dimensions", "Half", "CDHW32"),
        ("Channel major FP16 format where channel % 8 == 0", "Half", "HWC8"),
        ("Channel major FP16 format where channel % 16 == 0", "Half", "HWC16"),
        ("Channel major FP16 format where channel % 4 == 0", "Half", "HWC4"),
        ("Channel major FP16 format where channel % 2 == 0", "Half", "HWC2"),
        ("Channel major INT8 format where channel % 16 == 0", "Int8", "HWC16"),
        ("Channel major FP32 format", "Float", "HWC"),
        ("Row major FP16 format where column stride % 64 == 0", "Half", "DLA_LINEAR"),
        ("Channel major INT8 format where channel == 4 and column stride % 32 == 0", "Int8", "DLA_HWC4"),
        ("Half", "Half", None),
        ("BFloat16", "BFloat16", None),
        ("FP8", "FP8", None),
        ("N/A due to dynamic shapes", None, None),
        ("(Linear) Row major linear format", None, "LINEAR"),
        ("(NHWC) Channel major format", None, "HWC"),
        ("(Transposed) Transposed format", None, "TRANSPOSED"),
        ("(Arbitrary) Format with stride order = [1,0]", None, None),
        ("Eight channel FP16 format (kHWC8) where C is padded to a multiple of 8", "Half", "HWC8"),
        ("Non-vectorized channel-last UINT8 format", "UInt8", "HWC"),
        ("Row major linear FP32 format (kLINEAR)", "Float", "LINEAR"),
        ("A format of the year 2031", None, None),
        ("", None, None),
    ],
)
def test_sentences(sentence: str, datatype: str | None, layout: str | None) -> None:
    assert (datatype_of(sentence), layout_of(sentence)) == (datatype, layout)


def test_five_dimensions_change_the_layout() -> None:
    assert layout_of("Channel major FP16 format where channel % 8 == 0", 5) == "DHWC8"
    assert layout_of("Thirty-two wide channel vectorized row major Int8 format", 5) == "CDHW32"
