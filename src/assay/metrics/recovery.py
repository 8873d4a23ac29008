"""Recovery: how much of what pruning or quantisation took fine-tuning brings back."""

import math

from assay.core.errors import InputError
from assay.core.score import Score, provenance
from assay.core.state import State

__all__ = ["recovery"]


def recovery(before: State, pruned: State, tuned: State, name: str = "macro_f1") -> list[Score]:
    """A metric before pruning, after it, and after fine-tuning, and the share that came back.

    before, pruned, tuned: what one count function gave of the three models over the same items.
    name: a score that they have. The scores are {name}_before, {name}_pruned, {name}_fine_tuned,
    and {name}_recovery = (tuned - pruned) / (before - pruned): 1 where all came back, above it
    where more did, below 0 where fine-tuning did harm, nan where nothing was lost. Tags say of
    what: run.log(recovery(…), stage="prune", pruning_method="l1", sparsity="0.5").
    InputError for a metric that is not there, or was counted otherwise or over other items.

    >>> from assay import count_labels
    >>> truth = [0, 1, 0, 1]
    >>> models = [0, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1]
    >>> scores = recovery(*(count_labels(truth, model) for model in models), "accuracy")
    >>> {score.name: score.value for score in scores}["accuracy_recovery"]
    0.5
    """
    first, second, third = (
        _score_of(state, name, what)
        for state, what in ((before, "before"), (pruned, "pruned"), (tuned, "tuned"))
    )
    for score, what in ((second, "pruned"), (third, "tuned")):
        if score.signature != first.signature:
            raise InputError(
                f"recovery: {name} of before and {what} must be counted alike, got "
                f"{first.signature} and {score.signature}"
            )
        if score.n != first.n:
            raise InputError(
                f"recovery: before and {what} must be of the same items, got {first.n:,} and "
                f"{score.n:,}"
            )
    lost = first.value - second.value
    share = (third.value - second.value) / lost if lost else math.nan
    named = (("before", first), ("pruned", second), ("fine_tuned", third))
    signature = f"{name}_recovery|(tuned-pruned)/(before-pruned)|{first.signature}"
    return [
        *(
            Score(f"{name}_{suffix}", s.value, s.unit, s.better, s.n, {}, s.signature, s.provenance)
            for suffix, s in named
        ),
        Score(f"{name}_recovery", share, "fraction", "higher", first.n, {}, signature,
              provenance()),
    ]  # fmt: skip


def _score_of(state: State, name: str, what: str) -> Score:
    found = {score.name: score for score in state.total_scores()}
    if name not in found:
        raise InputError(f"recovery: {what} has no score {name!r}; it has {', '.join(found)}")
    return found[name]
