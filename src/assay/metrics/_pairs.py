"""What count functions and align() share: from what was given to blocks of packed pairs."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.ops import graphemes, tokens
from assay.ops import normalise as normalisers
from assay.ops import places as chosen
from assay.ops.blocks import block_size, length_of_rows
from assay.ops.edit import POLICIES
from assay.ops.places import Named, Places

Block = Callable[[], tokens.Pairs]


class PairInput:
    """n pairs of any accepted kind. blocks() gives what packs them, a part at a time, so that
    packing one block overlaps with comparing others; items() reads them back as tokens."""

    split: str  # how items are cut into units, for the signature
    ends: int  # which ends that both sides have in common are surely matched

    def __init__(
        self, reference: Any, hypothesis: Any, policy: str, normaliser: str = "none"
    ) -> None:
        if len(reference) != len(hypothesis):
            raise InputError(
                f"reference and hypothesis must have the same length, "
                f"got {len(reference)} and {len(hypothesis)}"
            )
        self.reference, self.hypothesis = reference, hypothesis
        self.n, self.normaliser = len(reference), normaliser
        self.ends = POLICIES[policy].ends

    def blocks(self) -> Iterator[Block]:
        length = max(1.0, length_of_rows(self.reference), length_of_rows(self.hypothesis))
        size = block_size(self.n, length)
        for start in range(0, self.n, size):
            yield self.block(start, min(start + size, self.n))

    def block(self, start: int, stop: int) -> Block:
        raise NotImplementedError

    def items(self, start: int, stop: int) -> list[tuple[list[str], list[str]]]:
        """Words or characters of some pairs, reference and hypothesis."""
        raise NotImplementedError

    def at(self, start: int, stop: int, *places: Places) -> tuple[Named, Named]:
        """Some tokens of pairs start..stop, of the references (rows, places in them) and of the
        hypotheses (rows, places), numbered on each side."""
        raise NotImplementedError


class TextPairs(PairInput):
    """Text, cut into words or characters by the kernels."""

    def __init__(
        self,
        reference: Any,
        hypothesis: Any,
        policy: str,
        unit: str,
        normalise: str | Callable[[str], str],
    ) -> None:
        self.normalise, name = normalisers.resolve(normalise)
        self.callers = callable(normalise)  # the caller's function runs in the caller's thread
        self.split, self.cut, self.read, self.pick = _CUTS[unit]
        super().__init__(
            tokens.column(reference, "reference"),
            tokens.column(hypothesis, "hypothesis"),
            policy,
            name,
        )
        packed = Ragged in (type(self.reference), type(self.hypothesis))
        self.listed = unit == "char" and self.normalise is None and not packed
        if unit == "word":
            self.cut = partial(tokens.word_pairs, ends=self.ends)
        elif unit == "grapheme":
            self.split = f"graphemes-{graphemes.grapheme_rule()}"

    def packed(self, start: int, stop: int) -> tuple[Ragged, Ragged]:
        ref = tokens.rows(self.reference, start, stop, "reference")
        hyp = tokens.rows(self.hypothesis, start, stop, "hypothesis")
        return (ref, hyp) if self.normalise is None else (self.normalise(ref), self.normalise(hyp))

    def block(self, start: int, stop: int) -> Block:
        if self.callers:
            return partial(self.cut, *self.packed(start, stop))
        if self.listed:
            return lambda: tokens.listed_char_pairs(
                self.reference[start:stop], self.hypothesis[start:stop], start
            )
        return lambda: self.cut(*self.packed(start, stop))

    def items(self, start: int, stop: int) -> list[tuple[list[str], list[str]]]:
        ref, hyp = self.packed(start, stop)
        return list(zip(self.read(ref), self.read(hyp), strict=True))

    def at(self, start: int, stop: int, *places: Places) -> tuple[Named, Named]:
        ref, hyp = self.packed(start, stop)
        return self.pick(ref, *places[:2]), self.pick(hyp, *places[2:])


class TokenPairs(PairInput):
    """Lists of tokens; each token is one unit."""

    split = "tokens"

    def block(self, start: int, stop: int) -> Block:
        ref, hyp = self.reference[start:stop], self.hypothesis[start:stop]
        return partial(tokens.token_pairs, ref, hyp, start, self.ends)

    def items(self, start: int, stop: int) -> list[tuple[list[str], list[str]]]:
        pairs = zip(self.reference[start:stop], self.hypothesis[start:stop], strict=True)
        return [(list(ref), list(hyp)) for ref, hyp in pairs]

    def at(self, start: int, stop: int, *places: Places) -> tuple[Named, Named]:
        ref, hyp = self.reference[start:stop], self.hypothesis[start:stop]
        return chosen.tokens_at(ref, *places[:2]), chosen.tokens_at(hyp, *places[2:])


class IdPairs(PairInput):
    """Rows of integer token ids."""

    split = "ids"

    def block(self, start: int, stop: int) -> Block:
        ref, hyp = self.reference.rows(start, stop), self.hypothesis.rows(start, stop)
        return partial(tokens.id_pairs, ref, hyp)

    def items(self, start: int, stop: int) -> list[tuple[list[str], list[str]]]:
        def one(side: Ragged, r: int) -> list[str]:
            return list(map(str, side[r].tolist()))

        return [(one(self.reference, r), one(self.hypothesis, r)) for r in range(start, stop)]

    def at(self, start: int, stop: int, *places: Places) -> tuple[Named, Named]:
        ref, hyp = self.reference.rows(start, stop), self.hypothesis.rows(start, stop)
        return chosen.ids_at(ref, *places[:2]), chosen.ids_at(hyp, *places[2:])


# unit -> how text is cut for the signature, into pairs, into strings, and at some places
_CUTS: dict[str, tuple[str, Any, Any, Any]] = {
    "word": ("spaces", tokens.word_pairs, tokens.words, chosen.words_at),
    "char": ("code-points", tokens.char_pairs, tokens.characters, chosen.characters_at),
    "grapheme": (
        "graphemes", graphemes.grapheme_pairs, graphemes.graphemes, graphemes.graphemes_at
    ),
}  # fmt: skip


def open_pairs(
    reference: Any,
    hypothesis: Any,
    unit: str,
    normalise: str | Callable[[str], str],
    lengths: tuple[Any, Any] | None,
    ignore_index: int | None,
    policy: str = "jiwer",
) -> PairInput:
    """The right PairInput for what was given; refuses options that do not go with it."""
    one_of(unit, "unit", _CUTS)
    one_of(policy, "policy", POLICIES)
    found = {tokens.kind_of(reference), tokens.kind_of(hypothesis)}
    kinds = found - {"empty", "rows"}
    if "rows" in found and "ids" not in kinds:  # empty rows are what the other side holds
        kinds.add("tokens")
    if len(kinds) > 1:
        raise InputError(
            f"reference and hypothesis must be of one kind, got {' and '.join(sorted(kinds))}"
        )
    kind = kinds.pop() if kinds else "text"
    if kind != "text" and normalise != "none":
        raise InputError(f"normalise goes with text, not with {kind}")
    if kind != "ids" and (lengths is not None or ignore_index is not None):
        raise InputError(f"lengths and ignore_index go with token ids, not with {kind}")
    if kind == "text":
        return TextPairs(reference, hypothesis, policy, unit, normalise)
    if kind == "tokens":
        return TokenPairs(reference, hypothesis, policy)
    if unit != "word":
        raise InputError(f"unit {unit!r} takes text, got token ids; each id is one unit of 'word'")
    ref_lengths, hyp_lengths = _both(lengths)
    return IdPairs(
        tokens.pack_ids(reference, ref_lengths, ignore_index, "reference"),
        tokens.pack_ids(hypothesis, hyp_lengths, ignore_index, "hypothesis"),
        policy,
    )


def _both(lengths: Any) -> tuple[Any, Any]:
    if lengths is None:
        return None, None
    if not isinstance(lengths, (tuple, list)) or len(lengths) != 2:
        raise InputError("lengths must be a pair: those of the references, those of the hypotheses")
    return lengths[0], lengths[1]
