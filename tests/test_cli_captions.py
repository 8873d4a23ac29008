"""`assay score captions` held against sacrebleu and pycocoevalcap: input, output, every option."""

import csv
import functools
import io
import json
import random
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import caption_oracle
from assay.run.items import definitions_of
from cli_kit import assay, refused, transcripts

captions = functools.partial(transcripts, what="captions")
refuse = functools.partial(refused, what="captions")

WORDS = ["the", "dog", "barks", "rain", "falls", "on", "a", "roof", "été", "日本", "it's", "3.5,"]


def made():
    """60 items with 1 to 4 references, some hypotheses empty, and a group each."""
    rng = random.Random(3)
    items = []
    for i in range(60):
        words = rng.choices(WORDS, k=rng.choice([3, 6, 11]))
        refs = [
            " ".join(rng.choice(WORDS) if rng.random() < 0.2 else w for w in words)
            for _ in range(rng.randint(1, 4))
        ]
        hyp = " ".join(w for w in words if rng.random() > 0.15) if i % 9 else ""
        items.append((refs, hyp, rng.choice(["x", "y"]), f"c{i:02}"))
    return items


ITEMS = made()
PAIRS = [(refs, hyp) for refs, hyp, *_ in ITEMS]


def jsonl(folder):
    path = folder / "a.jsonl"
    lines = [
        dict(zip(("references", "hypothesis", "set", "id"), item, strict=True)) for item in ITEMS
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return [path]


def numbered(folder):
    path = folder / "a.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "ref_1", "ref_2", "ref_3", "ref_4", "hypothesis", "set"])
        for refs, hyp, own, name in ITEMS:
            writer.writerow([name, *refs, *[""] * (4 - len(refs)), hyp, own])
    return [path]


def parquet(folder):
    refs, hyps, sets, ids = zip(*ITEMS, strict=True)
    table = pa.table({"references": refs, "hypothesis": hyps, "set": sets, "id": ids})
    pq.write_table(table, folder / "a.parquet", row_group_size=13)
    return [folder / "a.parquet"]


def coco(folder):
    annotations = [{"image_id": name, "caption": ref} for refs, _, _, name in ITEMS for ref in refs]
    results = [{"image_id": name, "caption": hyp} for _, hyp, _, name in reversed(ITEMS)]
    (folder / "ann.json").write_text(json.dumps({"annotations": annotations}), "utf-8")
    (folder / "res.json").write_text(json.dumps(results), "utf-8")
    return [folder / "ann.json", folder / "res.json"]


def lines(folder):
    for i in range(4):
        texts = [refs[i] if i < len(refs) else "" for refs, *_ in ITEMS]
        (folder / f"ref{i}.txt").write_text("".join(f"{text}\n" for text in texts), "utf-8")
    (folder / "hyp.txt").write_text("".join(f"{hyp}\n" for _, hyp, *_ in ITEMS), "utf-8")
    return [*(folder / f"ref{i}.txt" for i in range(4)), folder / "hyp.txt"]


def joined(folder):
    refs = [{"id": name, "references": refs, "set": own} for refs, _, own, name in ITEMS]
    hyps = [{"id": name, "hypothesis": hyp} for _, hyp, _, name in reversed(ITEMS)]
    for name, records in (("r.jsonl", refs), ("h.jsonl", hyps)):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / name).write_text(text, "utf-8")
    return [folder / "r.jsonl", folder / "h.jsonl", "--key", "id"]


FORMATS = {f.__name__: f for f in (jsonl, numbered, parquet, coco, lines, joined)}


@functools.cache
def truth():
    """The default metrics, by their references."""
    return {
        "bleu": caption_oracle.sacrebleu(PAIRS)[0],
        "chrf": caption_oracle.chrf(PAIRS)[0],
        "rouge_l": caption_oracle.rouge_l(PAIRS)[0],
        "cider": caption_oracle.cider(PAIRS)[0],
    }


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_numbers_of_the_references(write, tmp_path):
    found = captions(*write(tmp_path), "--json").values
    for name, value in truth().items():
        caption_oracle.same(found[(name,)], value)


