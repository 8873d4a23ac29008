"""Weights & Biases: offline, in files that `wandb sync` uploads, or online.

Rows have `step` as a value, by which charts are drawn: W&B's own step only grows, and would drop
what is logged again or late. An offline run that was begun by another process is written anew from
the journal, whole, under the same id; what W&B's server makes of an upload that repeats an earlier
one is its own affair. Online rows go on where they were left; a batch may come twice.

Of a full disk W&B says nothing, and its file cannot be read from there on: so it is given nothing
where there is little room, and at the end it is seen whether it wrote everything.
"""

import errno
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from glob import escape, glob
from typing import Any

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.optional import require
from assay.core.record import Entry, File, Histogram, Params, Points, RunRecord
from assay.trackers._shared import check_installed, label

__all__ = ["WandB"]

MODES = ("offline", "online")
TAG_LENGTH = 64  # W&B's limit
ROOM_BYTES = 1 << 24  # on the disk, without which it is full
UNWRITTEN = "failed to save record"  # in W&B's own log
EXIT = {"finished": 0, "failed": 1, "killed": 255}


class WandB:
    """WandB(project="exp", mode="offline"): a run of a project.

    dir: where its folder `wandb` is made, by default in the directory of the run. entity: the user
    or team, by default one's own. The key is read from WANDB_API_KEY or netrc by wandb, never from
    here. What is tested is offline, by W&B's own reader of its files; online never was, for want of
    its server. InputError for an unknown mode; MissingDependency without wandb.

    >>> WandB("exp").spec()
    {'tracker': 'wandb', 'project': 'exp', 'mode': 'offline'}
    """

    def __init__(
        self,
        project: str = "assay",
        mode: str = "offline",
        *,
        entity: str | None = None,
        dir: str | os.PathLike[str] | None = None,
    ) -> None:
        check_installed("wandb")
        self.project, self.mode = project, one_of(mode, "WandB: mode", MODES)
        self.entity, self.dir = entity, None if dir is None else os.path.abspath(os.fspath(dir))

    @staticmethod
    def active() -> Callable[[dict[str, float], int], None]:
        """The run that wandb.init() began in this process, as a function to be told of points: no
        other process can write to it, so it gets a thread of this one."""
        wandb = sys.modules.get("wandb")
        run = getattr(wandb, "run", None)
        if run is None:
            raise InputError("WandB.active: no run is active; begin one by wandb.init()")

        def wandb_run(values: dict[str, float], step: int) -> None:
            run.log({**values, "step": step})

        return wandb_run

    def spec(self) -> dict[str, Any]:
        return {
            "tracker": "wandb", "project": self.project, "mode": self.mode,
            **{k: v for k, v in (("entity", self.entity), ("dir", self.dir)) if v},
        }  # fmt: skip

    def start(self, record: RunRecord) -> bool:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to W&B's makers, unasked
        wandb = require("wandb")
        self._wandb, self._record, self._looking = wandb, record, ""
        self._folder = self.dir or os.path.abspath(record.directory)
        if self.mode == "offline":
            begun = os.path.join(escape(self._folder), "wandb", f"offline-run-*-{record.id}")
            for folder in glob(begun):
                shutil.rmtree(folder)
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=record.name,
            id=record.id,
            dir=self._folder,
            mode=self.mode,
            resume="allow" if self.mode == "online" else None,
            tags=[f"{tag}={value}"[:TAG_LENGTH] for tag, value in record.tags.items()],
            settings=wandb.Settings(
                console="off", silent=True, disable_git=True, disable_code=True,
                x_disable_stats=True, x_disable_meta=True, init_timeout=30,
            ),
        )  # fmt: skip
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        return self.mode == "offline"

    def log(self, entries: Sequence[Entry]) -> None:
        self._check_room()
        for entry in entries:
            if isinstance(entry, Points):
                values: dict[str, Any] = {metric.key: value for metric, value in entry.values}
                self._log(values, entry.step, entry.time)
            elif isinstance(entry, Params):
                names = "/".join([*entry.tags.values(), ""])
                config = {names + name: value for name, value in entry.params.items()}
                self._run.config.update(config, allow_val_change=True)
            elif isinstance(entry, Histogram):
                pair = (entry.counts, entry.edges)
                made = self._wandb.Histogram(np_histogram=pair)
                self._log({entry.key: made}, entry.step, entry.time)

    def artifact(self, file: File) -> None:
        self._check_room()
        path = os.path.join(self._record.directory, file.path)
        make = {"figure": self._wandb.Image, "table": self._table}.get(file.kind)
        try:
            shown = make(path) if make else None
        except Exception:  # no image, or without Pillow: the file itself is there all the same
            shown = None
        if shown is None:
            self._run.save(path, base_path=self._record.directory, policy="now")
        else:
            self._log({f"{file.kind}s/{label(file)}": shown}, file.step or 0, file.time)

    def finish(self, status: str) -> str:
        folder = os.path.dirname(self._run.dir)
        if not self._looking:
            self._run.config.update(self._record.pipeline(), allow_val_change=True)
            offline = f"wandb sync {shlex.quote(folder)}"
            looking = offline if self.mode == "offline" else str(self._run.url)
            self._run.finish(exit_code=EXIT[status])
            self._looking = looking
        with suppress(FileNotFoundError), open(f"{folder}/logs/debug-internal.log") as told:
            if any(UNWRITTEN in line for line in told):
                raise OSError(errno.EIO, f"W&B could not write all of {folder}")
        return self._looking

    def _check_room(self) -> None:
        if shutil.disk_usage(self._folder).free < ROOM_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _log(self, values: dict[str, Any], step: int, at: float) -> None:
        self._run.log({**values, "step": step, "_timestamp": at})

    def _table(self, path: str) -> Any:
        import csv

        with open(path, encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        return self._wandb.Table(columns=head, data=rows)
