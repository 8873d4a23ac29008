"""Text cut into words by named tokenisers, as spaces between them.

    none    at white space
    13a     as mteval-v13a, the default of WMT and of sacrebleu
    intl    as mteval-v14 --international-tokenization: at punctuation and symbols of Unicode
    char    into code points, white space left out
    ptb     as pycocoevalcap's PTBTokenizer, by its jar: lower case, without punctuation

Text goes in and comes out as UTF-8 rows; in what comes out all white space is U+0020, as many of
them as may be. ASCII is cut by a table of 128 kinds. Beyond it `intl` asks the package regex what
is punctuation, a symbol or a number, so that results are those of sacrebleu with the same version
of Unicode.
"""

import functools
import re
import string
import sys
import unicodedata
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.optional import require
from assay.core.ragged import Ragged
from assay.ops import _cut_kernels as kernels
from assay.ops import _token_kernels
from assay.ops.java import run_jar
from assay.ops.normalise import rewritten
from assay.ops.tokens import pack, strings

__all__ = [
    "TOKENIZERS",
    "cut_marks",
    "cut_none",
    "cut_ptb",
    "drop_white_space",
    "lowered",
    "tokenizer",
]

Kinds = npt.NDArray[np.uint8]
Cut = Callable[[Ragged], Ragged]

_NO_CLASSES = np.zeros(0, np.uint8)
_LINE_ENDS = re.compile("[\n\v\f\r\u2028\u2029]")
_PTB_JAR = "tokenizer/stanford-corenlp-3.4.1.jar"
_PTB = ("-cp", "JAR", "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase")
_PTB_MATTERS = "tokenizer 'ptb': scores of text cut otherwise do not match published COCO scores"
_PTB_PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", *".?!,:-;", "--", "..."]
)
_WRITTEN_FORMS = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def tokenizer(name: str) -> Cut:
    """The tokeniser of a name."""
    return TOKENIZERS[one_of(name, "tokenizer", TOKENIZERS)]


def cut_none(text: Ragged) -> Ragged:
    """Words are what white space leaves, as str.split has it."""
    if not _token_kernels.has_odd_bytes(text.values):
        return text
    values = text.values.copy()
    kernels.blank_all_white_space(values, text.offsets)
    return _frozen(values, text.offsets)


def cut_13a(text: Ragged) -> Ragged:
    """As sacrebleu's Tokenizer13a."""
    written = kernels.find_written_forms(text.values, text.offsets)
    if written.any():
        text = rewritten(text, written, _plain_form)
    text = cut_none(text)
    cut = kernels.cut_punctuation(text.values, text.offsets, _kinds_13a(), _NO_CLASSES, False)
    return _frozen(*cut)


def _plain_form(line: str) -> str:
    line = line.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for form, character in _WRITTEN_FORMS:
        line = line.replace(form, character)
    return line


def cut_intl(text: Ragged) -> Ragged:
    """As sacrebleu's TokenizerV14International."""
    text = cut_none(text)
    beyond = _token_kernels.has_high_bytes(text.values)
    classes = _classes_intl() if beyond else _NO_CLASSES
    cut = kernels.cut_punctuation(text.values, text.offsets, _kinds_intl(), classes, True)
    return _frozen(*cut)


def cut_char(text: Ragged) -> Ragged:
    """As sacrebleu's TokenizerChar."""
    text = cut_none(text)
    return _frozen(*kernels.cut_characters(text.values, text.offsets))


def cut_marks(text: Ragged) -> Ragged:
    """Words with a punctuation mark of ASCII cut off, as sacrebleu's CHRF has them."""
    text = cut_none(text)
    return _frozen(*kernels.cut_marks(text.values, text.offsets, _marks()))


def cut_ptb(text: Ragged) -> Ragged:
    """As pycocoevalcap's PTBTokenizer: words between single U+0020, of which those that hold a
    fraction hold a U+00A0. A Java process, so one call for many rows.

    Whatever Java takes for the end of a line is white space; pycocoevalcap would give each line
    behind it to another caption.
    """
    lines = [_LINE_ENDS.sub(" ", line) for line in strings(text)]
    cut = run_jar(_PTB_JAR, _PTB, lines, _PTB_MATTERS) if lines else []
    words = (line.rstrip().split(" ") for line in cut)
    return pack([" ".join(w for w in line if w not in _PTB_PUNCTUATION) for line in words])


def lowered(text: Ragged) -> Ragged:
    """Text in lower case, as str.lower has it."""
    values = _lower_ascii()[text.values]
    beyond = np.flatnonzero(values & 0x80)
    if not len(beyond):
        return _frozen(values, text.offsets)
    chosen = np.zeros(len(text) + 1, np.bool_)  # bytes before and behind the rows are in none
    chosen[np.searchsorted(text.offsets, beyond, "right") - 1] = True
    return rewritten(Ragged(values, text.offsets), chosen[:-1], str.lower)


def drop_white_space(text: Ragged) -> Ragged:
    """Text without white space."""
    text = cut_none(text)
    return _frozen(*kernels.drop_spaces(text.values, text.offsets))


TOKENIZERS: dict[str, Cut] = {
    "13a": cut_13a,
    "intl": cut_intl,
    "char": cut_char,
    "none": cut_none,
    "ptb": cut_ptb,
}


# -- tables --------------------------------------------------------------------------------------


def _frozen(values: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Ragged:
    values.flags.writeable = False  # one array type, so one compiled kernel
    return Ragged(values, offsets)


@functools.cache
def _kinds_13a() -> Kinds:
    symbols = re.compile(r"[{-~\[-` -&(-+:-@/]")
    kinds = np.zeros(128, np.uint8)
    for point in range(128):
        kinds[point] |= kernels.SYMBOL * bool(symbols.match(chr(point)))
    kinds[0x20] = 0  # a space in spaces changes nothing
    kinds[[ord(c) for c in ".,"]] = kernels.POINT
    kinds[[ord(c) for c in string.digits]] = kernels.DIGIT
    kinds[ord("-")] = kernels.DASH
    return kinds


@functools.cache
def _kinds_intl() -> Kinds:
    """Of ASCII, where versions of Unicode agree."""
    kinds = {"P": kernels.POINT, "S": kernels.SYMBOL, "N": kernels.DIGIT}
    categories = [unicodedata.category(chr(point))[0] for point in range(128)]
    return np.array([kinds.get(category, 0) for category in categories], np.uint8)


@functools.cache
def _classes_intl() -> Kinds:
    """Of all code points (0.2 s, once)."""
    regex = require("regex")
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    classes = np.zeros(sys.maxunicode + 1, np.uint8)
    for name, kind in (("P", kernels.POINT), ("S", kernels.SYMBOL), ("N", kernels.DIGIT)):
        found = regex.findall(rf"\p{{{name}}}+", everything)
        classes[[ord(character) for run in found for character in run]] = kind
    return classes


@functools.cache
def _lower_ascii() -> npt.NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    table[[ord(c) for c in string.ascii_uppercase]] += 0x20
    return table


@functools.cache
def _marks() -> npt.NDArray[np.bool_]:
    marks = np.zeros(256, np.bool_)
    marks[[ord(c) for c in string.punctuation]] = True
    return marks