def test_groups_stand_on_the_document_frequencies_of_all(tmp_path):
    done = captions(*jsonl(tmp_path), "--by", "set", "--json", "--interval", "none")
    single = caption_oracle.cider(PAIRS)[1]
    for own in ("x", "y"):
        chosen = [i for i, item in enumerate(ITEMS) if item[2] == own]
        pairs = [PAIRS[i] for i in chosen]
        caption_oracle.same(done.values[("bleu", own)], caption_oracle.sacrebleu(pairs)[0])
        caption_oracle.same(
            done.values[("cider", own)], sum(single[i] for i in chosen) / len(chosen)
        )
    table = captions(*jsonl(tmp_path), "--by", "set").out
    head, total, *groups = table.splitlines()[:4]
    assert head.split() == ["set", "items", "bleu", "chrf", "rouge_l", "cider"]
    assert total.split()[:2] == ["(all)", "60"]
    assert [row.split()[0] for row in groups] == ["x", "y"]


def test_variants_and_tokenizers(tmp_path):
    path = jsonl(tmp_path)
    found = captions(*path, "--metrics", "bleu:coco,chrf++", "--json").values
    wanted = caption_oracle.coco_bleu(PAIRS)[0]
    caption_oracle.same([found[(f"bleu_{n}",)] for n in range(1, 5)], wanted)
    caption_oracle.same(found[("chrf++",)], caption_oracle.chrf(PAIRS, word_order=2)[0])
    for tokenizer in ("intl", "char", "none"):
        done = captions(*path, "--tokenizer", tokenizer, "--metrics", "bleu,rouge_l", "--json")
        value = caption_oracle.sacrebleu(PAIRS, tokenize=tokenizer)[0]
        caption_oracle.same(done.values[("bleu",)], value)
        caption_oracle.same(done.values[("rouge_l",)], truth()["rouge_l"])
    upper = [item[1].upper() for item in ITEMS]
    table = pa.table({"references": [item[0] for item in ITEMS], "hypothesis": upper})
    pq.write_table(table, tmp_path / "upper.parquet")
    basic = captions(tmp_path / "upper.parquet", "--normalise", "basic", "--json").values
    assert basic == captions(*path, "--normalise", "basic", "--json").values


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java for the PTB tokeniser")
def test_the_tokenizer_of_coco_is_that_of_every_metric(tmp_path):
    import assay as library

    refs, hyps = caption_oracle.columns(PAIRS)
    cut = {"tokenizer": "ptb"}
    df = library.count_document_frequency(refs, **cut)
    done = captions(*jsonl(tmp_path), "--tokenizer", "ptb", "--json", "--interval", "none")
    assert done.values[("bleu",)] == library.bleu(refs, hyps, **cut)
    assert done.values[("chrf",)] == library.chrf(refs, hyps)
    assert done.values[("rouge_l",)] == library.rouge_l(refs, hyps, **cut)
    assert done.values[("cider",)] == library.count_cider(refs, hyps, df=df, **cut)["cider"]


@pytest.mark.parametrize("metric", ["ter", "meteor"])
def test_further_metrics(tmp_path, metric):
    found = captions(*jsonl(tmp_path), "--metrics", metric, "--json")
    assert found.values[(metric,)] > 0
    assert found.values == captions(*parquet(tmp_path), "--metrics", metric, "--json").values


# -- the per-item file, intervals and comparisons --------------------------------------------------


def test_per_item(tmp_path):
    path = tmp_path / "items.parquet"
    captions(*joined(tmp_path), "--per-item", path, "--by", "set")
    found = pq.read_table(path)
    assert found.schema.names[:3] == ["row", "set", "id"]
    assert found["row"].to_pylist() == list(range(60))
    assert found["id"].to_pylist() == [item[3] for item in ITEMS]
    for name, of in (
        ("bleu", caption_oracle.sacrebleu(PAIRS)),
        ("chrf", caption_oracle.chrf(PAIRS)),
        ("rouge_l", caption_oracle.rouge_l(PAIRS)),
        ("cider", caption_oracle.cider(PAIRS)),
    ):
        caption_oracle.same(found[name].to_numpy(), list(of[1]))
    definitions = definitions_of(found, str(path))
    assert definitions.keys() == {"bleu", "chrf", "rouge_l", "cider"}
    assert definitions["bleu"]["kind"] == "BleuCounts"


