"""What is fuzzed: valid files, damaged in all ways, and texts of all kinds.

A target is a function of a folder that gives a function of a random number generator: one case.
A case may end with an error of assay, and with nothing else.
"""

import gzip
import json
import random
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rapidfuzz.distance import Levenshtein

import assay
import forged_kit
import oracle
from assay.core.errors import AssayError
from assay.core.record import read_journal
from assay.ops.normalise import NAMED
from assay.readers import read
from assay.readers.arrays import read_vectors
from assay.readers.rankings import read_ids, read_judgements, read_run
from assay.run.cursor import Cursor
from assay.run.frequencies import Frequencies
from assay.run.jobs import Done, LeftOut, Shard
from assay.run.state_file import Origin, pack, parse
from assay.run.totals import Total
from run_kit import END, HEAD, metric, points, write_journal

PAIR = ("reference", "hypothesis")

Case = Callable[[random.Random], None]

TEXT = '{"reference": "a b\\u00e9", "hypothesis": "a \\ud83d\\ude00 c", "id": 1}\n'
BITS = [
    b"\0", b"\xff", b"\r", b"\r\n", b"\n", b'"',
    b",", b"\t", b"{", b"[" * 4000, b"]", b"\\ud800",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"9" * 400, b"-", b"1e999", b"NaN", b"null",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8", b"\x1f\x8b", b"(", b")", b"/", b"<time", b"\x7f\xff\xff\xff\xff\xff\xff\xff",
]  # fmt: skip


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bits turned, bytes lost, put in or said twice; cut short; lengths made huge."""
    own = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, other = (rng.randrange(len(own) + 1) for _ in range(2))
        how = rng.randrange(8)
        if how == 0 and at < len(own):
            own[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            del own[at:]
        elif how == 2:
            del own[at : at + rng.randrange(9)]
        elif how == 3:
            own[at:at] = rng.choice(BITS)
        elif how == 4:
            own[at:at] = own[other : other + rng.randrange(40)]
        elif how == 5:
            own[at : at + 4] = struct.pack("<i", rng.choice([-1, 0, 2**31 - 1, 1 << 20]))
        elif how == 6:
            own[at : at + 8] = struct.pack("<q", rng.choice([-1, 2**63 - 1, 1 << 40]))
        else:
            own[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(own)


def _all(source: Iterable[Any]) -> list[Any]:
    return [batch.to_pydict() for batch in source]


def _python(data: bytes) -> list[tuple[str, str]] | None:
    """The texts of JSONL as Python reads it, or None where it does not."""
    try:
        lines = [line for line in data.decode().split("\n") if line.strip()]
        rows = [json.loads(line) for line in lines]
        pairs = [(row["reference"], row["hypothesis"]) for row in rows]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return pairs if all(isinstance(text, str) for pair in pairs for text in pair) else None


def _pages(rng: random.Random, data: bytes) -> bytes:
    """A Parquet file damaged before its footer, or cut short. Of some footers pyarrow's C++ ends
    the process, at which nobody can do anything here."""
    end = len(data) - 8 - struct.unpack("<i", data[-8:-4])[0]
    body = bytearray(data[:end])
    for _ in range(rng.choice([1, 2, 5])):
        body[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(body) + data[end:] if rng.random() < 0.9 else data[: rng.randrange(len(data))]


def _reader(
    valid: dict[str, bytes],
    use: Callable[..., Any],
    damage: Callable[[random.Random, bytes], bytes] = damaged,
) -> Callable[[Path], Case]:
    """Files of which one is damaged; `use` reads them."""

    def target(folder: Path) -> Case:
        for name, data in valid.items():
            (folder / name).write_bytes(data)
        use(*(str(folder / name) for name in valid))  # which are read as they are

        def case(rng: random.Random) -> None:
            worse = rng.choice([*valid])
            paths = []
            for name, data in valid.items():
                path = folder / name
                path.write_bytes(damage(rng, data) if name == worse else data)
                paths.append(str(path))
            use(*paths)

        return case

    return target


def _pairs(*paths: str) -> list[Any]:
    return _all(read(paths[0] if len(paths) == 1 else paths, PAIR))


def _kaldi(*paths: str) -> list[Any]:
    return _all(read(paths, PAIR, format="kaldi"))


def _jsonl(path: str) -> None:
    found = _all(read(path, ("reference", "hypothesis")))
    told = _python(Path(path).read_bytes())
    if told is not None:
        both = zip(
            *([t for b in found for t in b[k]] for k in ("reference", "hypothesis")), strict=True
        )
        assert [*both] == told, path


def _lines(*paths: str) -> None:
    found = _all(read(paths, ("a", "b"), format="lines"))
    for path, name in zip(paths, ("a", "b"), strict=True):
        lines = (
            Path(path).read_bytes().decode().removeprefix("\ufeff").removesuffix("\n").split("\n")
        )
        texts = [text for batch in found for text in batch[name]]
        assert texts == [line.removesuffix("\r") for line in lines], (texts, lines)


def _bytes_of(write: Callable[[Any], Any]) -> bytes:
    sink = pa.BufferOutputStream()
    write(sink)
    return bytes(sink.getvalue().to_pybytes())


TABLE = pa.table({"reference": ["a b", "é"] * 4, "hypothesis": ["a", "c"] * 4, "id": [*range(8)]})
PARQUET = _bytes_of(lambda sink: pq.write_table(TABLE, sink, compression="zstd"))
NPY = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }" + (
    b" " * 59 + b"\n" + np.arange(6, dtype="<f4").tobytes()
)
COCO = {"images": [{"id": 9}], "annotations": [{"image_id": 9, "id": 1, "caption": "A dog."}]}
STM = b"f 1 s 0.0 2.0 <o> a b c\nf 1 t 2.0 3.5 d { (e) / x }\n"
CTM = b"f 1 0.1 0.2 a\nf 1 0.4 0.2 b\nf 1 2.1 0.3 d 0.9\n"
TRN = "a b { c / d e } (s-1)\né x (s-2)\n".encode()
PLAIN_TRN = "é x (s-2)\na b c (s-1)\n".encode()
READERS: dict[str, Callable[[Path], Case]] = {
    "jsonl": _reader({"a.jsonl": TEXT.encode() * 3}, _jsonl),
    "jsonl.gz": _reader({"a.jsonl.gz": gzip.compress(TEXT.encode() * 3)}, _pairs),
    "csv": _reader({"a.csv": b'reference,hypothesis\n"a ""b""",c\nd,"e\nf"\n'}, _pairs),
    "tsv": _reader({"a.tsv": b"reference\thypothesis\na b\tc\nd\te\n"}, _pairs),
    "parquet": _reader({"a.parquet": PARQUET}, lambda p: _all(read(p, PAIR, "id")), _pages),
    "lines": _reader({"a.txt": b"a b\n\xc3\xa9\n\n", "b.txt": b"a\nb\nc\n"}, _lines),
    "kaldi": _reader({"a": b"u1 a b\nu2 c\n", "b": b"u2 c\nu1 a\n"}, _kaldi),
    "coco": _reader(
        {"a.json": json.dumps(COCO).encode(), "b.json": b'[{"image_id": 9, "caption": "a"}]'},
        lambda a, b: _all(read([a, b], "hypothesis", lists="references", format="coco")),
    ),
    "trn": _reader({"a.trn": TRN, "b.trn": PLAIN_TRN}, _pairs),
    "stm": _reader({"a.stm": STM, "b.ctm": CTM}, _pairs),
    "npy": _reader({"a.npy": NPY}, lambda p: np.asarray(read_vectors(p)).sum()),
    "run": _reader({"a.run": b"q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 1.5 x\nq2 Q0 d1 1 1 x\n"}, read_run),
    "qrels": _reader({"a.qrels": b"q1 0 d1 1\nq1 0 d2 0\nq2 0 d3 2\n"}, read_judgements),
    "ids": _reader({"a.jsonl": b'{"id": "a", "text": "x"}\n{"id": "b", "text": "y"}\n'}, read_ids),
}  # fmt: skip


