"""States that nobody has counted, with a right checksum: refused, whatever they say."""

import json
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import forged_kit
from assay import State, count_document_frequency, count_words
from assay.core import state_bytes
from assay.core.errors import DataError, MergeError, StateFormatError
from assay.run.frequencies import Frequencies
from assay.run.jobs import Done, Shard
from assay.run.state_file import Origin, pack, parse, read_state_file
from assay.run.totals import Total

SAMPLES = forged_kit.samples()


def told(value: Any) -> Any:
    """JSON as a field of a state holds it."""
    return np.frombuffer(json.dumps(value, ensure_ascii=False).encode(), np.uint8)


def changed(name: str, **arrays: Any) -> bytes:
    kind, schema, own = forged_kit.parts(SAMPLES[name])
    for field, array in arrays.items():
        key = field.replace("__", ".")
        assert key in own, [*own]
        own[key] = array
    return state_bytes.pack(kind, schema, own)


KEYS = forged_kit.parts(SAMPLES["frequencies"])[2]["table.keys1"]
PAIRS = forged_kit.parts(SAMPLES["rankings"])[2]["pairs"]


def with_value(array: Any, place: Any, value: int) -> Any:
    own = np.array(array)
    own[place] = value
    return own


@pytest.mark.parametrize(
    ("name", "arrays", "why"),
    [
        ("frequencies", {"table__keys1": with_value(KEYS, -1, 2**62)}, "begin as none does"),
        ("frequencies", {"table__keys1": with_value(KEYS, -1, KEYS[-1] + 999)}, "not there"),
        ("frequencies", {"table__keys1": KEYS[::-1]}, "not in order"),
        ("frequencies", {"table__counts1": KEYS[:-1]}, "without a count"),
        ("frequencies", {"table__lengths": np.array([-1, 2**40])}, "lengths of words"),
        ("frequencies", {"documents": np.array(0)}, "an n-gram is in"),
        ("rankings", {"pairs": with_value(PAIRS, (0, 0), 77)}, "queries that are not there"),
        ("rankings", {"pairs": with_value(PAIRS, (0, 1), 2**40)}, "beyond any ranking"),
        ("rankings", {"pairs": PAIRS[:, :5]}, "not int64"),
        ("rankings", {"convention": told("none")}, "convention must be one of"),
        ("rankings", {"k": told([10**30])}, "k must be whole numbers"),
        ("bleu nltk", {"smoothing": told("x")}, "KeyError"),
        ("bleu 5", {"max_order": told(10**9)}, "not its arrays"),
        ("bleu nmt", {"sums": np.zeros(3, np.int64)}, "sums have shape"),
        ("scores", {"width": np.array(2)}, "width must be 16, 32 or 64"),
        ("scores", {"pools__0": np.array([np.nan])}, "one is NaN"),
        ("scores", {"mode": told("other")}, "mode must be one of"),
        ("half", {"histogram": np.zeros((2, 9), np.int64)}, "not int64"),
        ("mean", {"limbs": np.zeros((2, 9), np.int64)}, "not int64"),
        ("words", {"hits": np.array(0.5)}, "float64"),
        ("words", {"unit": told(["word"])}, "unit is"),
        ("words", {"by": told(["a", "b"])}, "keys of groups are not of 2 columns"),
        ("characters", {"confusions__keys": told([["a"]]), "confusions__counts": np.ones(1, int)},
         "confusions is"),
        ("bags", {"starts": told([])}, "are of columns"),
        ("labels", {"rows": np.array([[0, 5, 5]])}, "labels that no cell has"),
        ("labels", {"weighted": told(True)}, "4 rows have 0 weights"),
        ("multilabel", {"items": np.ones((4, 4), np.int64)}, "4 rows are no items of 3 labels"),
        ("multilabel", {"items": np.full((3, 4), 2)}, "of 3 labels, 0 or 1"),
        ("multilabel", {"labels": told([])}, "rows are no items of 0 labels"),
    ],
)  # fmt: skip
def test_what_no_count_gives_is_refused(name, arrays, why):
    with pytest.raises(StateFormatError, match=why):
        State.from_bytes(changed(name, **arrays))


def test_no_forged_table_ends_the_process():
    """Kernels add tables without looking at bounds."""
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import test_security_states as own
from assay import State
from assay.core.errors import StateFormatError
for value in (2**62, -1, 1 << 40, 0xFFFFFFFF):
    for at in (0, -1):
        data = own.changed("frequencies", table__keys1=own.with_value(own.KEYS, at, value))
        try:
            state = State.from_bytes(data)
        except StateFormatError:
            continue
        (state + state).scores()
