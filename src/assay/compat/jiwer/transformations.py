"""jiwer's ready-made chains of transforms."""

from assay.compat.jiwer import transforms as tr

__all__ = [
    "cer_contiguous",
    "cer_default",
    "wer_contiguous",
    "wer_default",
    "wer_standardize",
    "wer_standardize_contiguous",
]

# Words between spaces; other white space parts words only in runs of two or more.
wer_default = tr.Compose(
    [tr.RemoveMultipleSpaces(), tr.Strip(), tr.ReduceToListOfListOfWords()],
)

# The same over all sentences as one: for sides with different numbers of sentences.
wer_contiguous = tr.Compose(
    [
        tr.RemoveMultipleSpaces(),
        tr.Strip(),
        tr.ReduceToSingleSentence(),
        tr.ReduceToListOfListOfWords(),
    ]
)

# Lower case, contractions written out, <...> and [...] dropped, then as wer_default.
wer_standardize = tr.Compose(
    [
        tr.ToLowerCase(),
        tr.ExpandCommonEnglishContractions(),
        tr.RemoveKaldiNonWords(),
        tr.RemoveWhiteSpace(replace_by_space=True),
        tr.RemoveMultipleSpaces(),
        tr.Strip(),
        tr.ReduceToListOfListOfWords(),
    ]
)

wer_standardize_contiguous = tr.Compose(
    [
        tr.ToLowerCase(),
        tr.ExpandCommonEnglishContractions(),
        tr.RemoveKaldiNonWords(),
        tr.RemoveWhiteSpace(replace_by_space=True),
        tr.RemoveMultipleSpaces(),
        tr.Strip(),
        tr.ReduceToSingleSentence(),
        tr.ReduceToListOfListOfWords(),
    ]
)

# Code points, inner spaces included.
cer_default = tr.Compose([tr.Strip(), tr.ReduceToListOfListOfChars()])

cer_contiguous = tr.Compose(
    [tr.Strip(), tr.ReduceToSingleSentence(), tr.ReduceToListOfListOfChars()],
)
