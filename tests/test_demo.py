"""`assay demo`: its tables and pictures are jiwer's numbers and alignments of the bundled clips,
retrieval is that of plain NumPy, and the classifier's scores are scikit-learn's."""

import contextlib
import json
import re
import sys
from pathlib import Path

import jiwer
import numpy as np
import pytest
from rich.cells import cell_len
from sklearn import metrics as sk

import oracle
from assay.core.record import read_journal
from assay.demo.classification import out_of_fold
from cli_kit import CLIPS, RATES, assay, records, truth

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
PROBE = "A small model on the CPU, in float32 and in dynamic int8"
POINTS = [(rate, 11) for rate in RATES]  # once; a second demo adds to them
PAGE = "And as a page:"
COLORS = {"\x1b[33m": "S", "\x1b[31m": "D", "\x1b[36m": "I"}


@pytest.fixture(scope="module")
def clips():
    return records(CLIPS)


@pytest.fixture(autouse=True, scope="module")
def elsewhere(tmp_path_factory):
    """It writes ./assay-demo."""
    with contextlib.chdir(tmp_path_factory.mktemp("demo")):
        yield Path.cwd()


def demo(**environment):
    done = assay("demo", **environment)
    ends = [f"assay: {rate}: finished, {n} points in assay-demo/{rate}" for rate, n in POINTS]
    assert [re.sub(r"\d+ points", "11 points", line) for line in done.err.splitlines()] == ends
    assert done.code == 0
    return done.out


@pytest.fixture(scope="module")
def shown():
    return demo()


@pytest.fixture(scope="module")
def colored():
    return demo(FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="160")


def timeless(text):
    """The text without what was timed, which is never the same twice."""
    start = text.index(f"{PROBE}\n")
    return text[:start] + text[text.index(f"\n{PAGE}", start) :]


def section(text, title):
    """The lines under a title up to the next blank one."""
    lines = text.splitlines()
    start = lines.index(title) + 1
    return lines[start : lines.index("", start)]


def test_the_data(clips):
    assert len(clips) == len({clip["id"] for clip in clips}) == 240
    assert {clip["voice"] for clip in clips} == {"slt", "rms", "awb"}
    wanted = {"id", "voice", "reference", "audio_s"}
    wanted |= {f"{name}_{rate}" for name in ("hypothesis", "decode_s") for rate in RATES}
    assert all(clip.keys() == wanted for clip in clips)
    assert CLIPS.read_bytes().isascii()
    assert json.dumps(clips[0]) == CLIPS.read_text().splitlines()[0]


def row(*key, pairs):
    """A row of a table as jiwer has its numbers."""
    t = truth(*map(list, zip(*pairs, strict=True)))
    rates = [f"{t[name]:.4f}" for name in ("wer", "cer", "sentence_error_rate")]
    counts = ("substitutions", "deletions", "insertions", "reference_words", "reference_characters")
    return [*key, str(len(pairs)), *rates, *(f"{t[name]:,}" for name in counts)]


def test_error_rates(clips, shown):
    head, *rows = map(str.split, section(shown, "Error rates by sampling rate"))
    assert head == ["rate", "pairs", "wer", "cer", "ser", "sub", "del", "ins", "words", "chars"]
    assert rows == [
        row(rate, pairs=[(c["reference"], c[f"hypothesis_{rate}"]) for c in clips])
        for rate in RATES
    ]
    head, *rows = map(str.split, section(shown, "... and by voice"))
    assert head[:3] == ["voice", "rate", "pairs"]
    assert rows == [
        row(
            voice,
            rate,
            pairs=[(c["reference"], c[f"hypothesis_{rate}"]) for c in clips if c["voice"] == voice],
        )
        for rate in RATES
        for voice in ("awb", "rms", "slt")
    ]


def test_the_worst_clips(clips, shown):
    wers = [jiwer.wer(c["reference"], c["hypothesis_16k"]) for c in clips]
    worst = sorted(range(240), key=lambda i: (-wers[i], i))[:3]
    for i in worst:
        clip = clips[i]
        ref, hyp, marks = section(shown, f"{clip['id']} ({clip['voice']}), wer {wers[i]:.4f}")
        out = jiwer.process_words(clip["reference"], clip["hypothesis_16k"])
        picture = jiwer.visualize_alignment(out, show_measures=False).splitlines()
        assert [ref.split(), hyp.split()] == [line.split() for line in picture[-3:-1]]
        assert marks.split() == picture[-1].split()
        assert len(marks.split()) == out.substitutions + out.deletions + out.insertions


def test_the_top_confusions(clips, shown):
    refs, hyps = (
        oracle.words([c[name] for c in clips]) for name in ("reference", "hypothesis_16k")
    )
    found = oracle.confusions(zip(refs, hyps, strict=True))
    for kind, wanted in (
        ("substitutions", lambda ref, hyp: ref and hyp),
        ("deletions", lambda ref, hyp: hyp is None),
        ("insertions", lambda ref, hyp: ref is None),
    ):
        table = [(ref or "", hyp or "", n) for (ref, hyp), n in found.items() if wanted(ref, hyp)]
        table.sort(key=lambda error: (-error[2], *error[:2]))
        head, *rows = section(shown, f"Most frequent {kind} at 16k")
        assert head.split() == ["reference", "heard", "times"]
        assert [line.split() for line in rows] == [
            [*filter(None, (ref, hyp)), str(n)] for ref, hyp, n in table[:8]
        ]


