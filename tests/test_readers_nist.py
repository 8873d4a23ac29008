"""trn, and stm with ctm: what is no word is honoured or refused, and never counted as one."""

import pickle
import re
from itertools import chain, product

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from assay import count_words
from assay.core.errors import DataError, InputError
from assay.readers import read
from assay.readers.alternations import nearest, refuse_marks
from readers_kit import rows


def where(row):
    return f"row {row}"


def resolved(reference, hypothesis):
    return nearest(pa.array([reference]), pa.array([hypothesis]), where)[0].as_py()


# -- alternations and optional words ---------------------------------------------------------------

# A text as written, and every reading of it in order: made together, so no parser is needed.
WORDS = st.sampled_from(["a", "b", "c", "A"])
PLAIN = WORDS.map(lambda word: (word, [[word]]))
OPTIONAL = WORDS.map(lambda word: (f"({word})", [[word], []]))
NONE = st.just(("@", [[]]))


def in_a_row(parts):
    texts, readings = zip(*parts, strict=True)
    return " ".join(texts), [list(chain(*own)) for own in product(*readings)]


def either(parts):
    texts, readings = zip(*parts, strict=True)
    return f"{{ {' / '.join(texts)} }}", list(chain(*readings))


SOME = st.recursive(
    st.one_of(PLAIN, PLAIN, OPTIONAL, NONE),
    lambda below: st.one_of(
        st.lists(below, min_size=2, max_size=3).map(either),
        st.lists(below, min_size=1, max_size=3).map(in_a_row),
    ),
    max_leaves=9,
)
HEARD = st.lists(WORDS, max_size=6)


def errors(reading, heard):
    """Word errors, of equals by differences in case."""
    folded = Levenshtein.distance([w.lower() for w in reading], [w.lower() for w in heard])
    return folded, reading


@settings(max_examples=400)
@given(SOME, HEARD)
def test_the_reading_with_the_fewest_errors(some, heard):
    text, readings = some
    found = resolved(text, " ".join(heard)).split()
    assert found in readings
    least = min(errors(reading, heard)[0] for reading in readings)
    assert errors(found, heard)[0] == least


@settings(max_examples=300)
@given(SOME, HEARD)
def test_of_equals_the_first_as_written(some, heard):
    text, readings = some
    text, heard = text.lower(), [word.lower() for word in heard]
    readings = [[word.lower() for word in reading] for reading in readings]
    found = resolved(text, " ".join(heard)).split()
    assert found == min(readings, key=lambda reading: errors(reading, heard)[0])


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("hello { uh / um / @ } world", "hello um world", "hello um world"),
        ("hello { uh / um / @ } world", "hello world", "hello world"),
        ("hello { uh / um } world", "hello world", "hello uh world"),
        ("(%hesitation) yes", "yes", "yes"),
        ("(%hesitation) yes", "%hesitation yes", "%hesitation yes"),
        ("(uh) yes", "um yes", "uh yes"),  # one error either way: as written first
        ("@", "", ""),
        ("{ it's / it is } so", "IT IS so", "it is so"),
        ("{ It Is / it is } so", "it is so", "it is so"),
        ("word(2) and/or a@b.c", "x", "word(2) and/or a@b.c"),
        ("  as  it\tstands ", "x", "  as  it\tstands "),
        ("{ { a / b } c / d }", "b c", "b c"),
    ],
)
def test_readings(reference, hypothesis, expected):
    assert resolved(reference, hypothesis) == expected


