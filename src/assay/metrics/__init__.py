"""Metric definitions. METRICS names them all; nothing is imported here until asked for.

name -> where it is counted, its unit, the better direction, what it takes, where the definition
comes from, and the implementation that tests hold it equal to.
"""

from typing import NamedTuple

__all__ = ["METRICS", "Metric"]


class Metric(NamedTuple):
    where: str  # "module:function" whose State has this score
    unit: str
    better: str | None
    takes: str
    source: str
    oracle: str


_WORDS = "assay.metrics.words:count_words"
_CHARS = "assay.metrics.words:count_chars"
_TEXT = "reference and hypothesis texts"
_JIWER = "jiwer 4.0 on compiled rapidfuzz; kaldialign 0.12, sclite 2.4.10"
_MORRIS = "Morris, Maier and Green, Interspeech 2004"
_LEVENSHTEIN = "Levenshtein 1966; ties as rapidfuzz 3.14, or as kaldi or sclite"
_KEYWORDS = "assay.metrics.keywords:count_keywords"
_LISTED = "reference and hypothesis texts, and keywords"
_BIASING = "Le et al., Interspeech 2021"
_PLAIN = "assay.ops.reference, and plain Python"

_RUNS = "assay.metrics.retrieval:count_rankings"
_RANKED = "rankings and relevant items"
_TREC = "pytrec_eval-terrier 0.5.11"
_IR = "Manning, Raghavan and Schütze 2008, chapter 8"
_NDCG = "Järvelin and Kekäläinen, ACM TOIS 2002"
_PAPERS = "CLIP and CLAP papers; conventions: see assay.metrics.rank_conventions"

_LABELS = "assay.metrics.classification:count_labels"
_GIVEN = "targets and predicted labels"
_SCORES = "assay.metrics.classification:count_scores"
_SCORED = "targets and scores"
_SKLEARN = "scikit-learn 1.9"
_RIJSBERGEN = "van Rijsbergen 1979"

_CAPTIONED = "references and hypotheses"
_AGAINST = "references, hypotheses and document frequencies"
_BLEU = "Papineni et al., ACL 2002"
_CHRF = "Popović, WMT 2015"
_CIDER = "Vedantam, Zitnick and Parikh, CVPR 2015"
_ROUGE = "Lin, ACL workshop 2004"
_METEOR = "Banerjee and Lavie, ACL workshop 2005"
_NLTK = "nltk 3.10; variant 1.5 is its own program"
_TER = "Snover et al., AMTA 2006"
_SACREBLEU = "sacrebleu 2.6; variants of BLEU also pycocoevalcap 1.2 and nltk 3.10"
_COCO = "pycocoevalcap 1.2"

_MEAN = "assay.metrics.mean:count_mean"
_VALUES = "values and weights"
_DISTIL = "assay.metrics.distillation:count_distillation"
_LOGITS = "logits of student and teacher, and targets"
_HINTON = "Hinton, Vinyals and Dean 2015"

