"""jiwer 4.0's names over assay's engine: `import assay.compat.jiwer as jiwer`.

>>> from assay.compat import jiwer
>>> jiwer.wer(["the cat sat on the mat"], ["the cat sit on mat"])
0.3333333333333333

Same as jiwer 4.0 with compiled rapidfuzz
-----------------------------------------
values and their types     ints where jiwer gives ints (empty references), equal floats to the bit
alignments, S/D/I/H        compiled rapidfuzz's choice among equal ones, on every input
errors                     type and message, for input that jiwer refuses
transforms                 results, parameters, order of calls; classes of your own are called as
                           jiwer calls them: once a call, same arguments, reference first
records and pictures       fields, repr, equality, text output
command line               `python -m assay.compat.jiwer.cli`: options, output, dropped lines

Faster
------
wer, cer                   default chains (jiwer's objects, or equal ones that you composed) go
                           straight to the kernel; only the distance is computed
mer, wil, wip, process_*   counts from the kernel; token lists and alignment of process_* are built
                           when first looked at
standard transforms        run once over thousands of joined sentences; the kernel splits words
your own transforms        called as ever; only what follows them is fast

Differs
-------
pure-Python rapidfuzz      (where its extension is missing) does not divide large pairs, so beyond
                           about 2000 x 2000 tokens its alignments differ from those of its own
                           compiled form, which are ours
cost of a first look       an output builds its token lists and alignment when they are read, not
                           before process_* returns; what is printed, compared, copied or pickled
                           is the same
collect_error_counts       its dictionaries can be pickled
texts                      docstrings, --help and complaints about options are our own words
cli                        a function that takes a list of arguments, not an object of click
private names              `_word2int` and the like do not exist
"""

from assay.compat.jiwer import alignment, measures, process, transformations, transforms
from assay.compat.jiwer.alignment import (
    collect_error_counts,
    visualize_alignment,
    visualize_error_counts,
)
from assay.compat.jiwer.measures import cer, mer, wer, wil, wip
from assay.compat.jiwer.process import (
    AlignmentChunk,
    CharacterOutput,
    WordOutput,
    process_characters,
    process_words,
)
from assay.compat.jiwer.transformations import (
    cer_contiguous,
    cer_default,
    wer_contiguous,
    wer_default,
    wer_standardize,
    wer_standardize_contiguous,
)
from assay.compat.jiwer.transforms import (
    AbstractTransform,
    Compose,
    ExpandCommonEnglishContractions,
    ReduceToListOfListOfChars,
    ReduceToListOfListOfWords,
    ReduceToSingleSentence,
    RemoveEmptyStrings,
    RemoveKaldiNonWords,
    RemoveMultipleSpaces,
    RemovePunctuation,
    RemoveSpecificWords,
    RemoveWhiteSpace,
    Strip,
    SubstituteRegexes,
    SubstituteWords,
    ToLowerCase,
    ToUpperCase,
)

name = "jiwer"

__all__ = [
    "AbstractTransform",
    "AlignmentChunk",
    "CharacterOutput",
    "Compose",
    "ExpandCommonEnglishContractions",
    "ReduceToListOfListOfChars",
    "ReduceToListOfListOfWords",
    "ReduceToSingleSentence",
    "RemoveEmptyStrings",
    "RemoveKaldiNonWords",
    "RemoveMultipleSpaces",
    "RemovePunctuation",
    "RemoveSpecificWords",
    "RemoveWhiteSpace",
    "Strip",
    "SubstituteRegexes",
    "SubstituteWords",
    "ToLowerCase",
    "ToUpperCase",
    "WordOutput",
    "alignment",
    "cer",
    "cer_contiguous",
    "cer_default",
    "collect_error_counts",
    "measures",
    "mer",
    "name",
    "process",
    "process_characters",
    "process_words",
    "transformations",
    "transforms",
    "visualize_alignment",
    "visualize_error_counts",
    "wer",
    "wer_contiguous",
    "wer_default",
    "wer_standardize",
    "wer_standardize_contiguous",
    "wil",
    "wip",
]