# -- what runs and shards write --------------------------------------------------------------------


def journal(folder: Path) -> Case:
    """A journal, and how far a tracker is with it."""
    about = {"time": 2.0, "step": 4, "name": "w", "tags": {"fold": "1"}}
    lines = [
        HEAD,
        metric("loss"),
        points(0, 1.0, loss=0.5),
        {"kind": "table", **about, "path": "t"},
    ]
    histogram = {"kind": "histogram", **about, "edges": [0, 1], "counts": [3]}
    run = write_journal(folder / "run", *lines, histogram, END)
    path = run / "journal.jsonl"
    valid = path.read_bytes()
    cursor = Cursor.of(str(run), {"tracker": "x"})
    cursor.save()
    own = Path(str(cursor.path))
    valid_cursor = own.read_bytes()

    def case(rng: random.Random) -> None:
        own.write_bytes(damaged(rng, valid_cursor))
        assert isinstance(Cursor.of(str(run), {"tracker": "x"}, 10).sent, int)
        path.write_bytes(damaged(rng, valid))
        record = read_journal(str(run))
        for key in record.metrics:
            record.points(key), record.best(key)

    return case


def state_file(folder: Path) -> Case:
    """A state file: damaged, and damaged with a right checksum, in its header and in its states."""
    errors = Frequencies()
    errors.add({("word", "a", "b"): 3})
    words = assay.count_words(["a b"], ["a c"], items=True)
    left = (LeftOut("part", "why", 3, None),)
    valid = pack(
        Done(Shard(1, 2, 0, 1), Total(1, {"words": words}), errors, left),
        Origin("score transcripts", {"unit": "word"}, {"errors": 3}, [{"name": "x"}]),
    )

    def case(rng: random.Random) -> None:
        data = damaged(rng, valid[:-16])
        done, _ = parse(data + blake2b(data, digest_size=16).digest())
        done.total.states["words"].scores() if "words" in done.total.states else None
        [*done.errors.rows()]

    return case


