"""Classification: what is timed against scikit-learn and torchmetrics.

A binary target with half its items positive; scores are probabilities in float32 that overlap.
"""

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from gate import Contender, Took, Work

GRID = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
CLASSES = 50
RESAMPLES = 1_000
DRAWN_MEANS = ("drawn_macro_f1", "drawn_roc_auc")
DRAWN = 5  # resamples that a slow peer draws; its time is taken RESAMPLES / DRAWN times


@cache
def items(n: int) -> tuple[Any, Any]:
    """Targets int64 [n], scores float32 [n]."""
    rng = np.random.default_rng(5)
    target = rng.integers(0, 2, n)
    score = np.clip(rng.normal(0.4 + 0.2 * target, 0.2), 0, 1)
    return target, score.astype(np.float32)


def read_once(*columns: Any) -> Callable[[], Any]:
    """What nobody can leave out."""
    return lambda: [column.sum() for column in columns]


# -- scores ----------------------------------------------------------------------------------------


def _sklearn_report(target: Any, score: Any, weights: Any = None) -> Mapping[str, float]:
    from sklearn import metrics

    own = {"sample_weight": weights}
    predicted = (score >= 0.5).astype(np.int64)
    return {
        "accuracy": metrics.accuracy_score(target, predicted, **own),
        "f1": metrics.f1_score(target, predicted, **own),
        "macro_f1": max(
            metrics.f1_score(target, (score >= t).astype(np.int64), average="macro", **own)
            for t in GRID
        ),
        "roc_auc": metrics.roc_auc_score(target, score, **own),
        "average_precision": metrics.average_precision_score(target, score, **own),
    }


def _report(*, weighted: bool) -> Callable[[int], Work]:
    def build(n: int) -> Work:
        target, score = items(n)
        weights = np.random.default_rng(7).random(n) if weighted else None

        def ours() -> Contender:
            import assay

            def run() -> Mapping[str, float]:
                s = assay.count_scores(target, score, weights=weights)
                half, best = s.at(0.5), s.best_threshold("macro_f1", grid=GRID)
                return {
                    "accuracy": half.accuracy, "f1": half.f1, "macro_f1": best.value,
                    "roc_auc": s.roc_auc, "average_precision": s.average_precision,
                }  # fmt: skip

            return Contender(run, dict)

        def peer() -> Contender:
            return Contender(lambda: _sklearn_report(target, score, weights), dict)

        return Work(
            ours=ours,
            peers={"scikit-learn": peer},
            truth=cache(lambda: _sklearn_report(target, score.astype(np.float64), weights)),
            floor=read_once(target, score, *([weights] if weighted else [])),
        )

    return build


report = _report(weighted=False)
weighted_report = _report(weighted=True)


def roc_auc(n: int) -> Work:
    target, score = items(n)

    def ours() -> Contender:
        import assay

        return Contender(lambda: assay.roc_auc(target, score), lambda value: {"roc_auc": value})

    def peer() -> Contender:
        from sklearn.metrics import roc_auc_score

        return Contender(lambda: roc_auc_score(target, score), lambda value: {"roc_auc": value})

    return Work(
        ours=ours,
        peers={"roc_auc_score": peer},
        truth=cache(lambda: {"roc_auc": _sklearn_report(target, score)["roc_auc"]}),
        floor=read_once(target, score),
    )


def _of_all_thresholds(target: Any, score: Any) -> tuple[float, float]:
    """The best macro-F1 over all scores, vectorised over scikit-learn's confusions."""
    from sklearn.metrics import confusion_matrix_at_thresholds

    tn, fp, fn, tp, thresholds = confusion_matrix_at_thresholds(target, score)
    values = tp / (2 * tp + fp + fn) + tn / (2 * tn + fp + fn)
    at = np.argmax(values)
    return float(values[at]), float(thresholds[at])


def best_threshold(n: int) -> Work:
    target, score = items(n)

    def ours() -> Contender:
        import assay

        return Contender(
            lambda: assay.count_scores(target, score).best_threshold("macro_f1"),
            lambda best: {"macro_f1": best.value},
        )

    def peer() -> Contender:
        return Contender(
            lambda: _of_all_thresholds(target, score), lambda found: {"macro_f1": found[0]}
        )

    return Work(
        ours=ours,
        peers={"confusion_matrix_at_thresholds": peer},
        truth=cache(lambda: {"macro_f1": _of_all_thresholds(target, score)[0]}),
        floor=read_once(target, score),
    )


# -- labels ----------------------------------------------------------------------------------------


def labels_report(n: int) -> Work:
    """Scores of n labels, of which seven in ten are right."""
    rng = np.random.default_rng(8)
    target = rng.integers(0, CLASSES, n)
    predicted = np.where(rng.random(n) < 0.7, target, rng.integers(0, CLASSES, n))

    def ours() -> Contender:
        import assay

        def run() -> Mapping[str, float]:
            counts = assay.count_labels(target, predicted)
            return {name: counts[name] for name in ("accuracy", "macro_f1", "mcc")}

        return Contender(run, dict)

    def theirs() -> Mapping[str, float]:
        from sklearn import metrics

        return {
            "accuracy": metrics.accuracy_score(target, predicted),
            "macro_f1": metrics.f1_score(target, predicted, average="macro"),
            "mcc": metrics.matthews_corrcoef(target, predicted),
        }

    return Work(
        ours=ours,
        peers={"scikit-learn": lambda: Contender(theirs, dict)},
        truth=cache(theirs),
        floor=lambda: np.bincount(target * CLASSES + predicted),
    )


