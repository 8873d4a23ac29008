"""What is fuzzed beside the readers: what runs, shards and the command line write and read again,
states, texts. FEW: targets of which a case takes long -> how many there are by default."""

import json
import random
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rapidfuzz.distance import Levenshtein

import assay
import forged_kit
import oracle
from assay.core.errors import AssayError
from assay.core.record import read_journal
from assay.core.state_bytes import checksum
from assay.ops.normalise import NAMED
from assay.run.cursor import Cursor
from assay.run.frequencies import Frequencies
from assay.run.jobs import Done, LeftOut, Shard
from assay.run.state_file import Origin, pack, parse
from assay.run.totals import Total
from cli_kit import assay as command
from fuzz_damage import Case, Target, damaged
from fuzz_readers import READERS
from run_kit import END, HEAD, metric, points, write_journal
from state_kit import MADE

FEW = {"merge": 40, "items": 40, "work dir": 20, "report": 12}


def sealed(body: bytes) -> bytes:
    """With a right checksum."""
    return body + checksum(body)


def ended(*arguments: Any) -> None:
    """A command that did its work, or said why not."""
    done = command(*arguments)
    assert done.code in (0, 2), done.err
    assert done.code == 0 or done.err.startswith("error: "), done.err


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
        done, _ = parse(sealed(damaged(rng, valid[:-16])))
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
            found = forged_kit.load(sealed(damaged(rng, data[name][:-16])))
        else:
            found = forged_kit.load(forged_kit.forged(rng, data[name]))
        if type(found) is type(honest[name]):
            forged_kit.use(found, honest[name])

    return case


def made(folder: Path) -> Case:
    """Valid states of each kind: the same when read again, and added to nothing."""

    def case(rng: random.Random) -> None:
        state = rng.choice([*MADE.values()])(rng)
        again = assay.State.from_bytes(state.to_bytes())
        nothing = type(state)()
        for other in (again, again + nothing, nothing + again):
            assert other.to_bytes() == state.to_bytes()
            assert repr(other.scores()) == repr(state.scores())

    return case


# -- the command line ------------------------------------------------------------------------------


def _state_files(folder: Path) -> list[bytes]:
    """One or two shards of each command that writes some."""
    rows = [{"reference": "a b", "hypothesis": "a c", "who": w, "t": t, "p": t, "s": 0.1 + t / 2}
            for w, t in (("x", 1), ("y", 0), ("x", 0))]  # fmt: skip
    data = folder / "d.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "a.run").write_text("q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 1.5 x\n")
    (folder / "a.qrels").write_text("q1 0 d1 1\n")
    (folder / "b").write_text("b\n")
    labels = ["labels", data, "--target", "t", "--by", "who"]
    given = [
        ["transcripts", data, "--by", "who", "--errors", 3, "--keywords", folder / "b"],
        ["captions", data, "--references", "reference", "--metrics", "bleu,rouge_l"],
        [*labels, "--prediction", "p", "--score", "s", "--threshold-grid", "0.2:0.6:0.2"],
        ["rankings", "--run", folder / "a.run", "--qrels", folder / "a.qrels"],
    ]
    found = []
    for number, arguments in enumerate(given):
        path = folder / f"{number}.state"
        done = command("score", *arguments, "--shard", "1/1", "--state-out", path)
        assert done.code == 0, done.err
        found.append(path.read_bytes())
    return found


def _forged_file(rng: random.Random, data: bytes) -> bytes:
    """A state file with something in its header changed, the checksum right."""
    start = len(b"assay.shard\0") + 6
    end = start + struct.unpack("<I", data[start - 4 : start])[0]
    facts = json.loads(data[start:end])
    name = rng.choice(["shown", "shown", "definition", "inputs", "states", "items", "command"])
    facts[name] = forged_kit.changed(rng, facts[name])
    if rng.random() < 0.2:
        facts["command"] = rng.choice(["transcripts", "captions", "labels", "rankings"])
    header = json.dumps(facts).encode()
    return sealed(data[: start - 4] + struct.pack("<I", len(header)) + header + data[end:-16])


def merged(folder: Path) -> Case:
    """State files that say other things than a count would."""
    valid = _state_files(folder)
    path = folder / "a.state"

    def case(rng: random.Random) -> None:
        path.write_bytes(_forged_file(rng, rng.choice(valid)))
        ended("merge", path, *rng.choice([["--json"], ["--csv"], []]))

    return case


