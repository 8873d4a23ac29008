"""Which way is better, of a metric that is known by its name alone."""

import re

from assay.core.score import Better

__all__ = ["better_of"]

# Words of a name, as they end up between underscores and slashes. Losses and errors are asked
# first: `f1_loss` is a loss.
_LOWER = frozenset(
    (
        *("loss", "error", "errors", "wer", "cer", "mer", "wil", "ter", "eer", "fpr", "fnr"),
        *("brier", "ece", "mce", "mae", "mse", "rmse", "perplexity", "ppl"),
        *("latency", "ms", "s", "seconds", "bytes", "mb", "gb", "vram", "rss", "flops", "macs"),
    )
)
_HIGHER = frozenset(
    (
        *("accuracy", "acc", "f1", "auc", "ap", "precision", "recall", "mcc", "kappa"),
        *("specificity", "sensitivity", "map", "mrr", "ndcg", "hit", "iou", "dice", "r2"),
        *("bleu", "chrf", "rouge", "meteor", "cider", "wip", "throughput", "score"),
    )
)


def better_of(name: str) -> Better:
    """ "higher" or "lower" by the words of a name; None where they do not say.

    >>> better_of("val_macro_f1"), better_of("total_loss"), better_of("val/recall@10")
    ('higher', 'lower', 'higher')
    >>> better_of("lr") is None
    True
    """
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if words & _LOWER:
        return "lower"
    return "higher" if words & _HIGHER else None
