"""A callback of Lightning: meters, times, memory and everything logged, into a Run.

    callback = AssayCallback(run, Meter(assay.count_labels))
    Trainer(callbacks=[callback, ModelCheckpoint(monitor="val_macro_f1", mode="max")])

Either of run and meters may be left out. validation_step gives what is counted: a tuple of columns,
the last of which may be a dictionary of options, as {"ids": …}, by which rows that samplers repeat
are dropped; or a dictionary of `target`, `prediction` and perhaps `ids`. `columns` takes such a
tuple from anything else.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from assay.core.errors import InputError
from assay.core.optional import require
from assay.metrics.memory import VramSampler
from assay.metrics.timer import Timer

__all__ = ["AssayCallback"]

Callback: Any = require("lightning.pytorch").Callback

PERIOD_S = 0.01  # between samples of memory


class AssayCallback(Callback):
    """run: a Run; Lightning's own metrics go there too, once an epoch, under their names.

    meters: a Meter, Meters or RetrievalMeter, updated in every validation batch; values are logged
    in the module as {prefix}{name}, so that checkpoints and early stopping can watch them, and
    start anew each validation. They add over ranks themselves, so they are the same on each.
    columns: of (outputs of validation_step, batch), the columns that the meters count.

    Each epoch gives `epoch_time_s` (validation included), `epoch_train_time_s` and
    `peak_train_vram_gb` (2^30 bytes; on the CPU resident memory), the end `total_time_s`. The
    sanity check before training counts for nothing. Meters are in checkpoints, with all they keep.
    """

    def __init__(
        self,
        run: Any = None,
        meters: Any = None,
        *,
        prefix: str = "val_",
        columns: Callable[[Any, Any], tuple[Any, ...]] | None = None,
    ) -> None:
        self.run, self.meters, self.prefix = run, meters, prefix
        self._columns = columns or _columns
        self.timer, self._open = Timer(), ExitStack()
        self._values: dict[str, float] = {}

    # -- validation ----------------------------------------------------------------------------

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to count."""
        self._evaluation = ExitStack()
        self._evaluation.enter_context(self.timer.evaluation())
        if self.meters is not None and not trainer.sanity_checking:  # which comes after loading
            self.meters.reset()

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, *more: Any
    ) -> None:
        """Count a batch."""
        if self.meters is not None and not trainer.sanity_checking:
            given = self._columns(outputs, batch)
            named = bool(given) and isinstance(given[-1], Mapping)
            self.meters.update(*given[: -1 if named else None], **(given[-1] if named else {}))

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log what the meters give, for the module and for whoever watches it."""
        if self.meters is not None and not trainer.sanity_checking:
            found = self.meters.compute()
            self._values = {self.prefix + name: float(value) for name, value in found.items()}
            pl_module.log_dict(self._values, sync_dist=False)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """End the time of the evaluation."""
        self._evaluation.close()
        if not trainer.sanity_checking and not trainer.training:
            self._tell(trainer, {})

    # -- training ------------------------------------------------------------------------------

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Times begin here, after the sanity check."""
        self.timer.reset()
        if self.run is not None and dict(pl_module.hparams):
            self.run.log_params(dict(pl_module.hparams))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin an epoch."""
        self._open = ExitStack()
        self._memory = self._open.enter_context(
            VramSampler(pl_module.device, mode="train", period_s=PERIOD_S)
        )
        self._open.enter_context(self.timer.epoch())

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the epoch."""
        self._open.close()
        epoch = self.timer.epochs[-1]
        values = {
            "epoch_time_s": epoch.time_s,
            "epoch_train_time_s": epoch.train_time_s,
            "peak_train_vram_gb": self._memory["peak_train_vram_gb"],
        }
        self._tell(trainer, values)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the whole."""
        self._tell(trainer, {"total_time_s": self.timer.total_time_s}, metrics=False)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End what is open; the epoch does not count."""
        self._open.__exit__(type(exception), exception, exception.__traceback__)

    def _tell(self, trainer: Any, values: dict[str, float], metrics: bool = True) -> None:
        if self.run is not None:
            # What Lightning gives back of the meters' values is float32.
            logged = {**trainer.callback_metrics, **self._values} if metrics else {}
            self.run.log({**logged, **values}, step=trainer.current_epoch)

    # -- checkpoints ---------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: batches that were counted so far."""
        return {} if self.meters is None else {"meters": self.meters.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        if self.meters is not None and "meters" in state_dict:
            self.meters.load_state_dict(state_dict["meters"])


def _columns(outputs: Any, batch: Any) -> tuple[Any, ...]:
    if isinstance(outputs, tuple):
        return outputs
    if isinstance(outputs, Mapping) and {"target", "prediction"} <= outputs.keys():
        named = {"ids": outputs["ids"]} if "ids" in outputs else {}
        return outputs["target"], outputs["prediction"], named
    raise InputError(
        "validation_step must return a tuple of columns, or a dictionary of target and prediction, "
        f"for the meters; got {type(outputs).__name__}; give AssayCallback columns="
    )