def test_intervals_are_those_of_the_items(tmp_path):
    import assay as library

    done = captions(*jsonl(tmp_path), "--json", "--interval", "bootstrap:200")
    found = json.loads(done.out)
    assert found["interval"] == {"method": "bootstrap", "level": 0.95, "resamples": 200, "seed": 0}
    refs, hyps = caption_oracle.columns(PAIRS)
    df = library.count_document_frequency(refs)
    states = {
        "bleu": library.count_bleu(refs, hyps, items=True),
        "chrf": library.count_chrf(refs, hyps, items=True),
        "rouge_l": library.count_rouge_l(refs, hyps, items=True),
        "cider": library.count_cider(refs, hyps, df=df, items=True),
    }
    ends = {score["name"]: score for score in found["scores"]}
    for name, state in states.items():
        interval = library.interval(state, name, resamples=200)
        assert (ends[name]["low"], ends[name]["high"]) == pytest.approx(
            (interval.low, interval.high), rel=1e-9
        )
    pieces = captions(*parquet(tmp_path), "--json", "--interval", "bootstrap:200")
    assert pieces.out == done.out  # five row groups


def test_compare_over_per_item_files(tmp_path):
    import assay as library

    worse = [(refs, " ".join(hyp.split()[1:]), *more) for refs, hyp, *more in ITEMS]
    names = ("references", "hypothesis", "set", "id")
    for name, items in (("a", ITEMS), ("b", worse)):
        table = pa.Table.from_pylist([dict(zip(names, item, strict=True)) for item in items])
        pq.write_table(table, tmp_path / f"{name}.parquet")
        captions(tmp_path / f"{name}.parquet", "--per-item", tmp_path / f"{name}.items",
                 "--metrics", "bleu,chrf++,rouge_l,cider")  # fmt: skip
    metrics = ("bleu", "mean_bleu", "chrf++", "rouge_l", "cider")
    done = assay("compare", tmp_path / "a.items", tmp_path / "b.items", "--json", "--resamples",
                 "200", *(part for name in metrics for part in ("--metric", name)))  # fmt: skip
    assert (done.code, done.err) == (0, "")
    found = {one["metric"]: one for one in json.loads(done.out)["comparisons"]}
    refs, hyps = caption_oracle.columns(PAIRS)
    others = [item[1] for item in worse]
    df = library.count_document_frequency(refs)
    for name, count, options in (
        ("bleu", library.count_bleu, {}),
        ("mean_bleu", library.count_bleu, {}),
        ("chrf++", library.count_chrf, {"word_order": 2}),
        ("rouge_l", library.count_rouge_l, {}),
        ("cider", library.count_cider, {"df": df}),
    ):
        sides = [count(refs, side, items=True, **options) for side in (hyps, others)]
        wanted = library.compare(*sides, name, resamples=200)
        assert found[name]["delta"] == wanted.delta
        assert (found[name]["low"], found[name]["high"]) == (wanted.low, wanted.high)
    captions(tmp_path / "b.parquet", "--per-item", tmp_path / "c.items", "--metrics", "bleu:coco")
    done = assay("compare", tmp_path / "a.items", tmp_path / "c.items", "--metric", "bleu")
    assert done.code == 2
    assert "bleu is not of one definition" in done.err
    assert "score both alike" in done.err


def test_damaged_definitions(tmp_path):
    path = tmp_path / "items.parquet"
    captions(*jsonl(tmp_path), "--per-item", path, "--metrics", "bleu")
    table = pq.read_table(path)
    for text, message in (
        (b"{", "its definitions of metrics are damaged"),
        (b'{"bleu": 3}', "its definitions of metrics are damaged"),
        (b'{"bleu": {"kind": "EditCounts"}}', "EditCounts"),
        (b'{"bleu": {"kind": "BleuCounts", "x": 1}}', "BleuCounts has no x"),
        (b'{"bleu": {"kind": "BleuCounts", "orders": 9}}', "no column 'bleu_15'"),
        (b'{"bleu": {"kind": "BleuCounts", "orders": "9"}}', "is no definition"),
    ):
        facts = {**table.schema.metadata, b"assay.definitions": text}
        pq.write_table(table.replace_schema_metadata(facts), path)
        done = assay("compare", path, path, "--metric", "bleu")
        assert (done.code, message in done.err) == (2, True), done.err


