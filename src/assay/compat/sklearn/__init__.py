"""scikit-learn's names over assay's engine: `from assay.compat.sklearn import f1_score`.

>>> from assay.compat.sklearn import confusion_matrix, f1_score, roc_auc_score
>>> f1_score([0, 1, 1, 0], [0, 1, 0, 0])
0.6666666666666666
>>> confusion_matrix(["a", "b", "b"], ["a", "b", "a"]).tolist()
[[1, 0], [1, 1]]
>>> roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
0.75

scikit-learn itself is not needed, and not loaded.

Same as sklearn.metrics 1.9
---------------------------
names, signatures      of the functions below; labels of every kind it takes, sparse indicators
results                types, shapes and values; floats within rounding
warnings               text and class: ours is also scikit-learn's once that is loaded
errors                 type and, but for a few, text; parameters are checked by name

Faster
------
labels 0 and 1, bool   counted in one pass; other labels are encoded once for a whole report
scores                 float32 and float64 are sorted by class, once, and merged

Differs
-------
sums                   areas are exact sums rounded once: the last digit may differ from theirs
tensors, array API     NumPy is what comes back
warnings               show the line that called us
set_config             assume_finite, skip_parameter_validation and dispatch change nothing
"""

from assay.compat.sklearn._areas import (
    average_precision_score,
    roc_auc_score,
    top_k_accuracy_score,
)
from assay.compat.sklearn._classification import (
    accuracy_score,
    balanced_accuracy_score,
    class_likelihood_ratios,
    cohen_kappa_score,
    confusion_matrix,
    hamming_loss,
    matthews_corrcoef,
    multilabel_confusion_matrix,
    zero_one_loss,
)
from assay.compat.sklearn._curves import (
    auc,
    confusion_matrix_at_thresholds,
    det_curve,
    metric_at_thresholds,
    precision_recall_curve,
    roc_curve,
)
from assay.compat.sklearn._errors import InvalidParameterError, UndefinedMetricWarning
from assay.compat.sklearn._fscores import (
    classification_report,
    f1_score,
    fbeta_score,
    jaccard_score,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
)
from assay.compat.sklearn._probabilities import (
    brier_score_loss,
    d2_brier_score,
    d2_log_loss_score,
    hinge_loss,
    log_loss,
)

__all__ = [
    "InvalidParameterError",
    "UndefinedMetricWarning",
    "accuracy_score",
    "auc",
    "average_precision_score",
    "balanced_accuracy_score",
    "brier_score_loss",
    "class_likelihood_ratios",
    "classification_report",
    "cohen_kappa_score",
    "confusion_matrix",
    "confusion_matrix_at_thresholds",
    "d2_brier_score",
    "d2_log_loss_score",
    "det_curve",
    "f1_score",
    "fbeta_score",
    "hamming_loss",
    "hinge_loss",
    "jaccard_score",
    "log_loss",
    "matthews_corrcoef",
    "metric_at_thresholds",
    "multilabel_confusion_matrix",
    "precision_recall_curve",
    "precision_recall_fscore_support",
    "precision_score",
    "recall_score",
    "roc_auc_score",
    "roc_curve",
    "top_k_accuracy_score",
    "zero_one_loss",
]
