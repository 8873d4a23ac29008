"""Transcripts: what is timed against jiwer and rapidfuzz, and what it is checked against.

Data are made once a case; contenders import what they need when they are asked for, so that the
process that measures a peer's memory loads only that peer.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from itertools import zip_longest
from typing import Any

import numpy as np
from corpus import corpus, document
from gate import Contender, Work

BLOCK = 1024


# -- truths and floors -----------------------------------------------------------------------------


@cache
def pairs(n: int) -> tuple[list[str], list[str]]:
    return corpus(n).lists()


def _counts(output: Any) -> list[int]:
    return [output.hits, output.substitutions, output.deletions, output.insertions]


@cache
def _words_truth(n: int) -> Mapping[str, Any]:
    import jiwer

    output = jiwer.process_words(*pairs(n))
    chunks = [chunk for chunks in output.alignments for chunk in chunks]
    kinds = {"equal": 0, "substitute": 1, "delete": 2, "insert": 3}
    return {
        "rate": output.wer,
        "counts": _counts(output),
        "kind": np.array([kinds[c.type] for c in chunks]),
        "spans": np.array(
            [(c.ref_start_idx, c.ref_end_idx, c.hyp_start_idx, c.hyp_end_idx) for c in chunks]
        ),
        "offsets": np.cumsum([0, *map(len, output.alignments)]),
    }


@cache
def _chars_truth(n: int) -> Mapping[str, Any]:
    import jiwer

    output = jiwer.process_characters(*pairs(n))
    return {"rate": output.cer, "counts": _counts(output)}


def read_bytes(*buffers: Any) -> int:
    """Read every byte once: the sum of 64-bit words."""
    arrays = [np.frombuffer(buffer, np.uint8) for buffer in buffers if buffer is not None]
    return sum(int(a[: a.size // 8 * 8].view(np.uint64).sum()) for a in arrays)


def read_lists(*sides: list[str]) -> int:
    """Join, encode and read, a block at a time: larger pieces leave the processor's caches."""
    return sum(
        read_bytes("".join(side[start : start + BLOCK]).encode())
        for side in sides
        for start in range(0, len(side), BLOCK)
    )


# -- ours and peers --------------------------------------------------------------------------------


def _ours(
    name: str, read: Callable[[Any], Mapping[str, Any]], ref: Any, hyp: Any
) -> Callable[[], Contender]:
    def make() -> Contender:
        import assay

        function = getattr(assay, name)
        return Contender(lambda: function(ref, hyp), read)

    return make


def _rate(value: float) -> Mapping[str, Any]:
    return {"rate": value}


def _rate_and_counts(state: Any) -> Mapping[str, Any]:
    return {"rate": state.error_rate, "counts": _counts(state)}


def _jiwer(name: str, ref: list[str], hyp: list[str]) -> Callable[[], Contender]:
    def make() -> Contender:
        import jiwer

        function = getattr(jiwer, name)
        read = _rate if name in ("wer", "cer") else lambda output: {"counts": _counts(output)}
        return Contender(lambda: function(ref, hyp), read)

    return make


def _of_lists(
    name: str,
    read: Callable[[Any], Mapping[str, Any]],
    truth: Callable[[int], Mapping[str, Any]],
    peer: str,
) -> Callable[[int], Work]:
    def build(n: int) -> Work:
        ref, hyp = pairs(n)
        return Work(
            ours=_ours(name, read, ref, hyp),
            peers={f"jiwer.{peer}": _jiwer(peer, ref, hyp)},
            truth=lambda: truth(n),
            floor=lambda: read_lists(ref, hyp),
        )

    return build


count_words = _of_lists("count_words", _rate_and_counts, _words_truth, "wer")
cer = _of_lists("cer", _rate, _chars_truth, "cer")
count_chars = _of_lists("count_chars", _rate_and_counts, _chars_truth, "cer")


def count_words_kaldi(n: int) -> Work:
    """Ours and kaldialign's from strings, which kaldialign has split."""
    ref, hyp = pairs(n)

    def ours() -> Contender:
        import assay

        return Contender(lambda: assay.count_words(ref, hyp, policy="kaldi"), _rate_and_counts)

    def theirs() -> Any:
        from kaldialign import batch_error_rate

        return batch_error_rate([r.split() for r in ref], [h.split() for h in hyp])

    def read(found: Any) -> Mapping[str, Any]:
        errors = [found[name] for name in ("sub", "del", "ins")]
        hits = found["ref_len"] - errors[0] - errors[1]
        return {"rate": found["err_rate"], "counts": [hits, *errors]}

    def peer() -> Contender:
        import kaldialign  # noqa: F401

        return Contender(theirs, read)

    return Work(
        ours=ours,
        peers={"kaldialign": peer},
        truth=cache(lambda: read(theirs())),
        floor=lambda: read_lists(ref, hyp),
    )


def _alignment(found: Any) -> Mapping[str, Any]:
    spans = np.stack([found.ref_start, found.ref_end, found.hyp_start, found.hyp_end], axis=1)
    return {"kind": found.kind, "spans": spans, "offsets": found.offsets}


align = _of_lists("align", _alignment, _words_truth, "process_words")