def test_caption_metrics(clips, shown):
    import caption_oracle  # skips where its peers are absent

    title = "Caption metrics by sampling rate: what was recognised, as captions"
    head, *rows, note = section(shown, title)
    assert head.split() == ["metric", *RATES]
    items = {
        rate: [([clip["reference"]], clip[f"hypothesis_{rate}"]) for clip in clips]
        for rate in RATES
    }
    found = {row[:22].strip(): row[22:].split() for row in rows}
    assert [*found] == ["BLEU", "chrF", "ROUGE-L", "METEOR (exact, stem)", "TER", "CIDEr-D"]
    for name, of in (
        ("BLEU", caption_oracle.sacrebleu),
        ("chrF", caption_oracle.chrf),
        ("ROUGE-L", caption_oracle.rouge_l),
        ("CIDEr-D", caption_oracle.cider),
    ):
        assert found[name] == [f"{of(items[rate])[0]:.4f}" for rate in RATES]
    assert note.startswith("one reference each; words between spaces, of BLEU as 13a cuts them")


def vectors(name):
    return np.load(CLIPS.with_name(f"clips_{name}.npy")).astype(float)


@pytest.mark.parametrize("name", ["text", *(f"speech_{rate}" for rate in RATES)])
def test_the_vectors(clips, name):
    stored = np.load(CLIPS.with_name(f"clips_{name}.npy"))
    assert (stored.shape, stored.dtype) == ((len(clips), 384), np.float16)
    np.testing.assert_allclose(np.linalg.norm(vectors(name), axis=1), 1, atol=1e-3)


def retrieval(query, gallery):
    """R@1, R@5, R@10 and mAP where row i is what query i looks for, by plain sorting."""
    query, gallery = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery))
    order = np.argsort(-(query @ gallery.T), axis=1, kind="stable")
    ranks = np.argmax(order == np.arange(len(query))[:, None], axis=1) + 1
    return [f"{value:.4f}" for value in (*(np.mean(ranks <= k) for k in (1, 5, 10)),
                                         np.mean(1 / ranks))]  # fmt: skip


def test_retrieval(shown):
    title = "Retrieval by sampling rate: sentences and what was recognised, as embeddings"
    head, *rows, statement = section(shown, title)
    assert head.split() == ["direction", "rate", "queries", "R@1", "R@5", "R@10", "mAP"]
    text = vectors("text")
    expected = []
    for rate in RATES:
        speech = vectors(f"speech_{rate}")
        expected += [
            ["text_to_speech", rate, "240", *retrieval(text, speech)],
            ["speech_to_text", rate, "240", *retrieval(speech, text)],
        ]
    assert [row.split() for row in rows] == expected
    assert statement.startswith("cross-modal: recall@k is the share of queries with a relevant")


def test_probe(shown):
    head, *rows, note = section(shown, PROBE)
    names = "model params MiB MiB on disk GFLOPs p50 ms items/s"
    assert head.split() == names.split()
    params = 768 * 3072 + 3072 + 3072 * 768 + 768
    for row, name, low, high in zip(
        rows, ("float32", "int8"), (18.01, 4.5), (18.02, 4.6), strict=True
    ):
        model, count, *numbers = row.split()
        weight, disk, flops, median, rate = (float(x.replace(",", "")) for x in numbers)
        assert (model, count) == (name, f"{params:,}")
        assert low < weight < disk < high
        assert flops == round(2 * 16 * 2 * 768 * 3072 / 1e9, 4)
        assert median > 0 < rate
    found = re.match(r"int8 is (.*) % smaller and (.*) times as fast \((.*) to (.*)\)", note)
    assert float(found[1]) == pytest.approx(74.9, abs=0.1)
    assert float(found[3]) <= float(found[2]) <= float(found[4])
    assert re.search(r"cosine of the outputs 0\.999\d\d; batch 16, \d+ threads", note)


def test_the_report(clips, shown, elsewhere):
    line = f"{PAGE} assay-demo/report.html"
    assert line in shown.splitlines()
    page = (elsewhere / "assay-demo" / "report.html").read_text("utf-8")
    assert "<title>assay demo</title>" in page
    assert all(page.count(clip["id"]) >= 2 for clip in clips)  # as a transcript and as a query
    for rate in RATES:
        found = truth(*map(list, zip(*((c["reference"], c[f"hypothesis_{rate}"]) for c in clips),
                                     strict=True)))  # fmt: skip
        record = read_journal(str(elsewhere / "assay-demo" / rate))
        assert record.params["rate_khz"] == int(rate[:-1])
        assert record.best("wer").value == pytest.approx(found["wer"], abs=1e-15)
        speech = retrieval(vectors("text"), vectors(f"speech_{rate}"))
        assert f"{record.best('text_to_speech/map').value:.4f}" == speech[-1]


