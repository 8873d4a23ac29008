"""What __init__.py loads on first use, for type checkers and editors. A test holds both equal."""

from assay import compat as compat
from assay import core as core
from assay import demo as demo
from assay import metrics as metrics
from assay import ops as ops
from assay import readers as readers
from assay import report as report
from assay import run as run
from assay import trackers as trackers
from assay.core.errors import AssayError as AssayError
from assay.core.ragged import Ragged as Ragged
from assay.core.score import Score as Score
from assay.core.state import State as State
from assay.metrics.alignment import Alignments as Alignments
from assay.metrics.binned import BinnedSweep as BinnedSweep
from assay.metrics.binned import count_scores_binned as count_scores_binned
from assay.metrics.bleu import BleuCounts as BleuCounts
from assay.metrics.bleu import bleu as bleu
from assay.metrics.bleu import count_bleu as count_bleu
from assay.metrics.bootstrap import PoissonBootstrap as PoissonBootstrap
from assay.metrics.bootstrap import poisson_bootstrap as poisson_bootstrap
from assay.metrics.chrf import ChrfCounts as ChrfCounts
from assay.metrics.chrf import chrf as chrf
from assay.metrics.chrf import count_chrf as count_chrf
from assay.metrics.cider import Cider as Cider
from assay.metrics.cider import DocumentFrequency as DocumentFrequency
from assay.metrics.cider import cider as cider
from assay.metrics.cider import count_cider as count_cider
from assay.metrics.cider import count_document_frequency as count_document_frequency
from assay.metrics.cider import spider as spider
from assay.metrics.classification import accuracy as accuracy
from assay.metrics.classification import average_precision as average_precision
from assay.metrics.classification import best_threshold as best_threshold
from assay.metrics.classification import count_labels as count_labels
from assay.metrics.classification import count_scores as count_scores
from assay.metrics.classification import f1 as f1
from assay.metrics.classification import macro_f1 as macro_f1
from assay.metrics.classification import roc_auc as roc_auc
from assay.metrics.compare import compare as compare
from assay.metrics.comparisons import holm as holm
from assay.metrics.confusion import Confusion as Confusion
from assay.metrics.distillation import Distillation as Distillation
from assay.metrics.distillation import count_distillation as count_distillation
from assay.metrics.drift import Drift as Drift
from assay.metrics.drift import count_drift as count_drift
from assay.metrics.edit_counts import EditCounts as EditCounts
from assay.metrics.flops import FlopCounts as FlopCounts
from assay.metrics.flops import flops as flops
from assay.metrics.fold_thresholds import threshold_over_folds as threshold_over_folds
from assay.metrics.footprint import Footprint as Footprint
from assay.metrics.footprint import FootprintComparison as FootprintComparison
from assay.metrics.footprint import compare_footprint as compare_footprint
from assay.metrics.footprint import footprint as footprint
from assay.metrics.generation import Generation as Generation
from assay.metrics.generation import latency_stream as latency_stream
from assay.metrics.intervals import interval as interval
from assay.metrics.keywords import KeywordCounts as KeywordCounts
from assay.metrics.keywords import count_keywords as count_keywords
from assay.metrics.latency import MeasurementWarning as MeasurementWarning
from assay.metrics.latency import latency as latency
from assay.metrics.latency_compare import LatencyComparison as LatencyComparison
from assay.metrics.latency_compare import latency_compare as latency_compare
from assay.metrics.latency_state import Latency as Latency
from assay.metrics.latency_sweep import LatencySweep as LatencySweep
from assay.metrics.latency_sweep import latency_sweep as latency_sweep
from assay.metrics.mean import Mean as Mean
from assay.metrics.mean import count_mean as count_mean
from assay.metrics.memory import Memory as Memory
from assay.metrics.memory import VramSampler as VramSampler
from assay.metrics.meteor import Meteor as Meteor
from assay.metrics.meteor import count_meteor as count_meteor
from assay.metrics.meteor import meteor as meteor
from assay.metrics.meteor15 import MeteorCounts as MeteorCounts
from assay.metrics.multilabel import MultilabelConfusion as MultilabelConfusion
from assay.metrics.multisweep import MultiSweep as MultiSweep
from assay.metrics.partial_ranks import PartialRanks as PartialRanks
from assay.metrics.rank_counts import RankCounts as RankCounts
from assay.metrics.ranks import count_ranks as count_ranks
from assay.metrics.ranks import target_scores as target_scores
from assay.metrics.recovery import recovery as recovery
from assay.metrics.relevance import same_label as same_label
from assay.metrics.retrieval import count_rankings as count_rankings
from assay.metrics.retrieval import mean_average_precision as mean_average_precision
from assay.metrics.retrieval import recall_at_k as recall_at_k
from assay.metrics.rouge import RougeL as RougeL
from assay.metrics.rouge import count_rouge_l as count_rouge_l
from assay.metrics.rouge import rouge_l as rouge_l
from assay.metrics.significance import nadeau_bengio as nadeau_bengio
from assay.metrics.sweep import Sweep as Sweep
from assay.metrics.ter import TerCounts as TerCounts
from assay.metrics.ter import count_ter as count_ter
from assay.metrics.ter import ter as ter
from assay.metrics.timer import Timer as Timer
from assay.metrics.timings import Timings as Timings
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
from assay.run.journal import Run as Run
from assay.run.meter import Meter as Meter
from assay.run.meters import Meters as Meters
from assay.run.retrieval_meter import RetrievalMeter as RetrievalMeter
from assay.run.state_rows import add_states as add_states
from assay.run.state_rows import state_rows as state_rows

