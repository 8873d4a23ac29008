"""Cases that fuzzing has found, each as small as it gets."""

import io
import json
import random
import subprocess
import sys
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import state_kit
from assay import State, count_bleu, count_words
from assay.core.errors import DataError, InputError, MergeError, StateFormatError
from assay.core.record import read_journal
from assay.metrics import durations
from assay.readers.arrays import read_vectors
from assay.readers.rankings import read_judgements
from assay.readers.values import labels_of
from assay.readers.vector_files import VectorFiles
from assay.run.cursor import Cursor
from assay.run.frequencies import Frequencies
from run_kit import END, HEAD, metric, points, write_journal

HEADER = b"\x93NUMPY\x01\x00v\x00"


@pytest.mark.parametrize(
    "header",
    [b"{'descr': (", b"{'descr': '<f4', 'shape': (2, 3" + b"(" * 50, b"[" * 110],
    ids=["a bracket", "many brackets", "lists"],
)  # fmt: skip
def test_a_header_of_numpy_that_is_no_python(tmp_path, header):
    path = tmp_path / "a.npy"
    path.write_bytes(HEADER + header.ljust(117) + b"\n" + bytes(24))
    for read in (read_vectors, VectorFiles):
        with pytest.raises(DataError, match=r"a\.npy: the file is cut short or damaged"):
            read(str(path))


def test_an_honest_header_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3, dtype=np.float32))
    assert read_vectors(str(tmp_path / "a.npy")).sum() == 3


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"sent": "x"}', '{"unsent": {}}', '{"sent": null}']
)
def test_a_cursor_that_is_none_begins_anew(tmp_path, text):
    cursor = Cursor.of(str(tmp_path), {"tracker": "x"})
    cursor.sent = 7
    cursor.save()
    assert Cursor.of(str(tmp_path), {"tracker": "x"}, 10).sent == 7
    with open(cursor.path, "w") as file:
        file.write(text)
    assert Cursor.of(str(tmp_path), {"tracker": "x"}, 10).sent == 0


@pytest.mark.parametrize(
    "row", [[1, "a", "b", 2], ["x", "a", "b", -1], ["x", "a", "b", 2**63], ["x", "a", "b", True]]
)
def test_errors_that_are_none(row):
    with pytest.raises(StateFormatError, match=r"^errors hold"):
        Frequencies.from_bytes(zlib.compress(json.dumps(row).encode()))


@pytest.mark.parametrize("number", ["\u20281", "\u0661", "1_0"])
def test_a_number_that_only_python_reads(tmp_path, number):
    path = tmp_path / "a.qrels"
    path.write_text(f"q 0 d {number}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.qrels: line 1: gain is .*, expected a number"):
        list(read_judgements(str(path), "trec"))


@pytest.mark.parametrize("time", [1e18, -1e12, float("nan"), float("inf"), 10**400])
@pytest.mark.parametrize("at", range(3))
def test_a_time_that_no_calendar_has(tmp_path, at, time):
    """A page could not be written of it."""
    lines = [HEAD, points(0, 1.0), END]
    lines[at] = {**lines[at], "time": time}
    run = write_journal(tmp_path / "run", *lines)
    with pytest.raises(DataError, match=r"line [123] is damaged \(.*time"):
        read_journal(str(run))


ABOUT = {"time": 2.0, "step": 4, "name": "w", "tags": {}}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (metric("loss", better=["a", 1]), r"better is \['a', 1\], not"),
        (metric("loss", better="up"), "better is 'up'"),
        (metric("loss", signature=None), "signature is None"),
        ({"kind": "histogram", **ABOUT, "edges": [0, "1"], "counts": [3]}, "edges is"),
        ({"kind": "histogram", **ABOUT, "edges": [0, 1], "counts": [0.5]}, "counts is"),
        ({"kind": "table", **ABOUT, "path": "a", "tags": {"fold": 1}}, "is no text"),
    ],
)
def test_a_line_whose_fields_are_other_things(tmp_path, line, why):
    """A table was made of them, and failed."""
    run = write_journal(tmp_path / "run", HEAD, line)
    with pytest.raises(DataError, match=rf"line 2 is damaged \(TypeError: .*{why}"):
        read_journal(str(run))


# -- arrays ----------------------------------------------------------------------------------------


def npy(shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return HEADER + header.ljust(117) + b"\n" + bytes(24)


@pytest.mark.parametrize("shape", ["(-2, 3)", "(2, -3)", "(True, 3)", f"({2**40}, 3)"])
def test_shapes_of_no_array(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(npy(shape))
    with pytest.raises(DataError, match=r"a\.npy: "):
        read_vectors(str(tmp_path / "a.npy"))
    if shape != "(True, 3)":  # of which Python says that it is (1, 3)
        with pytest.raises(DataError, match=r"a\.npy: "):
            next(VectorFiles(str(tmp_path / "a.npy")).blocks())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (npy(f"({2**44}, 3)"), "tells of more than memory holds"),
        (b"\x93NUMPI" + npy("(2, 3)")[6:], "damaged; .* it again .it does not begin as an array"),
    ],
)
def test_what_is_no_array_in_a_zip(tmp_path, data, why):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr("v.npy", data)
    (tmp_path / "a.npz").write_bytes(sink.getvalue())
    with pytest.raises(DataError, match=rf"a\.npz:v: .*{why}"):
        read_vectors(str(tmp_path / "a.npz"))