METRICS: dict[str, Metric] = {
    "wer": Metric(_WORDS, "fraction", "lower", _TEXT, _LEVENSHTEIN, _JIWER),
    "mer": Metric(_WORDS, "fraction", "lower", _TEXT, _MORRIS, _JIWER),
    "wil": Metric(_WORDS, "fraction", "lower", _TEXT, _MORRIS, _JIWER),
    "wip": Metric(_WORDS, "fraction", "higher", _TEXT, _MORRIS, _JIWER),
    "sentence_error_rate": Metric(
        _WORDS, "fraction", "lower", _TEXT, "pairs with any error over pairs", "assay.ops.reference"
    ),
    "cer": Metric(_CHARS, "fraction", "lower", _TEXT, _LEVENSHTEIN, _JIWER),
    "b_wer": Metric(_KEYWORDS, "fraction", "lower", _LISTED, _BIASING, _PLAIN),
    "u_wer": Metric(_KEYWORDS, "fraction", "lower", _LISTED, _BIASING, _PLAIN),
    "keyword_recall": Metric(_KEYWORDS, "fraction", "higher", _LISTED, _BIASING, _PLAIN),
    "keyword_precision": Metric(_KEYWORDS, "fraction", "higher", _LISTED, _BIASING, _PLAIN),
    "keyword_f1": Metric(_KEYWORDS, "fraction", "higher", _LISTED, _BIASING, _PLAIN),
    "recall@1": Metric(_RUNS, "fraction", "higher", _RANKED, _PAPERS, _TREC),
    "recall@5": Metric(_RUNS, "fraction", "higher", _RANKED, _PAPERS, _TREC),
    "recall@10": Metric(_RUNS, "fraction", "higher", _RANKED, _PAPERS, _TREC),
    "precision@10": Metric(_RUNS, "fraction", "higher", _RANKED, _IR, _TREC),
    "hit@10": Metric(_RUNS, "fraction", "higher", _RANKED, _PAPERS, _TREC),
    "map": Metric(_RUNS, "fraction", "higher", _RANKED, _IR, _TREC),
    "map@10": Metric(_RUNS, "fraction", "higher", _RANKED, _IR, _TREC),
    "mrr": Metric(_RUNS, "fraction", "higher", _RANKED, "Voorhees, TREC-8 1999", _TREC),
    "ndcg": Metric(_RUNS, "fraction", "higher", _RANKED, _NDCG, _TREC),
    "ndcg@10": Metric(_RUNS, "fraction", "higher", _RANKED, _NDCG, _TREC),
    "r_precision": Metric(_RUNS, "fraction", "higher", _RANKED, _IR, _TREC),
    "bpref": Metric(
        _RUNS, "fraction", "higher", _RANKED, "Buckley and Voorhees, SIGIR 2004", _TREC
    ),
    "mean_rank": Metric(_RUNS, "rank", "lower", _RANKED, _PAPERS, "numpy"),
    "median_rank": Metric(_RUNS, "rank", "lower", _RANKED, _PAPERS, "numpy"),
    "accuracy": Metric(_LABELS, "fraction", "higher", _GIVEN, "share of items", _SKLEARN),
    "balanced_accuracy": Metric(
        _LABELS, "fraction", "higher", _GIVEN, "Brodersen et al., ICPR 2010", _SKLEARN
    ),
    "macro_precision": Metric(_LABELS, "fraction", "higher", _GIVEN, _RIJSBERGEN, _SKLEARN),
    "macro_recall": Metric(_LABELS, "fraction", "higher", _GIVEN, _RIJSBERGEN, _SKLEARN),
    "macro_f1": Metric(_LABELS, "fraction", "higher", _GIVEN, _RIJSBERGEN, _SKLEARN),
    "macro_jaccard": Metric(_LABELS, "fraction", "higher", _GIVEN, "Jaccard 1912", _SKLEARN),
    "weighted_f1": Metric(_LABELS, "fraction", "higher", _GIVEN, _RIJSBERGEN, _SKLEARN),
    "mcc": Metric(_LABELS, "coefficient", "higher", _GIVEN, "Matthews 1975", _SKLEARN),
    "cohen_kappa": Metric(_LABELS, "coefficient", "higher", _GIVEN, "Cohen 1960", _SKLEARN),
    "precision": Metric(_LABELS, "fraction", "higher", _GIVEN, _RIJSBERGEN, _SKLEARN),
    "recall": Metric(_LABELS, "fraction", "higher", _GIVEN, _RIJSBERGEN, _SKLEARN),
    "specificity": Metric(_LABELS, "fraction", "higher", _GIVEN, "Yerushalmy 1947", _SKLEARN),
    "f1": Metric(_LABELS, "fraction", "higher", _GIVEN, _RIJSBERGEN, _SKLEARN),
    "jaccard": Metric(_LABELS, "fraction", "higher", _GIVEN, "Jaccard 1912", _SKLEARN),
    "roc_auc": Metric(_SCORES, "fraction", "higher", _SCORED, "Hanley and McNeil 1982", _SKLEARN),
    "average_precision": Metric(_SCORES, "fraction", "higher", _SCORED, _IR, _SKLEARN),
    "ks": Metric(_SCORES, "fraction", "higher", _SCORED, "Kolmogorov 1933, Smirnov 1939", "scipy"),
    "brier": Metric(_SCORES, "fraction", "lower", _SCORED, "Brier 1950", _SKLEARN),
    "log_loss": Metric(_SCORES, "nats", "lower", _SCORED, "Good 1952", _SKLEARN),
    "ece": Metric(_SCORES, "fraction", "lower", _SCORED, "Guo et al., ICML 2017", "torchmetrics"),
    "mce": Metric(_SCORES, "fraction", "lower", _SCORED, "Guo et al., ICML 2017", "torchmetrics"),
    "bleu": Metric(
        "assay.metrics.bleu:count_bleu", "points", "higher", _CAPTIONED, _BLEU, _SACREBLEU
    ),
    "chrf": Metric(
        "assay.metrics.chrf:count_chrf", "points", "higher", _CAPTIONED, _CHRF, "sacrebleu 2.6"
    ),
    "rouge_l": Metric(
        "assay.metrics.rouge:count_rouge_l", "fraction", "higher", _CAPTIONED, _ROUGE, _COCO
    ),
    "cider": Metric("assay.metrics.cider:count_cider", "points", "higher", _AGAINST, _CIDER, _COCO),
    "meteor": Metric(
        "assay.metrics.meteor:count_meteor", "fraction", "higher", _CAPTIONED, _METEOR, _NLTK
    ),
    "ter": Metric(
        "assay.metrics.ter:count_ter", "points", "lower", _CAPTIONED, _TER, "sacrebleu 2.6"
    ),
    "loss": Metric(_MEAN, "value", "lower", _VALUES, "sum over sum of weights", "math.fsum"),
    "soft_loss": Metric(_DISTIL, "nats", "lower", _LOGITS, _HINTON, "torch.nn.functional"),
    "hard_loss": Metric(_DISTIL, "nats", "lower", _LOGITS, "cross-entropy", "torch.nn.functional"),
    "total_loss": Metric(_DISTIL, "nats", "lower", _LOGITS, _HINTON, "torch.nn.functional"),
    "student_accuracy": Metric(_DISTIL, "fraction", "higher", _LOGITS, "share of items", _SKLEARN),
    "teacher_accuracy": Metric(_DISTIL, "fraction", "higher", _LOGITS, "share of items", _SKLEARN),
    "accuracy_gap": Metric(_DISTIL, "fraction", "lower", _LOGITS, "teacher - student", _SKLEARN),
    "student_macro_f1": Metric(_DISTIL, "fraction", "higher", _LOGITS, _RIJSBERGEN, _SKLEARN),
    "teacher_macro_f1": Metric(_DISTIL, "fraction", "higher", _LOGITS, _RIJSBERGEN, _SKLEARN),
    "macro_f1_gap": Metric(_DISTIL, "fraction", "lower", _LOGITS, "teacher - student", _SKLEARN),
}