def states(folder: Path) -> Case:
    """States forged of one of each kind."""
    honest = forged_kit.samples()
    data = {name: state.to_bytes() for name, state in honest.items()}

    def case(rng: random.Random) -> None:
        name = rng.choice([*honest])
        if rng.random() < 0.2:
            body = damaged(rng, data[name][:-16])
            found = forged_kit.load(body + blake2b(body, digest_size=16).digest())
        else:
            found = forged_kit.load(forged_kit.forged(rng, data[name]))
        if type(found) is type(honest[name]):
            forged_kit.use(found, honest[name])

    return case


# -- text ------------------------------------------------------------------------------------------

ALPHABET = [
    "a", "b", "é", "e\u0301", " ", "  ", "\t", "\n", "\0", "\u00a0", "\u200b", "\u202e", "\u2066",
    "\ud800", "\udfff", "\U0001f600", "\U0001f468\u200d\U0001f469", "\u0130", "ß", "İ", "ﬁ", "日",
    "\ufeff", "\u0300" * 40, "\U0010ffff", "\x85", "\u2028", "'", "-",
    ".", "$1,000.50", "٣", "x" * 70,
    "1st",
]  # fmt: skip


def _text(rng: random.Random) -> str:
    size = rng.choice([0, 1, 3, 12, 80, 300])
    some = rng.sample(ALPHABET, rng.randrange(1, 8))
    return "".join(rng.choice(some) for _ in range(rng.randrange(size + 1)))


def text(folder: Path) -> Case:
    """Tokeniser and edit kernels, held to jiwer's words and to rapidfuzz; normalisers; captions."""

    def case(rng: random.Random) -> None:
        refs, hyps = ([_text(rng) for _ in range(rng.randrange(1, 5))] for _ in range(2))
        hyps = (hyps + refs)[: len(refs)]
        words, chars = assay.count_words(refs, hyps), assay.count_chars(refs, hyps)
        split = [*zip(oracle.words(refs), oracle.words(hyps), strict=True)]
        assert words.errors == sum(Levenshtein.distance(r, h) for r, h in split), (refs, hyps)
        assert words.reference_units == sum(len(r) for r, _ in split), refs
        both = [*zip(oracle.characters(refs), oracle.characters(hyps), strict=True)]
        assert chars.errors == sum(Levenshtein.distance(r, h) for r, h in both), (refs, hyps)
        assert chars.reference_units == sum(len(r) for r, _ in both), refs
        assay.align(refs, hyps).text()
        for call in (
            lambda: assay.count_words(refs, hyps, normalise=rng.choice([*NAMED])),
            lambda: assay.count_bleu(
                refs, hyps, tokenizer=rng.choice(["13a", "intl", "char", "none"])
            ),
            lambda: assay.count_chrf(refs, hyps),
            lambda: assay.count_ter(refs, hyps),
            lambda: assay.count_rouge_l(refs, hyps),
        ):
            with suppress(AssayError):
                call().scores()

    return case


TARGETS: dict[str, Callable[[Path], Case]] = {
    **READERS, "journal": journal, "state file": state_file, "states": states, "text": text,
}  # fmt: skip
