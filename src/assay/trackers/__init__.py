"""Where runs are sent, by name. Nothing is imported until asked for, and no SDK before start().

What is special about each:

                  mlflow                    wandb                      tensorboard
    numbers       float64                   float64                    float32
    NaN           kept                      kept                       kept
    infinities    the largest float         kept                       kept
    stage, fold   runs within the run       parts of the key           parts of the key
    a step again  both; tables show the     both; offline the later    both; the later one
                  later one                 one after a resume         after a resume
    late params   parameters; another       config                     where TensorBoard is
                  value is a tag                                       started anew
    histograms    histograms/KEY-STEP.json  histograms                 histograms
    figures       figures/                  images                     images
    tables        tables/                   tables                     text
    other files   artifacts                 files of the run           their names, as text
    adopts        MLflow.active()           WandB.active()

Keys longer than a tracker takes are cut and get a hash; nothing else is renamed (core/score.py).
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.protocols import Tracker

__all__ = ["TRACKERS", "made_of"]

TRACKERS = {
    "mlflow": "assay.trackers.mlflow:MLflow",
    "wandb": "assay.trackers.wandb:WandB",
    "tensorboard": "assay.trackers.tensorboard:TensorBoard",
}


def made_of(spec: Mapping[str, Any]) -> Tracker:
    """The tracker that a spec() tells of. InputError where this version has none like it."""
    name, options = spec.get("tracker"), {k: v for k, v in spec.items() if k != "tracker"}
    module, _, kind = TRACKERS[one_of(name, "tracker", TRACKERS)].partition(":")
    try:
        tracker: Tracker = getattr(import_module(module), kind)(**options)
    except (TypeError, AttributeError) as error:  # a journal of another version, or damaged
        raise InputError(f"tracker {name} cannot be made of {options}: {error}") from error
    return tracker


def __getattr__(name: str) -> Any:
    if name in TRACKERS:
        return import_module(f"assay.trackers.{name}")
    kinds = {kind: path for path, _, kind in (where.partition(":") for where in TRACKERS.values())}
    hint = f"; it is {kinds[name]}.{name}" if name in kinds else ""
    raise AttributeError(f"module 'assay.trackers' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted([*globals(), *TRACKERS])
