"""Any count function as a torchmetrics.Metric."""

from collections.abc import Callable, Mapping
from typing import Any

from assay.core.errors import InputError
from assay.core.optional import require
from assay.core.state import State
from assay.run.meter import Meter

__all__ = ["AssayMetric"]

Metric: Any = require("torchmetrics").Metric
TorchMetricsUserError: Any = require("torchmetrics.utilities.exceptions").TorchMetricsUserError
torch: Any = require("torch")


class AssayMetric(Metric):
    """A count function as a torchmetrics.Metric: in a MetricCollection, in `self.log` of Lightning,
    added over ranks by torchmetrics' own synchronisation, and in checkpoints.

    count: a count function, or a functools.partial of one. score: the name of one score, whose
    value compute() gives as a tensor, float64 [] (float32 on MPS); without it compute() gives all
    of them, as {prefix}{tags}/{name}. options: those of torchmetrics.Metric.

    update() and forward() take what the count function takes. forward() gives the value of its
    batch alone, on this rank. Before the first update the value is nan, and all of them are none.
    The state has the same digits on any number of ranks, which may have had no batch. Its bytes are
    gathered at compute(), from the ranks of process_group; dist_sync_on_step is refused, as they
    would be at every step.

    >>> import assay
    >>> metric = AssayMetric(assay.count_words, "wer")
    >>> metric.update(["a b c d"], ["a b c x"])
    >>> metric.compute()
    tensor(0.2500, dtype=torch.float64)
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = None

    def __init__(
        self,
        count: Callable[..., Any],
        score: str | None = None,
        *,
        prefix: str = "",
        **options: Any,
    ) -> None:
        if options.get("dist_sync_on_step"):
            raise InputError("AssayMetric: dist_sync_on_step=True is refused; read compute()")
        super().__init__(**options)
        self.score, self.prefix = score, prefix
        self._count, self._meter = count, Meter(count, sync=False)
        self._gathered: list[State] | None = None  # of all ranks, between sync() and unsync()

    def update(self, *columns: Any, **options: Any) -> None:
        """Count a batch, given as the count function takes it; `ids` as Meter.update."""
        self._meter.update(*columns, **options)

    def forward(self, *columns: Any, **options: Any) -> Any:
        """Count a batch, and give the value of it alone."""
        if self._is_synced:
            raise TorchMetricsUserError("AssayMetric: forward() between sync() and unsync()")
        self.update(*columns, **options)
        batch = Meter(self._count, sync=False)
        batch.update(*columns, **options)
        self._forward_cache = self._value(batch.state)
        return self._forward_cache

    def compute(self) -> Any:
        """The value of all batches, of all ranks where torchmetrics synchronises."""
        if self._gathered is None:
            return self._value(self._meter.state)
        states = self._gathered
        return self._value(sum(states[1:], start=states[0]) if states else None)

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._meter.reset()

    def _value(self, state: State | None) -> Any:
        if self.score is not None:
            return self._tensor(float("nan") if state is None else state[self.score])
        values = {} if state is None else state.as_dict(self.prefix)
        return {name: self._tensor(value) for name, value in values.items()}

    def _tensor(self, value: float) -> Any:
        precise = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.tensor(value, dtype=precise, device=self.device)

    # -- ranks ---------------------------------------------------------------------------------

    def _sync_dist(self, dist_sync_fn: Any = None, process_group: Any = None) -> None:
        own = self._meter.state
        data = torch.frombuffer(
            bytearray(b"\0" if own is None else own.to_bytes()), dtype=torch.uint8
        )
        parts = dist_sync_fn(data.to(self.device), group=process_group or self.process_group)
        found = (part.cpu().numpy().tobytes() for part in parts)
        self._gathered = [State.from_bytes(part) for part in found if part != b"\0"]

    def unsync(self, should_unsync: bool = True) -> None:
        """Go back to the batches of this rank."""
        super().unsync(should_unsync)
        if should_unsync:
            self._gathered = None

    # -- checkpoints ---------------------------------------------------------------------------

    def get_extra_state(self) -> Mapping[str, str]:
        """What state_dict() keeps; it holds text only."""
        return self._meter.state_dict()

    def set_extra_state(self, state: Mapping[str, str]) -> None:
        """Go on from a checkpoint."""
        self._meter.load_state_dict(state)
        self._computed = None
        self._update_count = int(self._meter.state is not None)  # or compute() warns