__version__: str

__all__ = [
    "Alignments",
    "AssayError",
    "BinnedSweep",
    "BleuCounts",
    "ChrfCounts",
    "Cider",
    "Confusion",
    "Distillation",
    "DocumentFrequency",
    "Drift",
    "EditCounts",
    "FlopCounts",
    "Footprint",
    "FootprintComparison",
    "Generation",
    "KeywordCounts",
    "Latency",
    "LatencyComparison",
    "LatencySweep",
    "Mean",
    "MeasurementWarning",
    "Memory",
    "Meteor",
    "MeteorCounts",
    "Meter",
    "Meters",
    "MultiSweep",
    "MultilabelConfusion",
    "PartialRanks",
    "PoissonBootstrap",
    "Ragged",
    "RankCounts",
    "RetrievalMeter",
    "RougeL",
    "Run",
    "Score",
    "State",
    "Sweep",
    "TerCounts",
    "Timer",
    "Timings",
    "VramSampler",
    "accuracy",
    "add_states",
    "align",
    "average_precision",
    "best_threshold",
    "bleu",
    "cer",
    "chrf",
    "cider",
    "compare",
    "compare_footprint",
    "count_bleu",
    "count_chars",
    "count_chrf",
    "count_cider",
    "count_distillation",
    "count_document_frequency",
    "count_drift",
    "count_keywords",
    "count_labels",
    "count_mean",
    "count_meteor",
    "count_rankings",
    "count_ranks",
    "count_rouge_l",
    "count_scores",
    "count_scores_binned",
    "count_ter",
    "count_words",
    "f1",
    "flops",
    "footprint",
    "holm",
    "interval",
    "latency",
    "latency_compare",
    "latency_stream",
    "latency_sweep",
    "macro_f1",
    "mean_average_precision",
    "mer",
    "meteor",
    "nadeau_bengio",
    "poisson_bootstrap",
    "read",
    "recall_at_k",
    "recovery",
    "roc_auc",
    "rouge_l",
    "same_label",
    "spider",
    "state_rows",
    "target_scores",
    "ter",
    "threshold_over_folds",
    "topk",
    "wer",
    "wil",
    "wip",
]
