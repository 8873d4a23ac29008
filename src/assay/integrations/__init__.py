"""The only room that knows a training framework; one file each.

from assay.integrations.lightning import AssayCallback
from assay.integrations.transformers import AssayCallback, classification, wer
from assay.integrations.torchmetrics import AssayMetric
"""
