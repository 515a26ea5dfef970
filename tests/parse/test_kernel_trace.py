"""Kernel traces in every form nsys writes them, and damaged ones."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.errors import InputError
from trtlens.parse.kernel_names import is_sparse
from trtlens.parse.kernel_trace import KernelRun, looks_like, parse_kernel_trace, tactic_name

SPARSE = "sm80_xmma_sparse_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_stage3_warpsize2x2x1_sptensor16x8x32"
DENSE = "sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x128x32_stage4_warpsize2x2x1_g1_tensor16x8x16"
TEMPLATE = "void cask__5x_cudnn::Kernel<(int)4, 1>(float *, int)"
COLUMNS = (
    "CorrId,GrdX,GrdY,GrdZ,BlkX,BlkY,BlkZ,Reg/Trd,StcSMem (MB),DymSMem (MB),Bytes (MB),Throughput (MB/s),SrcMemKd,DstMemKd,"
    "Device,Ctx,Strm,Name"
)


def rows(unit: float = 1) -> str:
    filler = ",1,16,1,1,128,1,1,32,0.0,0.0,,,,,NVIDIA A100 (0),1,7,"
    return (
        f"{3_000 / unit:g},{500 / unit:g}{filler}{DENSE}_execute_kernel_trt\n"
        f"{1_000 / unit:g},{250 / unit:g}{filler}{SPARSE}_execute_kernel_trt\n"
        f"{500 / unit:g},{90 / unit:g},5,,,,,,,,,,8.389,167.0,Pageable,Device,NVIDIA A100 (0),1,7,[CUDA memcpy Host-to-Device]\n"
        f"{4_000 / unit:g},{100 / unit:g}{filler}[CUDA memset]\n"
        f'{5_000 / unit:g},{700 / unit:g}{filler}"{TEMPLATE}"\n'
        f"{6_000 / unit:g},{300 / unit:g}{filler}{SPARSE}_execute_kernel_trt\n"
    )


def write(folder: Path, text: str, name: str = "trace.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


PREAMBLE = (
    "\nNOTICE: Existing SQLite export found: r.sqlite\n        Consider using --force-export=true if needed.\n"
    "\nProcessing [r.sqlite] with [cuda_gpu_trace.py]... \n"
)


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        (f"Start (ns),Duration (ns),{COLUMNS}", 1),
        (f"Start(ns),Duration(ns),{COLUMNS}", 1),
        (f"Start(nsec),Duration(nsec),{COLUMNS}", 1),
        (f"Start:ts_ns,Duration:dur_ns,{COLUMNS}", 1),
        (f"Start (us),Duration (us),{COLUMNS}", 1e3),
        (f"Start (ms),Duration (ms),{COLUMNS}", 1e6),
        (f"Start (s),Duration (s),{COLUMNS}", 1e9),
        (f'"Start (ns)","Duration (ns)",{COLUMNS}', 1),
    ],
)
@pytest.mark.parametrize("preamble", ["", PREAMBLE, "\ufeff", " ** CUDA GPU Trace (cuda_gpu_trace):\n\n"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_header_gives_the_same_launches(tmp_path: Path, header: str, unit: float, preamble: str, line_end: str) -> None:
    text = f"{preamble}{header}\n{rows(unit)}".replace("\n", line_end)
    assert looks_like(text.encode()[: 1 << 16])
    trace = parse_kernel_trace(write(tmp_path, text))
    assert [(r.name, r.start_ns, r.duration_ns) for r in trace.runs] == [
        (f"{SPARSE}_execute_kernel_trt", 1000, 250),
        (f"{DENSE}_execute_kernel_trt", 3000, 500),
        (TEMPLATE, 5000, 700),
        (f"{SPARSE}_execute_kernel_trt", 6000, 300),
    ]
    assert trace.notes == ()
    lines = text.split("\n")
    assert all(run.line is not None and run.name in lines[run.line - 1] for run in trace.runs)


def test_a_green_context_column_and_any_order_of_columns_are_read_by_name(tmp_path: Path) -> None:
    trace = parse_kernel_trace(write(tmp_path, "Start (ns),Duration (ns),Name,Ctx,GreenCtx,Strm\n10,5,kernel_a,1,,7\n"))
    assert trace.runs == (KernelRun("kernel_a", 10, 5, 2),)


def test_totals_are_one_record_a_kernel_longest_first(tmp_path: Path) -> None:
    trace = parse_kernel_trace(write(tmp_path, f"Start (ns),Duration (ns),{COLUMNS}\n{rows()}"))
    assert [(k.name, k.count, k.total_ns, k.median_ns, k.first.start_ns) for k in trace.kernels] == [
        (TEMPLATE, 1, 700, 700, 5000),
        (f"{SPARSE}_execute_kernel_trt", 2, 550, 275, 1000),
        (f"{DENSE}_execute_kernel_trt", 1, 500, 500, 3000),
    ]


def test_kernels_lead_back_to_their_tactics() -> None:
    assert tactic_name(f"{SPARSE}_execute_kernel_trt") == SPARSE
    assert tactic_name(f"{SPARSE}_execute_segment_k_off_kernel_5x_cusparselt") == SPARSE
    assert tactic_name(SPARSE) == SPARSE
    # A tactic whose name continues is another tactic, not this one with a launcher.
    assert tactic_name(f"{DENSE}_t1r1s1_no_preds_execute_kernel_trt") == f"{DENSE}_t1r1s1_no_preds"
    assert [is_sparse(tactic_name(f"{name}_execute_kernel_trt")) for name in (SPARSE, DENSE)] == [True, False]


def test_a_following_report_is_not_read_as_launches(tmp_path: Path) -> None:
    more = "\n ** CUDA GPU Kernel Summary (cuda_gpu_kern_sum):\n\nTime (%),Total Time (ns),Instances,Avg (ns)\n100.0,5,1,5.0\n"
    trace = parse_kernel_trace(write(tmp_path, f"Start (ns),Duration (ns),Name\n10,5,kernel_a\n{more}"))
    assert len(trace.runs) == 1
    assert trace.notes == ()


def test_damaged_rows_cost_only_themselves_and_leave_notes(tmp_path: Path) -> None:
    text = 'Start (ns),Duration (ns),Name\n10,5,kernel_a\n20,x,b\n30\n40,5,"kernel_c\n-1,5,kernel_d\n50,5,\n60,5,kernel_e\n70,nan,f\n'
    trace = parse_kernel_trace(write(tmp_path, text))
    assert [r.name for r in trace.runs] == ["kernel_a", "kernel_c", "kernel_e"]
    assert [note.where for note in trace.notes] == ["line 3", "line 4", "line 6", "line 7", "line 9"]


def test_many_damaged_rows_are_counted_not_listed(tmp_path: Path) -> None:
    trace = parse_kernel_trace(write(tmp_path, "Start (ns),Duration (ns),Name\n1,1,k\n" + "x\n" * 100))
    assert len(trace.notes) == 21
    assert trace.notes[-1].message == "80 more rows could not be read"


def test_whole_nanoseconds_are_exact_beyond_2_to_53(tmp_path: Path) -> None:
    start = (1 << 60) + 1
    assert parse_kernel_trace(write(tmp_path, f"Start (ns),Duration (ns),Name\n{start},1,k\n")).runs[0].start_ns == start


def test_packed_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"Start (ns),Duration (ns),Name\n10,5,kernel_a\n"))
    assert parse_kernel_trace(str(path)).runs == (KernelRun("kernel_a", 10, 5, 2),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Time (%),Total Time (ns),Instances,Name\n100,5,1,k\n", "no kernel trace"),
        ("name,age\na,1\n", "no kernel trace"),
        ("Start (ns),Duration (ns),CorrId\n1,1,1\n", "no column Name"),
        ("Start (weeks),Duration (ns),Name\n1,1,k\n", "unknown unit of time 'weeks'"),
        ("Start (ns),Duration (ns),Name\n", "no kernel launch"),
        ("Start (ns),Duration (ns),Name\n1,1,[CUDA memset]\n", "no kernel launch"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_kernel_trace(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "trace.csv" in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        parse_kernel_trace(str(tmp_path / "absent.csv"))


def database(folder: Path, *statements: str, name: str = "trace.sqlite") -> str:
    path = folder / name
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return str(path)


STRINGS = "CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL)"
KERNELS = "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, streamId INTEGER, demangledName INTEGER, shortName INTEGER)"


def test_sqlite_export(tmp_path: Path) -> None:
    # GIVEN an export in a folder whose name needs quoting in a URI
    folder = tmp_path / "a ?#%20b"
    folder.mkdir()
    path = database(
        folder, STRINGS, KERNELS,
        f"INSERT INTO StringIds VALUES (1, '{SPARSE}_execute_kernel_trt'), (2, 'short')",
        "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (200, 260, 7, 1, 2), (100, 130, 7, 99, 2), (300, 290, 7, 1, 2), (1, 2, 7, 98, 99)",
    )  # fmt: skip
    before = sorted(p.name for p in folder.iterdir())
    trace = parse_kernel_trace(path)
    # THEN launches stand in order, the short name steps in for a missing one, impossible rows leave notes, and nothing was written
    assert trace.runs == (KernelRun("short", 100, 30), KernelRun(f"{SPARSE}_execute_kernel_trt", 200, 60))
    assert [note.where for note in trace.notes] == ["row 3", "row 4"]
    assert trace.dialect == "sqlite"
    assert sorted(p.name for p in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (("CREATE TABLE t (a)",), "no kernel activity"),
        ((STRINGS, "CREATE VIEW CUPTI_ACTIVITY_KIND_KERNEL AS SELECT 1 AS start, 2 AS end, 1 AS demangledName"), "no kernel activity"),
        ((STRINGS, "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER)"), "lacks start, end or a name"),
        (("CREATE TABLE StringIds (x)", KERNELS), "damaged or of another kind"),
        ((STRINGS, KERNELS), "no kernel launch"),
    ],
)
def test_other_databases_are_refused(tmp_path: Path, statements: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_kernel_trace(database(tmp_path, *statements))


def test_damaged_and_packed_databases_are_refused(tmp_path: Path) -> None:
    whole = Path(database(tmp_path, STRINGS, KERNELS, "INSERT INTO StringIds VALUES (1, 'k')")).read_bytes()
    noise = whole[:100] + b"\xff" * 8000
    for name, data in (("cut.sqlite", whole[:5000]), ("noise.sqlite", noise), ("packed.sqlite.gz", gzip.compress(whole))):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError):
            parse_kernel_trace(str(path))


@given(st.binary(max_size=400))
def test_any_bytes_are_launches_or_an_input_error(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        for content in (data, b"Start (ns),Duration (ns),Name\n1,2,k\n" + data, b"SQLite format 3\x00" + data):
            path.write_bytes(content)
            try:
                trace = parse_kernel_trace(str(path))
            except InputError:
                continue
            assert all(run.name and run.start_ns >= 0 and run.duration_ns >= 0 for run in trace.runs)


def test_a_file_that_breaks_off_within_a_name_does_not_give_the_rest_of_it(tmp_path: Path) -> None:
    trace = parse_kernel_trace(write(tmp_path, f'Start (ns),Duration (ns),Name\n10,5,"{DENSE}"\n20,5,"{SPARSE[:16]}'))
    assert [run.name for run in trace.runs] == [DENSE] and [note.where for note in trace.notes] == ["line 3"]
