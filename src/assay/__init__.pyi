"""What __init__.py loads on first use, for type checkers and editors. A test holds both equal."""

from assay import compat as compat
from assay import core as core
from assay import demo as demo
from assay import metrics as metrics
from assay import ops as ops
from assay import readers as readers
from assay import report as report
from assay import run as run
from assay.core.errors import AssayError as AssayError
from assay.core.ragged import Ragged as Ragged
from assay.core.score import Score as Score
from assay.core.state import State as State
from assay.metrics.alignment import Alignments as Alignments
from assay.metrics.binned import BinnedSweep as BinnedSweep
from assay.metrics.binned import count_scores_binned as count_scores_binned
from assay.metrics.classification import accuracy as accuracy
from assay.metrics.classification import average_precision as average_precision
from assay.metrics.classification import best_threshold as best_threshold
from assay.metrics.classification import count_labels as count_labels
from assay.metrics.classification import count_scores as count_scores
from assay.metrics.classification import f1 as f1
from assay.metrics.classification import macro_f1 as macro_f1
from assay.metrics.classification import roc_auc as roc_auc
from assay.metrics.compare import compare as compare
from assay.metrics.confusion import Confusion as Confusion
from assay.metrics.edit_counts import EditCounts as EditCounts
from assay.metrics.fold_thresholds import threshold_over_folds as threshold_over_folds
from assay.metrics.intervals import interval as interval
from assay.metrics.multilabel import MultilabelConfusion as MultilabelConfusion
from assay.metrics.multisweep import MultiSweep as MultiSweep
from assay.metrics.partial_ranks import PartialRanks as PartialRanks
from assay.metrics.rank_counts import RankCounts as RankCounts
from assay.metrics.ranks import count_ranks as count_ranks
from assay.metrics.ranks import target_scores as target_scores
from assay.metrics.relevance import same_label as same_label
from assay.metrics.retrieval import count_rankings as count_rankings
from assay.metrics.retrieval import mean_average_precision as mean_average_precision
from assay.metrics.retrieval import recall_at_k as recall_at_k
from assay.metrics.sweep import Sweep as Sweep
from assay.metrics.words import align as align
from assay.metrics.words import cer as cer
from assay.metrics.words import count_chars as count_chars
from assay.metrics.words import count_words as count_words
from assay.metrics.words import mer as mer
from assay.metrics.words import wer as wer
from assay.metrics.words import wil as wil
from assay.metrics.words import wip as wip
from assay.ops.similarity import topk as topk
from assay.readers import read as read

__version__: str

__all__ = [
    "Alignments",
    "AssayError",
    "BinnedSweep",
    "Confusion",
    "EditCounts",
    "MultiSweep",
    "MultilabelConfusion",
    "PartialRanks",
    "Ragged",
    "RankCounts",
    "Score",
    "State",
    "Sweep",
    "accuracy",
    "align",
    "average_precision",
    "best_threshold",
    "cer",
    "compare",
    "count_chars",
    "count_labels",
    "count_rankings",
    "count_ranks",
    "count_scores",
    "count_scores_binned",
    "count_words",
    "f1",
    "interval",
    "macro_f1",
    "mean_average_precision",
    "mer",
    "read",
    "recall_at_k",
    "roc_auc",
    "same_label",
    "target_scores",
    "threshold_over_folds",
    "topk",
    "wer",
    "wil",
    "wip",
]