def confusions(n: int) -> Work:
    """jiwer aligns, then collects; substitutions of several words have one key there, so both are
    held against a plain loop over jiwer's chunks."""
    ref, hyp = pairs(n)

    def ours() -> Contender:
        import assay

        return Contender(
            lambda: assay.count_words(ref, hyp, confusions=True),
            lambda state: {"times": np.sort(list(state.confusions.values()))},
        )

    def peer() -> Contender:
        import jiwer

        def run() -> Any:
            output = jiwer.process_words(ref, hyp)
            return output, jiwer.collect_error_counts(output)

        return Contender(run, lambda found: {"counts": _counts(found[0])})

    return Work(
        ours=ours,
        peers={"jiwer, collected": peer},
        truth=lambda: {**_words_truth(n), "times": _confused(n)},
        floor=lambda: read_lists(ref, hyp),
    )


@cache
def _confused(n: int) -> Any:
    import jiwer

    output = jiwer.process_words(*pairs(n))
    found: Counter[tuple[str | None, str | None]] = Counter()
    for refs, hyps, chunks in zip(
        output.references, output.hypotheses, output.alignments, strict=True
    ):
        for c in chunks:
            if c.type != "equal":
                one = refs[c.ref_start_idx : c.ref_end_idx]
                found.update(zip_longest(one, hyps[c.hyp_start_idx : c.hyp_end_idx]))
    return np.sort(list(found.values()))


def count_words_arrow(n: int) -> Work:
    ref, hyp = corpus(n).columns()
    return Work(
        ours=_ours("count_words", _rate_and_counts, ref, hyp),
        peers={"jiwer.wer": _jiwer("wer", *pairs(n))},
        truth=lambda: _words_truth(n),
        floor=lambda: read_bytes(*ref.buffers()[1:], *hyp.buffers()[1:]),
    )


def jiwer_import(n: int) -> Work:
    ref, hyp = pairs(n)

    def ours() -> Contender:
        from assay.compat import jiwer

        return Contender(lambda: jiwer.wer(ref, hyp), _rate)

    return Work(
        ours=ours,
        peers={"jiwer.wer": _jiwer("wer", ref, hyp)},
        truth=lambda: _words_truth(n),
        floor=lambda: read_lists(ref, hyp),
    )


def char_distance(n: int) -> Work:
    """What assay.cer computes, before its sum: one distance a pair."""
    ref, hyp = pairs(n)

    def ours() -> Contender:
        from assay.metrics._pairs import open_pairs
        from assay.ops.edit import DISTANCE, compare_blocks

        def run() -> Any:
            opened = open_pairs(ref, hyp, "char", "none", None, None)
            return compare_blocks(opened.blocks(), DISTANCE).distance

        return Contender(run, _distances)

    def cpdist() -> Contender:
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cpdist

        return Contender(
            lambda: cpdist(ref, hyp, scorer=Levenshtein.distance, workers=-1), _distances
        )

    def truth() -> Mapping[str, Any]:
        from rapidfuzz.distance import Levenshtein

        return {"distance": [*map(Levenshtein.distance, ref, hyp)]}

    return Work(
        ours=ours,
        peers={"rapidfuzz cpdist": cpdist},
        truth=truth,
        floor=lambda: read_lists(ref, hyp),
    )


def _distances(found: Any) -> Mapping[str, Any]:
    return {"distance": np.asarray(found)}


def _rapidfuzz(name: str, ref: Any, hyp: Any) -> Callable[[], Contender]:
    def make() -> Contender:
        from rapidfuzz.distance import Levenshtein

        function = getattr(Levenshtein, name)
        return Contender(lambda: function(ref, hyp), _edits if name == "opcodes" else _distances)

    return make


def _edits(opcodes: Any) -> Mapping[str, Any]:
    sizes = dict.fromkeys(("equal", "replace", "delete", "insert"), 0)
    for tag, a, b, c, d in opcodes:
        sizes[tag] += max(b - a, d - c)
    return {"counts": [*sizes.values()]}


def _long_pair(
    name: str, read: Callable[[Any], Mapping[str, Any]], peer: str
) -> Callable[[int], Work]:
    """Peers get words, or their numbers, in lists that are made before the clock starts."""

    def build(n: int) -> Work:
        pair = document(n)
        ref, hyp = pair.lists()
        words = ref[0].split(" "), hyp[0].split(" ")
        ids = pair.ref_ids.tolist(), pair.hyp_ids.tolist()

        def truth() -> Mapping[str, Any]:
            counts = _edits(_rapidfuzz("opcodes", *words)().run())["counts"]
            return {
                "counts": counts,
                "distance": sum(counts[1:]),
                "rate": sum(counts[1:]) / len(words[0]),
            }

        return Work(
            ours=_ours(name, read, ref, hyp),
            peers={
                f"rapidfuzz {peer}, words": _rapidfuzz(peer, *words),
                f"rapidfuzz {peer}, ids": _rapidfuzz(peer, *ids),
            },
            truth=truth,
            floor=lambda: read_lists(ref, hyp),
        )

    return build


long_counts = _long_pair("count_words", _rate_and_counts, "opcodes")
long_rate = _long_pair("wer", _rate, "distance")
