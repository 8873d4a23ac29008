"""The processes of a torch.distributed group, and how arrays cross between them.

Arrays of numbers and bytes cross, no pickled objects; what crosses lies where the group's backend
wants it: on the CPU for gloo, on the current GPU for NCCL. torch is used only where the program has
set up torch.distributed itself.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import SyncError

__all__ = ["TIMEOUT_S", "World"]

Array = npt.NDArray[Any]

TIMEOUT_S = 600.0  # how long the others are waited for

_met: dict[str, tuple[Any, int]] = {}  # name of a group -> the group, and how often it met


class World:
    """The ranks of one group, of which there are at least two."""

    def __init__(self, group: Any, timeout_s: float) -> None:
        import torch
        import torch.distributed as dist

        self._torch, self._dist = torch, dist
        self._group: Any = dist.group.WORLD if group is None else group
        self.rank, self.size = dist.get_rank(self._group), dist.get_world_size(self._group)
        self._timeout = timedelta(seconds=timeout_s)
        served = dict(pair.split(":") for pair in dist.get_backend_config(self._group).split(","))
        self.device = (
            torch.device("cpu")
            if "cpu" in served
            else torch.device("cuda", torch.cuda.current_device())
        )

    @classmethod
    def of(cls, group: Any = None, timeout_s: float = TIMEOUT_S) -> "World | None":
        """The group (by default all processes), or None where this process is alone."""
        dist = sys.modules.get("torch.distributed")
        if dist is None or not dist.is_available() or not dist.is_initialized():
            return None
        if dist.get_world_size(group) < 2:  # -1 where this process is not in the group
            return None
        return cls(group, timeout_s)

    @classmethod
    def met(cls, group: Any, timeout_s: float) -> "World | None":
        """The group once all its ranks are here, or None where this process is alone."""
        world = cls.of(group, timeout_s)
        if world is not None:
            world.meet()
        return world

    def meet(self) -> None:
        """Wait until all ranks are here; a SyncError names those that do not come.

        Over the store by which the processes found each other: NCCL has no time limit a call, and
        gloo's barriers name nobody, or wait longer than they are told once a rank has died.
        """
        store: Any = self._dist.distributed_c10d._get_default_store()
        name = self._group.group_name
        n = _met[name][1] + 1 if name in _met and _met[name][0] is self._group else 0
        _met[name] = (self._group, n)
        keys = [f"assay/{name}/{n}/{rank}" for rank in range(self.size)]
        given_up = f"assay/{name}/{n}/given_up"
        with self._told("could not meet"):
            store.set(keys[self.rank], "here")
            try:
                store.wait(keys, self._timeout)
            except RuntimeError:
                missing = [rank for rank, key in enumerate(keys) if not store.check([key])]
                if missing:
                    store.set(given_up, "yes")
                    raise SyncError(self._late(missing)) from None
                raise
            if store.check([given_up]):
                raise SyncError(
                    f"sync: rank {self.rank} of {self.size} came when another rank had waited for "
                    f"{self._timeout.total_seconds():g} s and given up"
                )
            if n:  # all are past the meeting before
                store.delete_key(f"assay/{name}/{n - 1}/{self.rank}")

    def _late(self, missing: list[int]) -> str:
        several = "ranks" if len(missing) > 1 else "rank"
        return (
            f"sync: {several} {', '.join(map(str, missing))} of {self.size} did not come within "
            f"{self._timeout.total_seconds():g} s; is it alive, and does it sync as often as the "
            "others?"
        )

    def gather_fixed(self, own: Array) -> Array:
        """[ranks]: the structure of one dtype that each rank gives."""
        rows = self._all_gather(own.reshape(1).view(np.uint8))
        return np.stack(rows).view(own.dtype)[:, 0]

    def gather(self, own: Array, sizes: Sequence[int]) -> list[Array]:
        """The array [sizes[r]] of each rank, of one dtype; sizes are known to all."""
        padded = np.zeros(max(sizes), own.dtype)
        padded[: len(own)] = own
        rows = self._all_gather(padded) if len(padded) else [padded] * self.size
        return [row[:size] for row, size in zip(rows, sizes, strict=True)]

    def add(self, own: Array) -> Array:
        """The sum of the int64 arrays of all ranks."""
        tensor = self._sent(own)
        with self._told("could not add"):
            self._dist.all_reduce(tensor, group=self._group)
        return np.asarray(tensor.cpu().numpy())

    def deal(self, rows: Any, sent: Sequence[int], got: Sequence[int]) -> Any:
        """Rows of a tensor [n, d], the first sent[0] of which go to rank 0, and so on; those that
        come from all ranks, in order of rank."""
        # As bytes: not every backend knows every type.
        own = rows.contiguous().to(self.device).view(self._torch.uint8)
        out = own.new_empty((sum(got), own.shape[1]))
        with self._told("could not exchange rows"):
            self._dist.all_to_all_single(out, own, list(got), list(sent), group=self._group)
        return out.view(rows.dtype)

    def around(self, own: Any, sizes: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """(rank, its tensor [sizes[rank], d]) of every rank, this one first. One more tensor is on
        its way from the rank before while the caller has this one; none is gathered."""
        dist = self._dist
        ranks = dist.get_process_group_ranks(self._group)
        after, before = ranks[(self.rank + 1) % self.size], ranks[self.rank - 1]
        here = own.contiguous().to(self.device)
        for step in range(self.size):
            rank = (self.rank - step) % self.size
            if step == self.size - 1:
                yield rank, here
                return
            shape = (sizes[rank - 1], here.shape[1])
            coming = self._torch.empty(shape, dtype=here.dtype, device=self.device)
            moves = [
                dist.P2POp(way, tensor, peer, self._group)
                for way, tensor, peer in ((dist.isend, here, after), (dist.irecv, coming, before))
                if len(tensor)
            ]
            with self._told("could not pass rows on"):
                works = dist.batch_isend_irecv(moves) if moves else []
                yield rank, here
                for work in works:
                    work.wait()
            here = coming

    def _all_gather(self, own: Array) -> list[Array]:
        mine = self._sent(own)
        rows = [self._torch.empty_like(mine) for _ in range(self.size)]
        with self._told("could not gather"):
            self._dist.all_gather(rows, mine, group=self._group)
        return [row.cpu().numpy() for row in rows]

    def _sent(self, own: Array) -> Any:
        # Not of memory that a caller holds: a reduction writes into it.
        return self._torch.from_numpy(np.array(own)).to(self.device)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What torch.distributed raises, as a SyncError."""
        try:
            yield
        except SyncError:
            raise
        except RuntimeError as error:
            raise SyncError(
                f"sync: the {self.size} ranks {what} (this is rank {self.rank}): "
                f"{str(error).strip().splitlines()[0]}"
            ) from error