REFUSED = {
    "{ a / b": "a { is never closed",
    "a / b }": "a / stands outside of { }",
    "a }": "a } stands without its {",
    "{ a }": "an alternation needs two readings, { a / b }, with @ for none,",
    "{ a / }": "an alternation needs two readings",
    "{ / a }": "an alternation needs two readings",
    "{ }": "an alternation needs two readings",
    "{a / b}": "'{a': spaces must part the words of an alternation",
    "{ a/b / c }": "'a/b': spaces must part the words of an alternation",
    "(uh huh)": "'(uh': an optional word must be one word in parentheses, (uh),",
    "uh huh)": "'huh)': an optional word must be one word",
    "((uh))": "'((uh))': an optional word must be one word",
    "()": "an optional word is missing between ( )",
    " ".join(["{ a /"] * 30 + ["b"] + ["}"] * 30): "more than 16 alternations stand within each",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_marked_otherwise_is_refused(text):
    for call in (resolved, lambda one, _: refuse_marks(pa.array([one]), where)):
        with pytest.raises(DataError, match=f"^row 0: {re.escape(REFUSED[text])}"):
            call(text, "a")


def test_one_reading_is_expected_where_there_is_nothing_to_compare_with():
    for text in ("{ a / b }", "(uh) a", "a @ b"):
        with pytest.raises(DataError, match="row 1: an alternation, an optional word or @ stands"):
            refuse_marks(pa.array(["word(2) and/or", text]), where)


def test_long_texts_are_quick_and_bounded():
    said = " ".join("{ a / b } c" for _ in range(2000))
    assert resolved(said, "b c " * 2000) == "b c " * 1999 + "b c"
    with pytest.raises(DataError, match=r"row 0: alternations of .* words against 100000 are too"):
        resolved(said, "b " * 100_000)


# -- trn -------------------------------------------------------------------------------------------

REF = """;; the reference
hello { uh / um / @ } world (uh) (ann-1)

 (bo_2)
\tÉté (%hes) (ann-3) \r
"""
HYP = "été (ann-3)\nhello um world (ann-1)\nso (bo_2)"


def trn(folder, ref=REF, hyp=HYP):
    paths = [folder / "ref.trn", folder / "hyp.trn"]
    for path, text in zip(paths, (ref, hyp), strict=True):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return paths


def test_trn_by_utterance(tmp_path):
    source = read(trn(tmp_path), keep="id")
    source = pickle.loads(pickle.dumps(source))
    (batch,) = (batch for part in source.parts() for batch in source.batches(part))
    assert batch.rows.to_pylist() == [
        {"reference": "hello um world", "hypothesis": "hello um world", "id": "ann-1"},
        {"reference": "", "hypothesis": "so", "id": "bo_2"},
        {"reference": "Été", "hypothesis": "été", "id": "ann-3"},
    ]
    assert batch.where(2) == f"{tmp_path}/ref.trn: line 5"
    assert rows(tmp_path / "hyp.trn", "text", "id")[0] == ("été", "ann-3")


def test_trn_against_a_table(tmp_path):
    paths = trn(tmp_path)
    (tmp_path / "h.csv").write_text("id,said\nbo_2,so\nann-1,hello world uh\nann-3,x\n")
    found = rows([paths[0], tmp_path / "h.csv"], ["any", "said"], key="id")
    assert found[0] == ("hello world uh", "hello world uh")


BAD_TRN = {
    "no id": ({"ref": "a b\n"}, "ref.trn: line 1: no utterance id; a line of trn is"),
    "no id among others": ({"hyp": HYP + "\nso it was"}, "hyp.trn: line 4: no utterance id"),
    "a mark": ({"ref": "a (x)\nb { c (y)\n"}, "ref.trn: line 2: a { is never closed in 'b { c'"),
    "a hypothesis with marks": ({"hyp": "{ a / b } (ann-1)\n"}, "hyp.trn: line 1: an alternation,"),
    "an id twice": ({"hyp": HYP + "\nso (bo_2)"}, "more than once in .*hyp.trn: 'bo_2'"),
    "an id missing": ({"hyp": "so (bo_2)"}, "2 in .*ref.trn but not in .*hyp.trn: 'ann-1'"),
    "not UTF-8": ({"ref": "a \udc80 (x)\n"}, "ref.trn: line 1: column 'line' is not UTF-8"),
    "empty": ({"hyp": ""}, "hyp.trn: the file is empty; was it written?"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), BAD_TRN.values(), ids=BAD_TRN)
def test_bad_trn_is_named(files, message, tmp_path):
    if "an id" not in message and "a mark" not in message and "ref" in files:
        files = {"hyp": "a (x)\nb (y)\n", **files}
    with pytest.raises(DataError, match=message.replace("{ ", r"\{ ")):
        rows(trn(tmp_path, **files))


# -- stm and ctm -----------------------------------------------------------------------------------

STM = """;; CATEGORY "0" "" ""
;; LABEL "F0" "F0" "Wide"
sw1 A ann 0.0 2.0 <o,f0,male> hello (%hesitation) there
sw1 A ann 2.0 4.0 <o,f0,male> IGNORE_TIME_SEGMENT_IN_SCORING
sw1 A bob 5.0 6.0 good { bye / by }
sw1 B cy 0 1.5
"""
CTM = """;; words, not in order
sw1 A 5.6 0.2 by 0.5 lex bob
sw1 A 0.1 0.2 hello 0.9
sw1 A 1.9 0.2 there
sw1 A 1.5 0.8 at-two
sw1 A 2.5 0.2 noise
sw1 A 4.4 0.2 huh
sw1 A 5.9 0.2 at-six
sw1 A 6.5 0.1 late
sw1 A 5.2 0.2 good
sw1 B 0.2 0.1 hm
"""


def stm(folder, ref=STM, hyp=CTM):
    paths = [folder / "ref.stm", folder / "hyp.ctm"]
    for path, text in zip(paths, (ref, hyp), strict=True):
        path.write_text(text)
    return paths


def test_words_go_to_segments_by_their_middle(tmp_path):
    # at 1.9 + 0.1 = 2.0 two segments meet: the later one, which is ignored
    found = rows(stm(tmp_path), keep=["channel", "speaker", "label"])
    gap = "inter_segment_gap"
    assert found == [
        ("hello there", "hello at-two", "A", "ann", "o,f0,male"),
        ("", "huh", "A", gap, None),
        ("good by", "good by at-six", "A", "bob", None),
        ("", "late", "A", gap, None),
        ("", "hm", "B", "cy", None),
    ]


def test_where_segments_are(tmp_path):
    source = pickle.loads(pickle.dumps(read(stm(tmp_path), keep=["file", "begin", "end"])))
    (batch,) = source.batches(source.parts()[0])
    times = [(row["begin"], row["end"]) for row in batch.rows.to_pylist()]
    assert times == [(0, 2), (4, 5), (5, 6), (6, float("inf")), (0, 1.5)]
    assert batch.where(0) == f"{tmp_path}/ref.stm: line 3"
    assert batch.where(1) == f"{tmp_path}/ref.stm: line 4 (inter_segment_gap)"
    plain = [("ann", "hello there"), ("cy", "")]
    text = STM.replace("(%hesitation) ", "").replace(
        "good { bye / by }", "ignore_time_segment_in_scoring"
    )
    assert rows(stm(tmp_path, text)[0], "text", "speaker") == [(said, who) for who, said in plain]


def test_names_that_say_nothing(tmp_path):
    one, two = tmp_path / "eval2000.filt", tmp_path / "out.filt"
    one.write_text(STM)
    two.write_text(CTM)
    assert rows([one, two], format="stm") == rows(stm(tmp_path))


@given(st.data())
@settings(max_examples=60)
def test_no_word_is_lost_outside_of_ignored_segments(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("stm")
    ends = sorted(data.draw(st.sets(st.integers(1, 40), min_size=2, max_size=8)))
    spans = [(a, b, data.draw(st.booleans())) for a, b in zip(ends[::2], ends[1::2], strict=False)]
    times = data.draw(st.lists(st.floats(0, 45, allow_nan=False), max_size=20))
    ref = "".join(
        f"f 1 s {a} {b} {'ignore_time_segment_in_scoring' if out else 'x y'}\n"
        for a, b, out in spans
    )
    hyp = ";;\n" + "".join(f"f 1 {at} 0 w{i}\n" for i, at in enumerate(times))
    heard = [word for _, words in rows(stm(folder, ref, hyp)) for word in words.split()]

    def counts(at):
        touching = [(a, out) for a, b, out in spans if a <= at <= b]
        return not touching or not max(touching)[1]

    assert sorted(heard) == sorted(f"w{i}" for i, at in enumerate(times) if counts(at))


BAD_STM = {
    "few fields": ({"ref": "sw1 A ann 0\n"}, "ref.stm: line 1: expected 'file channel speaker"),
    "no time": ({"ref": "sw1 A ann x 2 a\n"}, "ref.stm: line 1: begin is 'x', expected seconds"),
    "NaN": ({"ref": "sw1 A ann nan 2 a\n"}, "line 1: begin is 'nan', expected seconds from 0"),
    "negative": ({"hyp": "sw1 A -1 2 a\n"}, "hyp.ctm: line 1: begin is '-1', expected seconds"),
    "infinite": ({"hyp": "sw1 A 1 inf a\n"}, "hyp.ctm: line 1: duration is 'inf'"),
    "backwards": ({"ref": "sw1 A ann 3 2 a\n"}, "line 1: the segment ends at 2 s, before it"),
    "overlapping": ({"ref": "sw1 A a 0 2 x\nsw1 A b 1 3 y\n", "hyp": "sw1 A 0 1 x\n"},
                    "ref.stm: line 2: begins at 1 s, before the segment of .*line 1 ends at 2 s"),
    "a mark": ({"ref": "sw1 A a 0 2 { x / y\n", "hyp": ";;\n"},
               r"ref.stm: line 1: a \{ is never closed"),
    "few fields of a word": ({"hyp": "sw1 A 0 1\n"}, "hyp.ctm: line 1: expected 'file channel"),
    "alternatives": ({"hyp": "sw1 A 0 1 x\nsw1 A * * <ALT_BEGIN>\n"},
                     "hyp.ctm: line 2: <ALT_BEGIN> begins or parts alternatives of a hypothesis"),
    "an optional word": ({"hyp": "sw1 A 0 1 (uh)\n"}, "hyp.ctm: line 1: an alternation, an"),
    "an unknown file": ({"hyp": "sw2 A 0 1 x\n"},
                        "hyp.ctm: line 1: no segment of file 'sw2', channel 'A' in .*ref.stm"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), BAD_STM.values(), ids=BAD_STM)
def test_bad_stm_and_ctm_are_named(files, message, tmp_path):
    with pytest.raises(DataError, match=message):
        rows(stm(tmp_path, **files))


def test_what_does_not_go_together(tmp_path):
    ref, hyp = stm(tmp_path)
    with pytest.raises(DataError, match="ctm has words without segments; give the stm file"):
        rows(hyp, "text")
    with pytest.raises(
        InputError, match="ctm and stm files do not go together; name the stm file first"
    ):
        read([hyp, ref])
    with pytest.raises(DataError, match=r"line 3: an alternation, an optional word or @ stands"):
        rows(ref, "text")
    with pytest.raises(DataError, match="no column 'who'; there: 'file', 'channel', 'speaker'"):
        read([ref, hyp], keep="who")


def test_counts_are_those_of_the_readings(tmp_path):
    pairs = rows(stm(tmp_path))
    found = count_words([ref for ref, _ in pairs], [hyp for _, hyp in pairs])
    assert (found.hits, found.substitutions, found.deletions, found.insertions) == (3, 1, 0, 4)
