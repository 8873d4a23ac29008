"""Every reader, and files for it: each format of FORMATS under its own name, then compressed ones,
columns of lists, labels and numbers, ids, and vectors."""

import bz2
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.core.errors import AssayError
from assay.readers import read
from assay.readers.arrays import read_vectors
from assay.readers.rankings import read_ids, read_judgements, read_run
from assay.readers.values import labels_of, named, numbers_of
from assay.readers.vector_files import VectorFiles
from fuzz_damage import Target, damaged, pages, reader

PAIR = ("reference", "hypothesis")


def _all(source: Iterable[Any]) -> list[Any]:
    return [batch.to_pydict() for batch in source]


def _pairs(*paths: str, **options: Any) -> list[Any]:
    return _all(read(paths[0] if len(paths) == 1 else paths, PAIR, **options))


def _python(data: bytes) -> list[tuple[str, str]] | None:
    """The texts of JSONL as Python reads it, or None where it does not."""
    try:
        lines = [line for line in data.decode().split("\n") if line.strip()]
        rows = [json.loads(line) for line in lines]
        pairs = [(row["reference"], row["hypothesis"]) for row in rows]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return pairs if all(isinstance(text, str) for pair in pairs for text in pair) else None


def _jsonl(path: str) -> None:
    found = _pairs(path)
    told = _python(Path(path).read_bytes())
    if told is not None:
        both = zip(*([t for b in found for t in b[k]] for k in PAIR), strict=True)
        assert [*both] == told, path


def _lines(*paths: str) -> None:
    found = _all(read(paths, ("a", "b"), format="lines"))
    for path, name in zip(paths, ("a", "b"), strict=True):
        text = Path(path).read_bytes().decode().removeprefix("\ufeff").replace("\r\n", "\n")
        lines = text.removesuffix("\n").split("\n")
        texts = [own for batch in found for own in batch[name]]
        assert texts == lines, (texts, lines)


def _lists(path: str) -> None:
    _all(read(path, "hypothesis", "id", lists="references"))


def _labels(path: str) -> None:
    """Columns as labels and as numbers, as `assay score labels` takes them."""
    texts: list[str] = []
    for batch in read(path, (), ("target", "score")):
        texts += labels_of(batch.column(0), "target")[0]
        assert np.isfinite(numbers_of(batch.column(1), "score")).all()
    named(texts)


def _vectors(path: str) -> None:
    """Mapped or loaded, and block by block: the same where both can be read."""
    found = []
    for open_them in (read_vectors, _blocks):
        with suppress(AssayError):
            found.append(np.ascontiguousarray(open_them(path)).tobytes())
    assert len({*found}) < 2, path


def _blocks(path: str) -> Any:
    files = VectorFiles(path)
    rows = np.arange(0, len(files), 2)
    for _ in files.take(rows):
        pass
    return np.concatenate([block for _, block in files.blocks(size=64)])


def _bytes_of(write: Callable[[Any], Any]) -> bytes:
    sink = pa.BufferOutputStream()
    write(sink)
    return bytes(sink.getvalue().to_pybytes())


def _ipc(table: pa.Table, new: Any = pa.ipc.new_file, **options: Any) -> bytes:
    def write(sink: Any) -> None:
        with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
            out.write_table(table, max_chunksize=3)

    return _bytes_of(write)


def _parquet(table: pa.Table) -> bytes:
    return _bytes_of(lambda sink: pq.write_table(table, sink, compression="zstd"))


def _npy(array: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def _npz(inside: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("v.npy", inside)
    return sink.getvalue()


def _inside_npz(rng: random.Random, data: bytes) -> bytes:
    """The checksum of a member hides nearly all damage to the whole."""
    return damaged(rng, data) if rng.random() < 0.3 else _npz(damaged(rng, NPY))


TEXT = b'{"reference": "a b\\u00e9", "hypothesis": "a \\ud83d\\ude00 c", "id": 1}\n' * 3
CSV = b'reference,hypothesis\n"a ""b""",c\nd,"e\nf"\n'
TABLE = pa.table({"reference": ["a b", "é"] * 4, "hypothesis": ["a", "c"] * 4, "id": [*range(8)]})
VIEWS = TABLE.set_column(0, "reference", TABLE.column(0).dictionary_encode())
LISTS = pa.table(
    {"references": [["a", "b é"], ["c"]] * 3, "hypothesis": ["a", "c"] * 3, "id": [*"uvwxyz"]}
)
VECTORS = np.arange(24, dtype="<f4").reshape(8, 3) - 5
COLUMN = pa.table({"v": pa.array([*VECTORS], pa.list_(pa.float32()))})
FIXED = pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), 3)})
NPY = _npy(VECTORS)
LABELS = pa.table({"target": pa.array([1.0, 0.0, 7.0]), "score": [0.5, 1e-3, 0.25]})
COCO = {"images": [{"id": 9}], "annotations": [{"image_id": 9, "id": 1, "caption": "A dog."}]}
GUESSES = b'[{"image_id": 9, "caption": "a"}]'
STM = b"f 1 s 0.0 2.0 <o> a b c\nf 1 t 2.0 3.5 d { (e) / x }\n"
CTM = b"f 1 0.1 0.2 a\nf 1 0.4 0.2 b\nf 1 2.1 0.3 d 0.9\n"
TRN = "a b { c / d e } (s-1)\né x (s-2)\n".encode()
PLAIN_TRN = "é x (s-2)\na b c (s-1)\n".encode()
RUN = b"q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 1.5 x\nq2 Q0 d1 1 1 x\n"
QRELS = b"q1 0 d1 1\nq1 0 d2 0\nq2 0 d3 2\n"
RUN_CSV = b"query_id,doc_id,score\nq1,7,2.5\nq1,9,1e-3\n"

