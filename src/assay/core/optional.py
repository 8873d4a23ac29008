"""Optional packages: import them, or say how to install them."""

import importlib
from typing import Any

from assay.core.errors import MissingDependency

# import name -> the extra that brings it
EXTRAS = {
    "torch": "torch",
    "triton": "torch",
    "mlflow": "mlflow",
    "wandb": "wandb",
    "tensorboard": "tensorboard",
    "lightning": "lightning",
    "transformers": "transformers",
    "torchmetrics": "torchmetrics",
    "matplotlib": "plot",
    "jinja2": "report",
    "sklearn": "demo",
    "ray": "ray",
    "fsspec": "remote",
    "jiwer": "text",
    "rapidfuzz": "text",
    "regex": "text",
    "nltk": "text",
    "sacrebleu": "text",
    "whisper_normalizer": "text",
}


def require(name: str) -> Any:
    """Import the package `name`, or raise MissingDependency ending with the install line.

    An installed package whose own import fails keeps its own error: hiding that behind "not
    installed" would send the reader to the wrong place.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        root = name.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != root:
            raise
        extra = EXTRAS.get(root)
        package = f"'assay[{extra}]'" if extra else root
        raise MissingDependency(
            f"{root} is not installed; install it with: pip install {package}"
        ) from error
