"""assay: exact, fast metrics for machine-learning evaluation.

Public names are loaded on first use, so `import assay` costs nothing but this file.
"""

from importlib import import_module
from typing import Any

# public name -> the module it lives in
_HOME = {
    "AssayError": "assay.core.errors",
    "Ragged": "assay.core.ragged",
    "Score": "assay.core.score",
    "State": "assay.core.state",
    "EditCounts": "assay.metrics.edit_counts",
    "Alignments": "assay.metrics.alignment",
    "align": "assay.metrics.words",
    "cer": "assay.metrics.words",
    "count_chars": "assay.metrics.words",
    "count_words": "assay.metrics.words",
    "KeywordCounts": "assay.metrics.keywords",
    "count_keywords": "assay.metrics.keywords",
    "mer": "assay.metrics.words",
    "wer": "assay.metrics.words",
    "wil": "assay.metrics.words",
    "wip": "assay.metrics.words",
    "Confusion": "assay.metrics.confusion",
    "MultiSweep": "assay.metrics.multisweep",
    "MultilabelConfusion": "assay.metrics.multilabel",
    "Sweep": "assay.metrics.sweep",
    "accuracy": "assay.metrics.classification",
    "average_precision": "assay.metrics.classification",
    "best_threshold": "assay.metrics.classification",
    "count_labels": "assay.metrics.classification",
    "count_scores": "assay.metrics.classification",
    "count_scores_binned": "assay.metrics.binned",
    "BinnedSweep": "assay.metrics.binned",
    "threshold_over_folds": "assay.metrics.fold_thresholds",
    "f1": "assay.metrics.classification",
    "macro_f1": "assay.metrics.classification",
    "roc_auc": "assay.metrics.classification",
    "RankCounts": "assay.metrics.rank_counts",
    "PartialRanks": "assay.metrics.partial_ranks",
    "count_rankings": "assay.metrics.retrieval",
    "count_ranks": "assay.metrics.ranks",
    "mean_average_precision": "assay.metrics.retrieval",
    "recall_at_k": "assay.metrics.retrieval",
    "same_label": "assay.metrics.relevance",
    "target_scores": "assay.metrics.ranks",
    "topk": "assay.ops.similarity",
    "FlopCounts": "assay.metrics.flops",
    "Footprint": "assay.metrics.footprint",
    "FootprintComparison": "assay.metrics.footprint",
    "compare_footprint": "assay.metrics.footprint",
    "flops": "assay.metrics.flops",
    "footprint": "assay.metrics.footprint",
    "recovery": "assay.metrics.recovery",
    "Run": "assay.run.journal",
    "BleuCounts": "assay.metrics.bleu",
    "bleu": "assay.metrics.bleu",
    "count_bleu": "assay.metrics.bleu",
    "ChrfCounts": "assay.metrics.chrf",
    "chrf": "assay.metrics.chrf",
    "count_chrf": "assay.metrics.chrf",
    "RougeL": "assay.metrics.rouge",
    "count_rouge_l": "assay.metrics.rouge",
    "rouge_l": "assay.metrics.rouge",
    "Cider": "assay.metrics.cider",
    "DocumentFrequency": "assay.metrics.cider",
    "cider": "assay.metrics.cider",
    "count_cider": "assay.metrics.cider",
    "count_document_frequency": "assay.metrics.cider",
    "spider": "assay.metrics.cider",
    "Meteor": "assay.metrics.meteor",
    "MeteorCounts": "assay.metrics.meteor15",
    "count_meteor": "assay.metrics.meteor",
    "meteor": "assay.metrics.meteor",
    "TerCounts": "assay.metrics.ter",
    "count_ter": "assay.metrics.ter",
    "ter": "assay.metrics.ter",
    "compare": "assay.metrics.compare",
    "holm": "assay.metrics.comparisons",
    "interval": "assay.metrics.intervals",
    "nadeau_bengio": "assay.metrics.significance",
    "poisson_bootstrap": "assay.metrics.bootstrap",
    "PoissonBootstrap": "assay.metrics.bootstrap",
    "Drift": "assay.metrics.drift",
    "Generation": "assay.metrics.generation",
    "Latency": "assay.metrics.latency_state",
    "LatencyComparison": "assay.metrics.latency_compare",
    "LatencySweep": "assay.metrics.latency_sweep",
    "MeasurementWarning": "assay.metrics.latency",
    "Memory": "assay.metrics.memory",
    "VramSampler": "assay.metrics.memory",
    "count_drift": "assay.metrics.drift",
    "latency": "assay.metrics.latency",
    "latency_compare": "assay.metrics.latency_compare",
    "latency_stream": "assay.metrics.generation",
    "latency_sweep": "assay.metrics.latency_sweep",
    "Distillation": "assay.metrics.distillation",
    "Mean": "assay.metrics.mean",
    "count_distillation": "assay.metrics.distillation",
    "count_mean": "assay.metrics.mean",
    "Meter": "assay.run.meter",
    "Meters": "assay.run.meters",
    "RetrievalMeter": "assay.run.retrieval_meter",
    "add_states": "assay.run.state_rows",
    "state_rows": "assay.run.state_rows",
    "Timer": "assay.metrics.timer",
    "Timings": "assay.metrics.timings",
    "read": "assay.readers",
}
_ROOMS = ("compat", "core", "demo", "metrics", "ops", "readers", "report", "run", "trackers")

__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value
    if name == "__version__":
        from importlib.metadata import version

        return version("assay")
    if name in _ROOMS:
        return import_module(f"assay.{name}")
    raise AttributeError(f"module 'assay' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, *_ROOMS])