# -- what is printed, and what is refused ----------------------------------------------------------


def test_the_table(tmp_path):
    lines = captions(*jsonl(tmp_path)).out.splitlines()
    assert lines[0].split() == ["score", "value", "low", "high", "unit"]
    names = ["bleu", "bleu_hypothesis_tokens", "bleu_reference_tokens", "chrf", "rouge_l", "cider"]
    assert [line.split()[0] for line in lines[1:7]] == names
    assert lines[7] == "low, high: 95 % bootstrap of items, 1,000 resamples, seed 0"
    table = csv.DictReader(io.StringIO(captions(*jsonl(tmp_path), "--csv").out))
    assert [row["score"] for row in table] == names
    markdown = captions(*jsonl(tmp_path), "--markdown", "--interval", "none").out
    assert markdown.startswith("| score ")


def test_a_pipe(tmp_path):
    text = jsonl(tmp_path)[0].read_bytes()
    options = ("-", "--format", "jsonl", "--json")
    found = captions(*options, "--metrics", "bleu,rouge_l", stdin=text).values
    caption_oracle.same(found[("bleu",)], truth()["bleu"])
    said = refuse(*options, stdin=text)
    assert said.startswith("standard input: cider reads references twice, a pipe cannot be; ")


OPTIONS = {
    "metric": (("--metrics", "bleu,blue"), "--metrics must name some of bleu, chrf, rouge_l,"),
    "no metric": (("--metrics", ""), "--metrics must name some of bleu"),
    "a metric twice": (("--metrics", "bleu,bleu:coco"), "--metrics names bleu twice"),
    "a variant of none": (("--metrics", "chrf:coco"), "got 'chrf:coco'"),
    "words of none": (("--metrics", "bleu++"), "got 'bleu++'"),
    "variant": (("--metrics", "bleu:x"), "variant must be one of sacrebleu, coco, nltk"),
    "tokenizer": (("--tokenizer", "x"), "--tokenizer must be one of 13a, intl, char, none"),
    "tokenizer of none": (
        ("--tokenizer", "13a", "--metrics", "chrf"),
        "--tokenizer 13a is of bleu",
    ),
    "normaliser": (("--normalise", "x"), "--normalise must be one of none, basic, whisper-basic"),
    "interval": (("--interval", "x"), "--interval must be none or as in bootstrap:1000"),
    "forms": (("--json", "--csv"), "exclude each other"),
    "column": (("--hypothesis", "hyp"), "no column 'hyp'"),
    "references": (("--references", "captions"), "no column 'captions'"),
    "group": (("--by", "who"), "no column 'who'"),
    "group of lists": (("--by", "references"), "column 'references' holds"),
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.values(), ids=OPTIONS)
def test_options_that_do_not_fit(options, message, tmp_path):
    assert message in refuse(*jsonl(tmp_path), *options)


def test_files_that_do_not_fit(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"references": ["a"], "hypothesis": "b"}\n{"references": [], "hypothesis": "c"}\n'
    )
    message = (
        f"{path}: line 2: column 'references' has no text at all; give the row one, or drop it"
    )
    assert refuse(path) == message
    path.write_text("\n")
    assert refuse(path) == f"{path}: no rows; was it written?"
    out = tmp_path / "items.parquet"
    assert refuse(*jsonl(tmp_path), "--per-item", path).startswith("--per-item: ")
    refs, hyps, *_ = zip(*ITEMS, strict=True)
    table = pa.table({"references": refs, "hypothesis": hyps, "bleu": hyps})
    pq.write_table(table, tmp_path / "own.parquet")
    said = refuse(tmp_path / "own.parquet", "--by", "bleu", "--per-item", out)
    assert said == "--per-item: the file has a column 'bleu' of its own; rename that of the input"
    assert not out.exists()
