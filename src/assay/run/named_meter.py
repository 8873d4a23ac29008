"""What all meters have: a name for their scores, ranks to add over, and how they are read."""

from collections.abc import Mapping
from typing import Any

from assay.core.score import Score, flatten
from assay.core.state import State
from assay.run.values import texts
from assay.run.world import World

__all__ = ["NamedMeter"]


class NamedMeter:
    """A meter under a prefix and tags, on one process or over the ranks of a group."""

    def __init__(
        self, prefix: str, tags: Mapping[str, str] | None, sync: bool, group: Any, timeout_s: float
    ) -> None:
        self.prefix, self.tags = prefix, texts(tags or {})
        self._sync, self._group, self._timeout_s = sync, group, timeout_s

    @property
    def state(self) -> State | None:
        """What this process has; None before the first update."""
        raise NotImplementedError

    def over(self, world: World) -> State | None:
        """The state of all ranks, which have met."""
        raise NotImplementedError

    def synced(self) -> State | None:
        """The state of all ranks, the same on each; None where none has had an update."""
        world = World.met(self._group, self._timeout_s) if self._sync else None
        return self.state if world is None else self.over(world)

    def scores(self) -> list[Score]:
        """The scores of synced(), with the meter's tags."""
        return self.scores_of(self.synced())

    def compute(self) -> dict[str, float]:
        """The scores of synced() under flat names; empty where no rank has had an update."""
        return flatten(self.scores(), self.prefix)

    def scores_of(self, state: State | None) -> list[Score]:
        """The scores of a state, with the meter's tags."""
        return [] if state is None else [score.tagged(**self.tags) for score in state.scores()]