READERS: dict[str, Target] = {
    "jsonl": reader({"a.jsonl": TEXT}, _jsonl),
    "csv": reader({"a.csv": CSV}, _pairs),
    "tsv": reader({"a.tsv": b"reference\thypothesis\na b\tc\nd\te\n"}, _pairs),
    "tsv-raw": reader({"a.txt": b'reference\thypothesis\na "b\tc\nd\te\n'},
                      partial(_pairs, format="tsv-raw")),
    "parquet": reader({"a.parquet": _parquet(TABLE)}, lambda p: _all(read(p, PAIR, "id")), pages),
    "arrow": reader({"a.arrow": _ipc(VIEWS)}, lambda p: _all(read(p, PAIR, "id"))),
    "lines": reader({"a.txt": b"a b\n\xc3\xa9\n\n", "b.txt": b"a\nb\nc\n"}, _lines),
    "kaldi": reader({"a": b"u1 a b\nu2 c\n", "b": b"u2 c\nu1 a\n"},
                    partial(_pairs, format="kaldi")),
    "trec-run": reader({"a.run": RUN}, read_run),
    "qrels": reader({"a.qrels": QRELS}, read_judgements),
    "trn": reader({"a.trn": TRN, "b.trn": PLAIN_TRN}, _pairs),
    "stm": reader({"a.stm": STM.replace(b"{ (e) / x }", b"")},
                  lambda p: _all(read(p, "text", ("speaker", "begin", "label")))),
    "ctm": reader({"a.stm": STM, "b.ctm": CTM}, _pairs),
    "coco": reader(
        {"a.json": json.dumps(COCO).encode(), "b.json": GUESSES},
        lambda a, b: _all(read([a, b], "hypothesis", lists="references", format="coco")),
    ),
    "jsonl.gz": reader({"a.jsonl.gz": gzip.compress(TEXT)}, _pairs),
    "csv.bz2": reader({"a.csv.bz2": bz2.compress(CSV)}, _pairs),
    "tsv.zst": reader(
        {"a.tsv.zst": pa.compress(b"reference\thypothesis\na\tb\n", "zstd", asbytes=True)}, _pairs
    ),
    "lists of jsonl": reader(
        {"a.jsonl": b'{"references": ["a", "b"], "hypothesis": "c", "id": "x"}\n' * 2}, _lists
    ),
    "lists of csv": reader({"a.csv": b"ref_1,ref_2,hypothesis,id\na,b,c,1\nd,,e,2\n"}, _lists),
    "lists of arrow": reader({"a.arrow": _ipc(LISTS, compression="lz4")}, _lists),
    "lists of arrow, plain": reader({"a.arrow": _ipc(LISTS)}, _lists),
    "lists of parquet": reader({"a.parquet": _parquet(LISTS)}, _lists, pages),
    "labels of csv": reader({"a.csv": b"target,score\n1,0.5\n0.0,1e-3\n7,0.25\n"}, _labels),
    "labels of arrow": reader({"a.arrow": _ipc(LABELS)}, _labels),
    "ids": reader({"a.jsonl": b'{"id": "a", "text": "x"}\n{"id": "b", "text": "y"}\n'}, read_ids),
    "lines of ids": reader({"a.txt": b"a\nb\nc\n"}, read_ids),
    "run of csv": reader({"a.csv": RUN_CSV}, read_run),
    "npy": reader({"a.npy": NPY}, _vectors),
    "npy by column": reader({"a.npy": _npy(np.asfortranarray(VECTORS))}, _vectors),
    "npz": reader({"a.npz": _npz(NPY)}, _vectors, _inside_npz),
    "vectors of parquet": reader({"a.parquet": _parquet(COLUMN)}, _vectors, pages),
    "vectors of arrow": reader({"a.arrow": _ipc(COLUMN)}, _vectors),
    "vectors of fixed size": reader({"a.arrow": _ipc(FIXED)}, _vectors),
    "vectors of a stream": reader({"a.arrows": _ipc(COLUMN, pa.ipc.new_stream)}, _vectors),
}  # fmt: skip