def items(folder: Path) -> Case:
    """Per-item files whose columns or definitions are others."""
    (folder / "d.jsonl").write_text(
        '{"reference": "a b", "hypothesis": "a c"}\n{"reference": "d", "hypothesis": "d"}\n' * 2
    )
    valid = {}
    for what, more in (("transcripts", []), ("captions", ["--references", "reference"])):
        path = folder / f"{what}.parquet"
        done = command("score", what, folder / "d.jsonl", *more, "--per-item", path)
        assert done.code == 0, done.err
        valid[path] = pq.read_table(path)

    def case(rng: random.Random) -> None:
        path = rng.choice([*valid])
        table, worse = valid[path], folder / "worse.parquet"
        facts = {k: v for k, v in table.schema.metadata.items() if k != b"ARROW:schema"}
        told = json.loads(facts.get(b"assay.definitions", b"{}"))
        facts[b"assay.definitions"] = json.dumps(forged_kit.changed(rng, told)).encode()
        at = rng.randrange(len(table.column_names))
        kind = rng.choice([pa.string(), pa.int64(), pa.float64(), table.column(at).type])
        with suppress(pa.ArrowException):
            table = table.set_column(at, table.column_names[at], table.column(at).cast(kind))
        if rng.random() < 0.3:
            table = table.remove_column(at)
        pq.write_table(table.replace_schema_metadata(facts), worse)
        names = ["wer", "cer", "mer", "bleu", "chrf", "rouge_l", "accuracy", "f1", "roc_auc"]
        ended("compare", *rng.sample([path, worse], 2), "--metric", rng.choice(names))

    return case


def work_dir(folder: Path) -> Case:
    """What is kept of a job that was stopped."""
    (folder / "d.jsonl").write_text('{"reference": "a b", "hypothesis": "a c"}\n')
    place = folder / "work"
    again = ["score", "transcripts", folder / "d.jsonl", "--work-dir", place, "--interval", "none"]
    assert command(*again).code == 0
    kept = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def case(rng: random.Random) -> None:
        worse = rng.choice([*kept])
        for path, data in kept.items():
            path.write_bytes(damaged(rng, data) if path == worse else data)
        ended(*again)

    return case


def report(folder: Path) -> Case:
    """Runs of others: their journals say other things, as JSON."""
    lines = [HEAD, {"kind": "params", "time": 1.0, "params": {"lr": 0.1}, "tags": {"stage": "kd"}}]
    for fold in "12":
        own = metric("val_macro_f1", tags={"fold": fold}, unit="fraction", better="higher")
        own["key"] = f"fold_{fold}/val_macro_f1"
        lines += [own, points(0, 1.0, **{own["key"]: 0.5}), points(1, 2.0, **{own["key"]: 0.75})]
    about = {"time": 2.0, "step": 4, "name": "w", "tags": {"fold": "1"}}
    histogram = {"kind": "histogram", **about, "edges": [0, 1, 2], "counts": [3, 4]}
    lines += [{"kind": "table", **about, "path": "t.csv"}, histogram, END]
    run = write_journal(folder / "told", *lines)
    (run / "t.csv").write_text("target,prediction\na,b\n")

    def case(rng: random.Random) -> None:
        own = [dict(line) for line in lines]
        for line in rng.sample(own, rng.choice([1, 1, 2])):
            name = rng.choice([*line])
            line[name] = forged_kit.changed(rng, line[name])
        write_journal(run, *own)
        ended("report", run, "-o", folder / "page.html")
        ended("summary", run, "--json")

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


def _column(rng: random.Random, texts: list[str]) -> Any:
    """The same texts where Arrow holds them, amid others."""
    kind = rng.choice([pa.string(), pa.large_string()])
    before, behind = (["é"] * rng.randrange(3) for _ in range(2))
    return pa.array([*before, *texts, *behind], kind).slice(len(before), len(texts))


def text(folder: Path) -> Case:
    """Tokeniser and edit kernels, held to jiwer's words and to rapidfuzz, as lists and as Arrow;
    policies, keywords, normalisers, captions."""

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
        with suppress(UnicodeEncodeError):  # a lone surrogate is no text of Arrow
            sides = [_column(rng, own) for own in (refs, hyps)]
            assert assay.count_words(*sides).to_bytes() == words.to_bytes(), (refs, hyps)
            assert assay.count_chars(*sides).to_bytes() == chars.to_bytes(), (refs, hyps)
        for call in (
            lambda: assay.count_chars(refs, hyps, unit="grapheme"),
            lambda: assay.count_words(refs, hyps, policy=rng.choice(["kaldi", "sclite"])),
            lambda: assay.count_keywords(refs, hyps, keywords=["a", "é b", "x" * 70]),
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


TARGETS: dict[str, Target] = {
    **READERS, "journal": journal, "state file": state_file, "states": states, "made": made,
    "merge": merged, "items": items, "work dir": work_dir, "report": report, "text": text,
}  # fmt: skip
