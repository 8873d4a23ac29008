"""Cases of transcripts: counts, alignments, normalised text."""

import normalise
import text
from case import Case, Goal

__all__ = ["CASES"]

LISTS = "join and encode both lists, read the bytes once"
ONE_LIST = "join and encode the list, read the bytes once"
COLUMNS = "read the columns' buffers once"

CASES = [
    Case(
        "count_words",
        "S/D/I/H of words, lists of str",
        text.count_words,
        LISTS,
        (Goal("faster", 80, 150, "jiwer.wer"),),
    ),
    Case(
        "count_words_arrow",
        "the same from Arrow string columns; jiwer from lists",
        text.count_words_arrow,
        COLUMNS,
        (Goal("faster", 120, 250, "jiwer.wer"),),
    ),
    Case(
        "count_words_kaldi",
        "S/D/I/H of words as kaldi splits them, lists of str",
        text.count_words_kaldi,
        LISTS,
        (Goal("faster", 15, 20, "kaldialign"),),
    ),
    Case(
        "cer",
        "character error rate, lists of str",
        text.cer,
        LISTS,
        (Goal("faster", 100, 200, "jiwer.cer"),),
    ),
    Case(
        "count_chars",
        "S/D/I/H of characters, lists of str",
        text.count_chars,
        LISTS,
        (Goal("faster", 60, 120, "jiwer.cer"),),
    ),
    Case(
        "align",
        "full alignments of words as arrays, lists of str",
        text.align,
        LISTS,
        (Goal("faster", 50, 100, "jiwer.process_words"),),
    ),
    Case(
        "confusions",
        "S/D/I/H of words and how often which was taken for which, lists of str",
        text.confusions,
        LISTS,
        (Goal("faster", 10, None, "jiwer, collected"),),
    ),
    Case(
        "char_distance",
        "one character distance a pair, lists of str",
        text.char_distance,
        LISTS,
        (Goal("faster", 2, 4, "rapidfuzz cpdist"),),
    ),
    Case(
        "long_counts",
        "S/D/I/H of one pair of 100,000 words; peers from lists split before",
        text.long_counts,
        LISTS,
        (
            Goal("faster", 1, 3, "rapidfuzz opcodes, words"),
            Goal("faster", 1, 3, "rapidfuzz opcodes, ids"),
            Goal("memory", 200),
        ),
        size=100_000,
        quick=20_000,
        warm=3_000,
    ),
    Case(
        "long_rate",
        "WER of one pair of 100,000 words; peers from lists split before",
        text.long_rate,
        LISTS,
        (
            Goal("faster", 1, 3, "rapidfuzz distance, words"),
            Goal("faster", 1, 3, "rapidfuzz distance, ids"),
            Goal("memory", 200),
        ),
        size=100_000,
        quick=20_000,
        warm=3_000,
    ),
    Case(
        "short_call",
        "S/D/I/H of 16 pairs, a training step's worth",
        text.count_words,
        LISTS,
        (Goal("faster", 5, 15, "jiwer.wer"),),
        size=16,
        quick=16,
        warm=8,
    ),
    Case(
        "compat_jiwer",
        "assay.compat.jiwer.wer, lists of str",
        text.jiwer_import,
        LISTS,
    ),
    Case(
        "normalise_ascii",
        "pack and normalise `basic`, ASCII",
        normalise.normalise_ascii,
        ONE_LIST,
        (Goal("faster", 20, None, "Python regex"),),
    ),
    Case(
        "normalise_unicode",
        "pack and normalise `basic`, accents and typographic marks",
        normalise.normalise_unicode,
        ONE_LIST,
        (Goal("faster", 20, None, "Python regex"),),
    ),
]
