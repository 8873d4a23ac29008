"""TensorBoard: one event file for a run, with scalars, histograms, images and hyperparameters.

A file that was begun by another process is not gone on with: it is written anew from the journal,
whole, so that every point is there once. Of a step that was logged again TensorBoard shows the one
that stands later. What is told at once is written whole or not at all: TensorBoard's own writer
would be of no use any more after a disk that was full.

Of hyperparameters TensorBoard takes those that it reads first of a run. Where more come later, all
are in a small file that is read before the other: seen once TensorBoard is started anew.
"""

import errno
import io
import os
import re
import shlex
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from assay.core.optional import require
from assay.core.record import Entry, File, Histogram, Params, Points, RunRecord
from assay.trackers._shared import check_installed, label

__all__ = ["TensorBoard"]

ENDING = ".assay"  # of the event files that are ours
FIRST = f"events.out.tfevents.0.hparams{ENDING}"  # files are read in the order of their names
TEXT_BYTES = 100_000  # of a table that is shown
PNG = b"\x89PNG\r\n\x1a\n"
NAME_LENGTH = 60  # of a run, in the name of its folder


class TensorBoard:
    """TensorBoard(logdir): a folder with a folder for each run, as `tensorboard --logdir` reads it.

    MissingDependency without tensorboard.

    >>> import os
    >>> TensorBoard("logs").logdir == os.path.abspath("logs")
    True
    """

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        check_installed("tensorboard")
        self.logdir = os.path.abspath(os.fspath(logdir))

    def spec(self) -> dict[str, Any]:
        return {"tracker": "tensorboard", "logdir": self.logdir}

    def start(self, record: RunRecord) -> bool:
        require("tensorboard")
        self._record = record
        self._params: dict[str, Any] = {}
        self._told: dict[str, Any] = {}
        name = re.sub(r"[^\w.\- ]", "_", record.name)[:NAME_LENGTH]
        folder = os.path.join(self.logdir, f"{name}-{record.id}")
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(folder):
            if name.endswith(ENDING):
                os.unlink(os.path.join(folder, name))
        at = time.time()
        name = f"events.out.tfevents.{at:.0f}.{socket.gethostname()}.{os.getpid()}{ENDING}"
        self._path = os.path.join(folder, name)
        with self._at_once():
            self._event(wall_time=at, file_version="brain.Event:2")
        return True

    def log(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Params) and not entry.tags:
                self._params |= entry.params
        if self._told and self._told != self._params:
            self._tell_first()
        with self._at_once():
            if not self._told:
                self._hyperparameters()
            for entry in entries:
                self._entry(entry)
        self._told = dict(self._params)

    def artifact(self, file: File) -> None:
        with self._at_once():
            self._file(file, os.path.join(self._record.directory, file.path))

    def finish(self, status: str) -> str:
        with self._at_once():
            self._write([_session_end(status)], 0, time.time())
        return f"tensorboard --logdir {shlex.quote(self.logdir)}"

    def _hyperparameters(self) -> None:
        if self._params:
            self._write([_hparams(self._params, self._record)], 0, self._record.started)

    def _tell_first(self) -> None:
        """All hyperparameters, in a file that is read before the other."""
        folder = os.path.dirname(self._path)
        temporary = os.path.join(folder, "hparams.partial")
        self._made = io.BytesIO()
        self._event(wall_time=self._record.started, file_version="brain.Event:2")
        self._hyperparameters()
        with open(temporary, "wb") as file:
            file.write(self._made.getvalue())
        os.replace(temporary, os.path.join(folder, FIRST))

    def _entry(self, entry: Entry) -> None:
        if isinstance(entry, Points):
            summary, _ = _protos()
            values = [
                summary.Summary.Value(tag=metric.key, simple_value=_float32(value))
                for metric, value in entry.values
            ]
            self._write(values, entry.step, entry.time)
        elif isinstance(entry, Histogram):
            self._write([_histogram(entry)], entry.step, entry.time)

    def _file(self, file: File, path: str) -> None:
        step = file.step or 0
        if file.kind == "figure" and (image := _image(path, file)):
            self._write([image], step, file.time)
        elif file.kind == "table" and os.path.getsize(path) <= TEXT_BYTES:
            with open(path, encoding="utf-8") as text:
                self._write([_text(f"tables/{label(file)}", text.read())], step, file.time)
        else:
            self._write([_text(f"files/{file.name}", path)], step, file.time)

    def _write(self, values: list[Any], step: int, at: float) -> None:
        summary, _ = _protos()
        self._event(wall_time=at, step=step, summary=summary.Summary(value=values))

    def _event(self, **fields: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        _, events = _protos()
        RecordWriter(self._made).write(events.Event(**fields).SerializeToString())

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """Write to the file what the block makes."""
        self._made = io.BytesIO()
        yield
        made = self._made.getvalue()
        with open(self._path, "ab", buffering=0) as file:
            end = file.tell()
            try:
                if file.write(made) < len(made):  # a disk that is just full takes a part
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                file.truncate(end)
                raise


def _protos() -> tuple[Any, Any]:
    from tensorboard.compat.proto import event_pb2, summary_pb2

    return summary_pb2, event_pb2


def _float32(value: float) -> float:
    """What the format holds; a value beyond it is infinite there."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _histogram(entry: Histogram) -> Any:
    summary, _ = _protos()
    edges, counts = entry.edges, entry.counts
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    weighted = list(zip(middles, counts, strict=True))
    histogram = summary.HistogramProto(
        min=edges[0],
        max=edges[-1],
        num=sum(counts),
        sum=sum(middle * count for middle, count in weighted),
        sum_squares=sum(middle * middle * count for middle, count in weighted),
        bucket_limit=edges[1:],
        bucket=counts,
    )
    return summary.Summary.Value(tag=entry.key, histo=histogram)


def _image(path: str, file: File) -> Any:
    summary, _ = _protos()
    with open(path, "rb") as image:
        data = image.read()
    if not data.startswith(PNG) or len(data) < 24:
        return None
    width, height = struct.unpack(">II", data[16:24])
    made = summary.Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=data
    )
    return summary.Summary.Value(tag=f"figures/{label(file)}", image=made)


def _text(tag: str, text: str) -> Any:
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    summary, _ = _protos()
    about = summary.SummaryMetadata(
        plugin_data=summary.SummaryMetadata.PluginData(plugin_name="text")
    )
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    return summary.Summary.Value(tag=tag, metadata=about, tensor=tensor)


def _hparams(params: dict[str, Any], record: RunRecord) -> Any:
    from tensorboard.plugins.hparams import plugin_data_pb2

    start = plugin_data_pb2.SessionStartInfo(start_time_secs=record.started)
    for name, value in params.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, (int, float)):
            start.hparams[name].number_value = value
        elif value is not None:
            start.hparams[name].string_value = str(value)
    return _session(plugin_data_pb2.HParamsPluginData(session_start_info=start), "start")


def _session_end(status: str) -> Any:
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    well = status == "finished"
    code = api_pb2.STATUS_SUCCESS if well else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=code, end_time_secs=time.time())
    return _session(plugin_data_pb2.HParamsPluginData(session_end_info=end), "end")


def _session(content: Any, which: str) -> Any:
    from tensorboard.plugins.hparams import metadata

    summary, _ = _protos()
    tag = metadata.SESSION_START_INFO_TAG if which == "start" else metadata.SESSION_END_INFO_TAG
    about = metadata.create_summary_metadata(content)
    return summary.Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)