# -- a training step -------------------------------------------------------------------------------


def step(n: int) -> Work:
    """One call on a batch: counts that add (ours, torchmetrics), or the value (scikit-learn)."""
    target, score = items(n)
    predicted = (score >= 0.5).astype(np.int64)

    def ours() -> Contender:
        import assay

        return Contender(
            lambda: assay.count_labels(target, predicted), lambda counts: {"f1": counts.f1}
        )

    def torchmetrics() -> Contender:
        import torch
        from torchmetrics.classification import BinaryF1Score

        own, guess = torch.from_numpy(target), torch.from_numpy(predicted)

        def read(_: Any) -> Mapping[str, float]:
            metric = BinaryF1Score()
            metric.update(guess, own)
            return {"f1": float(metric.compute())}

        metric = BinaryF1Score()
        return Contender(lambda: metric.update(guess, own), read)

    def sklearn() -> Contender:
        from sklearn.metrics import f1_score

        return Contender(lambda: f1_score(target, predicted), lambda value: {"f1": value})

    tp = int((target & predicted).sum())
    return Work(
        ours=ours,
        peers={"BinaryF1Score.update": torchmetrics, "f1_score": sklearn},
        truth=lambda: {"f1": 2 * tp / int(target.sum() + predicted.sum())},
        floor=lambda: np.bincount(target * 2 + predicted),
    )


# -- resamples -------------------------------------------------------------------------------------


def bootstrap(n: int) -> Work:
    """95 % intervals of macro-F1 and ROC-AUC from RESAMPLES bootstrap resamples. The peer draws
    DRAWN of them, whose means are checked, and its time is taken RESAMPLES / DRAWN times."""
    target, score = items(n)
    predicted = (score >= 0.5).astype(np.int64)

    def ours() -> Contender:
        import assay

        labels, scores = assay.count_labels(target, predicted), assay.count_scores(target, score)

        def run() -> Any:
            return [
                assay.interval(state, name, resamples=RESAMPLES)
                for state, name in ((labels, "macro_f1"), (scores, "roc_auc"))
            ]

        def read(found: Any) -> Mapping[str, float]:
            widths = {i.metric: i.high - i.low for i in found}
            return {"macro_f1": widths["macro_f1"], "roc_auc": widths["roc_auc"]}

        return Contender(run, read)

    def peer() -> Contender:
        from sklearn.metrics import f1_score, roc_auc_score

        def run() -> Took:
            start = time.perf_counter()
            rng = np.random.default_rng(6)
            found = []
            for _ in range(DRAWN):
                rows = rng.integers(0, n, n)
                f1 = f1_score(target[rows], predicted[rows], average="macro")
                found.append((f1, roc_auc_score(target[rows], score[rows])))
            return Took((time.perf_counter() - start) * RESAMPLES / DRAWN, np.mean(found, axis=0))

        return Contender(run, lambda took: dict(zip(DRAWN_MEANS, took.result, strict=True)))

    def of_drawn() -> Mapping[str, float]:
        """The means over the peer's resamples, from counts and ranks of its rows."""
        rng = np.random.default_rng(6)
        found = []
        for _ in range(DRAWN):
            rows = rng.integers(0, n, n)
            tn, fp, fn, tp = np.bincount(target[rows] * 2 + predicted[rows], minlength=4)
            below, _ = placements(score[rows][target[rows] == 0], score[rows][target[rows] == 1])
            f1 = tp / (2 * tp + fp + fn) + tn / (2 * tn + fp + fn)
            found.append((f1, below.mean()))
        return dict(zip(DRAWN_MEANS, np.mean(found, axis=0), strict=True))

    def placements(low: Any, high: Any) -> tuple[Any, Any]:
        """Of each positive the share of negatives below it, of each negative that of positives
        above it; ties one half."""
        shares = []
        for own, others in ((high, np.sort(low)), (-low, np.sort(-high))):
            sides = (np.searchsorted(others, own, side) for side in ("left", "right"))
            shares.append(sum(sides) / (2 * len(others)))
        return shares[0], shares[1]

    @cache
    def theory() -> Mapping[str, float]:
        """Widths of 95 % intervals: the delta method over cells, and DeLong."""
        cells = np.bincount(target * 2 + predicted, minlength=4) / n
        tn, fp, fn, tp = cells
        below_p, below_n = 2 * tp + fp + fn, 2 * tn + fp + fn
        miss = -tp / below_p**2 - tn / below_n**2
        slopes = np.array([(fp + fn) / below_n**2, miss, miss, (fp + fn) / below_p**2])
        variance = (cells * slopes**2).sum() - (cells * slopes).sum() ** 2
        width = 2 * 1.959964
        below, above = placements(score[target == 0], score[target == 1])
        of_area = below.var(ddof=1) / len(below) + above.var(ddof=1) / len(above)
        widths = {"macro_f1": width * np.sqrt(variance / n), "roc_auc": width * np.sqrt(of_area)}
        return {**widths, **of_drawn()}

    return Work(
        ours=ours,
        peers={"scikit-learn, resampled": peer},
        truth=theory,
        floor=lambda: np.random.default_rng(0).integers(0, n, n),
    )