"""
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, here], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_honest_state_is_read(name):
    state = SAMPLES[name]
    again = State.from_bytes(state.to_bytes())
    assert again.to_bytes() == state.to_bytes()
    assert type(state).from_bytes(type(state)().to_bytes()).to_bytes() == type(state)().to_bytes()


def test_counts_beyond_int64_are_an_error():
    state = replace(count_words(["a"], ["a"]), hits=2**63 - 1)
    with pytest.raises(MergeError, match=r"^EditCounts: hits is beyond int64$"):
        (state + state).to_bytes()


def test_weights_of_frequent_n_grams_are_those_of_others(monkeypatch):
    table = count_document_frequency(forged_kit.LISTS)
    found = np.array([0, 1, 2, 1])
    wanted = table.weigh(found)
    monkeypatch.setattr("assay.metrics.cider.DENSE", 1)
    fresh = State.from_bytes(table.to_bytes())
    assert fresh.weigh(found).tolist() == wanted.tolist()


# -- headers and packing ---------------------------------------------------------------------------


def sealed(body: bytes) -> bytes:
    return body + state_bytes.checksum(body)


def with_header(header: bytes) -> bytes:
    head = state_bytes.HEAD.pack(1, len(header))
    return sealed(b"".join([state_bytes._MAGIC, head, header]))


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b'{"kind": ' * 20_000,
        b'{"kind": "EditCounts", "schema": [], "arrays": [["a", "<i8", [-1]]]}',
        b'{"kind": "EditCounts", "schema": [], "arrays": [["a", "<i8", [0]], ["a", "<i8", [0]]]}',
        b'{"kind": "EditCounts", "schema": [], "arrays": [["a", "<i8", [4611686018427387904, 4]]]}',
        b'{"kind": "EditCounts", "schema": [], "arrays": [["a", "<i8", ["9"]]]}',
        b"1" * 5000,
    ],
)
def test_headers_that_are_none(header):
    with pytest.raises(StateFormatError, match=r"^state header cannot be read: "):
        State.from_bytes(with_header(header))


def test_fields_within_a_state_may_not_be_deep():
    deep = np.frombuffer(b"[" * 100_000, np.uint8)
    with pytest.raises(StateFormatError, match="RecursionError"):
        State.from_bytes(changed("words", unit=deep))


def test_groups_within_groups_end():
    state = count_words(["a"], ["a"])
    for _ in range(12):
        state = replace(state, groups={("x",): state}, by=("g",))
    with pytest.raises(StateFormatError, match="groups within groups"):
        State.from_bytes(state.to_bytes())


def done() -> tuple[Done, Origin]:
    total = Total(1, {"words": count_words(["a b"], ["a c"])})
    return Done(Shard(1, 1, 0, 1), total, Frequencies()), Origin("score", {}, {}, [])


def test_what_unpacks_to_far_more_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(state_bytes, "UNPACKED", 1 << 20)
    bomb = zlib.compress(bytes(80 << 20), 9)
    assert len(bomb) < 100_000
    with pytest.raises(StateFormatError, match=r"bytes unpack to more than [\d,]+$"):
        state_bytes.inflated(bomb)
    assert state_bytes.inflated(zlib.compress(b"ab" * 9)) == b"ab" * 9
    for data in (b"", zlib.compress(b"abc")[:-1], zlib.compress(b"abc") + b"more", b"no zlib"):
        with pytest.raises(StateFormatError, match=r"cut short|cannot be unpacked"):
            state_bytes.inflated(data)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"sizes": [-1, 5]}, "size must be a whole number"),
        ({"sizes": [1, 2]}, "bytes, and tells of"),
        ({"shard": ["a", 1, 0, 1, 0]}, "number is 'a', not int"),
        ({"items": "x"}, "items is 'x', not int"),
        ({"command": 3}, "command is 3, not str"),
        ({"inputs": [3]}, "inputs is"),
        ({"left_out": [["a", "b", "c", "d"]]}, "left_out|items is 'c'"),
        ({"shown": None}, "shown is None"),
    ],
)
def test_a_header_of_a_state_file_that_is_none(facts, why, tmp_path):
    data = pack(*done())
    assert parse(data)[0].total.items == 1
    start = len(b"assay.shard\x00")
    length = int.from_bytes(data[start + 2 : start + 6], "little")
    header = json.loads(data[start + 6 : start + 6 + length]) | facts
    text = json.dumps(header).encode()
    body = data[: start + 2] + len(text).to_bytes(4, "little") + text
    path = tmp_path / "a.state"
    path.write_bytes(sealed(body + data[start + 6 + length : -16]))
    with pytest.raises(DataError, match=f"^{path}: .*({why})"):
        read_state_file(str(path))