def test_labels_of_sixteen_bits():
    names, codes = labels_of(pa.array(np.array([7, 0, 7], np.float16)), "y")
    assert (names, codes.tolist()) == (["7", "0"], [0, 1, 0])
    with pytest.raises(InputError, match=r"y is 0\.5, expected a label"):
        labels_of(pa.array(np.array([7, 0.5], np.float16)), "y")


OFFSETS = [
    [0, 2**30, 2**30 + 1, 3], [100, 101, 102, 103], [0, 3, 1, 3], [-5, 1, 2, 3], [0, 1, 2, 2**28],
]  # fmt: skip
TABLE = {
    "text": pa.array(["a", "b", "c"]),
    "lists": pa.array([["a"], ["b"], ["c"]]),
    "v": pa.array([[1.0], [2.0], [3.0]], pa.list_(pa.float32())),
}
READ = """
import sys
from assay import read
from assay.core.errors import DataError
from assay.readers.arrays import read_vectors
path, column = sys.argv[1:]
try:
    if column == "v":
        read_vectors(path + ":v").sum()
    elif column == "lists":
        [*read(path, (), lists="lists")]
    else:
        [*read(path, "text")]
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize("column", TABLE)
@pytest.mark.parametrize("offsets", OFFSETS)
def test_offsets_that_lead_out_of_an_arrow_file(tmp_path, column, offsets):
    """pyarrow itself looks at none of them, and the process ended."""
    path = tmp_path / "a.arrow"
    with pa.OSFile(str(path), "wb") as file:
        table = pa.table({column: TABLE[column]})
        with pa.ipc.new_file(file, table.schema) as out:
            out.write_table(table)
    data, honest = path.read_bytes(), np.arange(4, dtype="<i4").tobytes()
    assert honest in data
    path.write_bytes(data.replace(honest, np.array(offsets, "<i4").tobytes(), 1))
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), column], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be read; copy or make it again (" in done.stdout


# -- states ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [{5: 2**62}, {5: -1}, {-1: 3}, {2**40: 3}])
@pytest.mark.parametrize("name", ["scope times", "latency"])
def test_histograms_of_no_durations(name, counts):
    state = replace(state_kit.MADE[name](random.Random(1)), counts=counts)
    with pytest.raises(StateFormatError, match="counts of durations are below 0, beyond"):
        State.from_bytes(state.to_bytes())


def test_many_durations_take_no_memory(monkeypatch):
    """An array of half as many numbers was made of them."""
    low, high = durations.median_ranks(10**15)
    assert low + high == 10**15 + 1
    assert durations.achieved_level(10**15) == pytest.approx(0.95, abs=1e-7)
    sizes = [100_001, durations.EXACT]
    exact = [(durations.median_ranks(n), durations.achieved_level(n)) for n in sizes]
    monkeypatch.setattr(durations, "EXACT", 0)
    for n, (ranks, level) in zip(sizes, exact, strict=True):
        assert durations.median_ranks.__wrapped__(n) == ranks
        assert durations.achieved_level.__wrapped__(n) == pytest.approx(level, abs=1e-6)


@pytest.mark.parametrize("names", [("fp32",), ("fp32", "other"), (), None])
def test_a_comparison_without_one_of_its_latencies(names):
    state = replace(state_kit.latency_comparison(random.Random(1)), names=names)
    with pytest.raises(StateFormatError, match="there are latencies of"):
        State.from_bytes(state.to_bytes())


def test_a_footprint_of_other_layers():
    state = replace(state_kit.footprint(random.Random(1)), layer_names=("a",))
    with pytest.raises(StateFormatError, match=r"counts have shape \(3, 16\), for 1 layers"):
        State.from_bytes(state.to_bytes())


def test_scopes_of_two_names():
    state = state_kit.timings(random.Random(1))
    state = replace(state, scopes={("a", "b"): state_kit.scope_times(random.Random(1))})
    with pytest.raises(StateFormatError, match="not of 1 columns"):
        State.from_bytes(state.to_bytes())


def test_layers_are_told_whatever_digits_are_in_their_names():
    found = replace(
        state_kit.flops(random.Random(1)),
        counted={(name, "forward", "mm"): 1 for name in ("l.10", "l.9", "l.²", "9" * 5000)},
    )
    assert [own.module for own in found.layers][1:] == ["9" * 5000, "l", "l.9", "l.10", "l.²"]


def test_a_table_of_what_utf8_cannot_hold():
    state = count_words(["a"], ["a"], by={"\ud800": ["\ud801"]})
    assert state.to_pandas()["\\ud800"].tolist()[-1] == "\\ud801"


def test_groups_of_two_kinds_do_not_add():
    own = count_bleu([["a b"]], ["a c"], by={"who": ["x"]})
    other = replace(own, groups={("x",): count_words(["a"], ["a"])})
    with pytest.raises(MergeError, match=r"^BleuCounts: groups of .* BleuCounts and EditCounts"):
        own + other