def test_without_jinja2_the_rest_is_shown(monkeypatch, shown):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = assay("demo")
    assert "A report: left out, as jinja2 is not installed; install it with: " in done.out
    assert (done.err, done.code) == ("", 0)


def test_without_torch_the_rest_is_shown(monkeypatch, shown):
    monkeypatch.setitem(sys.modules, "torch", None)
    lines = demo().splitlines()
    at = lines.index(f"{PROBE}: left out, as torch is not installed; install it with: "
                     "pip install 'assay[torch]'")  # fmt: skip
    assert [*lines[:at], *lines[at + 1 :]] == timeless(shown).splitlines()


CLASSIFIER = "A classifier over five folds: benign breast masses"


def test_every_mass_is_scored_by_a_model_that_did_not_see_it():
    target, score, fold = out_of_fold()
    assert [len(target), target.sum()] == [569, 357]
    assert np.bincount(fold).tolist() == [0, 114, 114, 114, 114, 113]
    assert ((score > 0) & (score < 1)).all()
    again = out_of_fold()
    assert all(np.array_equal(a, b) for a, b in zip(again, (target, score, fold), strict=True))


def macro_f1(target, score, threshold):
    return sk.f1_score(target, score >= threshold, average="macro")


def tuned(target, score):
    """The best threshold for macro-F1, then nearest to 0.5, then the lower, by trying all."""
    tried = [(-round(macro_f1(target, score, t), 12), abs(t - 0.5), t) for t in np.unique(score)]
    return min(tried)[2]


def test_classification(shown):
    head, *rows, note = section(shown, CLASSIFIER)
    names = "fold items accuracy macro F1 ROC-AUC AP threshold best held out"
    assert head.split() == names.split()
    target, score, fold = out_of_fold()
    predicted = np.empty(len(target), bool)  # each fold at the threshold of the others
    expected = []
    for number in [*range(1, 6), None]:
        own = fold == number if number else np.ones(len(fold), bool)
        y, p = target[own], score[own]
        best = tuned(y, p)
        if number:
            predicted[own] = p >= tuned(target[~own], score[~own])
        held_out = sk.f1_score(y, predicted[own], average="macro")
        values = (
            sk.accuracy_score(y, p >= 0.5), macro_f1(y, p, 0.5), sk.roc_auc_score(y, p),
            sk.average_precision_score(y, p), best, macro_f1(y, p, best), held_out,
        )  # fmt: skip
        expected.append([str(number or "(all)"), str(len(y)), *(f"{v:.4f}" for v in values)])
    assert [row.split() for row in rows] == expected
    assert "which is optimistic" in note


def test_without_scikit_learn_the_rest_is_shown(monkeypatch, shown):
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    lines = timeless(demo()).splitlines()
    line = f"{CLASSIFIER}: left out, as sklearn is not installed; install it with: "
    at = lines.index(f"{line}pip install 'assay[demo]'")
    everything = timeless(shown).splitlines()
    assert lines[:at] == everything[:at]
    assert lines[at + 1 :] == everything[everything.index(f"{PAGE} assay-demo/report.html") - 2 :]


def test_piped_output_is_plain(shown):
    assert "\x1b" not in shown
    assert "─" not in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_colors_say_the_same(shown, colored):
    words = timeless(ESCAPES.sub("", colored)).replace("─", "").split()
    assert words == timeless(shown).split()
    assert "\x1b[1m" in colored


def test_colors_mark_the_errors(colored):
    lines = colored.splitlines()
    marked = 0
    for ref, hyp, marks in zip(lines, lines[1:], lines[2:], strict=False):
        if not ref.startswith("REF:"):
            continue
        painted = [re.findall(r"(\x1b\[3[136]m)(.*?)\x1b\[0m", line) for line in (ref, hyp)]
        kinds = marks.split()
        by_ref = [COLORS[color] for color, _ in painted[0]]
        by_hyp = [COLORS[color] for color, _ in painted[1]]
        assert by_ref == [kind for kind in kinds if kind != "I"]
        assert by_hyp == [kind for kind in kinds if kind != "D"]
        marked += len(kinds)
    assert marked > 30


@pytest.mark.parametrize("columns", [48, 60, 80, 100])
def test_it_fits_a_terminal(shown, columns):
    text = demo(FORCE_COLOR="1", TERM="xterm", COLUMNS=str(columns))
    lines = ESCAPES.sub("", text).splitlines()
    end = lines.index("Now your own:")  # commands are not cut
    assert max(map(cell_len, lines[:end])) <= columns
    assert all(re.match(r"(REF|HYP): [\w*]", line) for line in lines if line[3:4] == ":")
    for head in ("REF:", "HYP:", "    "):
        assert words_of(lines, head) == words_of(shown.splitlines(), head)


def words_of(lines, head):
    """The words of the lines of pictures that begin so; of those without a name, the marks."""
    pattern = re.compile(head + (" *.*" if head.strip() else "[ SDI]+"))
    return [word for line in lines if pattern.fullmatch(line) for word in line[4:].split()]
