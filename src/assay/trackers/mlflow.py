"""MLflow: a database or a tracking server.

One run, and within it one for each stage, and one for each fold within that. A point has the time
at which it was logged, so that one which comes twice is one in MLflow's database. What MLflow takes
at once (1,000 metrics, 100 parameters, keys of 250 characters, values of 6,000) is respected: more
goes in parts, a longer value stands whole in parameters.json. A parameter cannot be changed there:
a new value becomes a tag.
"""

import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from assay.core.errors import InputError, Refused
from assay.core.optional import require
from assay.core.record import Entry, File, Histogram, Params, Points, RunRecord, group_of
from assay.trackers._shared import check_installed, check_no_secret, fitting

__all__ = ["MLflow"]

METRICS, PARAMS, KEY, VALUE, TAG_VALUE = 1_000, 100, 250, 6_000, 8_000  # MLflow's limits

# How long a call may wait for a server, which may be taking in a model; the sender has its own
# pauses between attempts.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
UNASKED = {"MLFLOW_DISABLE_TELEMETRY": "true"}  # else MLflow tells its makers of each run

STATUS = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
FINAL = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE")
RUN_ID, GROUP = "assay.run_id", "assay.group"  # tags by which a run is found again

Group = tuple[tuple[str, str], ...]
T = TypeVar("T")


class MLflow:
    """MLflow(uri, experiment="exp"): `sqlite:///mlflow.db`, or the address of a server.

    uri: by default the variable MLFLOW_TRACKING_URI, which is where one with a password belongs. A
    folder of files (`./mlruns`) is refused, as MLflow does. run_id: go into this run, which stays
    open at the end. InputError for what cannot be a URI; MissingDependency without mlflow.

    >>> MLflow("https://mlflow.example", experiment="exp").spec()
    {'tracker': 'mlflow', 'uri': 'https://mlflow.example', 'experiment': 'exp'}
    """

    def __init__(
        self, uri: str | None = None, experiment: str = "Default", *, run_id: str | None = None
    ) -> None:
        check_installed("mlflow")
        self.uri = None if uri is None else _absolute(uri)
        self.experiment, self.run_id = experiment, run_id

    @classmethod
    def active(cls) -> Self:
        """The run that mlflow.start_run() began in this process, to be logged into."""
        mlflow = sys.modules.get("mlflow")
        run = mlflow.active_run() if mlflow else None
        if mlflow is None or run is None:
            raise InputError("MLflow.active: no run is active; begin one by mlflow.start_run()")
        experiment = mlflow.get_experiment(run.info.experiment_id).name
        return cls(mlflow.get_tracking_uri(), experiment, run_id=run.info.run_id)

    def spec(self) -> dict[str, Any]:
        return {
            "tracker": "mlflow", "uri": self.uri, "experiment": self.experiment,
            **({"run_id": self.run_id} if self.run_id else {}),
        }  # fmt: skip

    def start(self, record: RunRecord) -> bool:
        for name, value in {**PATIENCE, **UNASKED}.items():
            os.environ.setdefault(name, value)
        require("mlflow")
        from mlflow import MlflowClient, entities
        from mlflow.exceptions import MlflowException

        self._entities, self._error = entities, MlflowException
        self._record = record
        self._client = MlflowClient(self.uri)
        self._runs: dict[Group, str] = {}
        self._params: dict[str, dict[str, str]] = {}
        self._experiment_id = self._open_experiment()
        self._top = self._run_of(())
        self._asked(self._client.update_run, self._top, status="RUNNING")
        return False

    def log(self, entries: Sequence[Entry]) -> None:
        metrics: dict[str, list[Any]] = defaultdict(list)
        for entry in entries:
            if isinstance(entry, Points):
                at = round(entry.time * 1000)
                for metric, value in entry.values:
                    key = fitting(metric.key_in_group, KEY)
                    run = self._run_of(metric.group)
                    metrics[run].append(self._entities.Metric(key, value, at, entry.step))
            elif isinstance(entry, Params):
                self._log_params(self._run_of(group_of(entry.tags)), entry.params)
            elif isinstance(entry, Histogram):
                self._log_histogram(entry)
        for run, points in metrics.items():
            for part in _parts(points, METRICS):
                self._asked(self._client.log_batch, run, metrics=part)

    def artifact(self, file: File) -> None:
        path = os.path.join(self._record.directory, file.path)
        folder = os.path.dirname(file.path).removeprefix("artifacts").strip("/") or None
        run = self._run_of(group_of(file.tags))
        if os.path.isdir(path):
            self._asked(self._client.log_artifacts, run, path, file.path)
        else:
            self._asked(self._client.log_artifact, run, path, folder)

    def finish(self, status: str) -> str:
        for group, run in self._known_runs().items():
            self._log_params(run, self._record.pipeline())
            if group or not self.run_id:
                self._asked(self._client.set_terminated, run, STATUS[status])
        if self.uri is None:
            return 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'
        if urlsplit(self.uri).scheme in ("http", "https"):
            return f"{self.uri.rstrip('/')}/#/experiments/{self._experiment_id}/runs/{self._top}"
        return f"mlflow ui --backend-store-uri {shlex.quote(self.uri)}"

    # -- runs --------------------------------------------------------------------------------------

    def _open_experiment(self) -> str:
        found = self._asked(self._client.get_experiment_by_name, self.experiment)
        if found is None:
            return str(
                self._asked(self._client.create_experiment, self.experiment, self._artifacts())
            )
        if found.lifecycle_stage != "active":
            raise Refused(
                f"the experiment {self.experiment!r} is deleted; restore it, or name another"
            )
        return str(found.experiment_id)

    def _artifacts(self) -> str | None:
        """Files go beside a database of SQLite; else they would go where the process is."""
        if self.uri is None or not self.uri.startswith("sqlite:///"):
            return None
        folder = os.path.dirname(self.uri.removeprefix("sqlite:///"))
        os.makedirs(folder, exist_ok=True)
        return f"file://{os.path.join(folder, 'mlartifacts')}"

    def _run_of(self, group: Group) -> str:
        """The run of a stage and fold, found or made; () is the whole."""
        if group in self._runs:
            return self._runs[group]
        if not group and self.run_id:
            found = self.run_id
        else:
            found = self._known_runs().get(group) or self._created(group)
        self._runs[group] = found
        if group:
            own = self._record.group_params.get(group, {})
            self._log_params(found, {**self._given_pipeline(), **own})
        return found

    def _known_runs(self) -> dict[Group, str]:
        """Those that this record has there."""
        query = f"tags.`{RUN_ID}` = '{self._record.id}'"
        found = self._asked(
            self._client.search_runs, [self._experiment_id], query, max_results=METRICS
        )
        by_tag = {run.data.tags.get(GROUP, ""): run.info.run_id for run in found}
        runs = {group: by_tag[_tag(group)] for group in self._groups() if _tag(group) in by_tag}
        return {**({(): self.run_id} if self.run_id else {}), **runs}

    def _groups(self) -> set[Group]:
        """The stages and folds of the record, and the stages that folds are in."""
        groups = {metric.group for metric in self._record.metrics.values()}
        groups |= {group_of(file.tags) for file in self._record.files.values()}
        groups |= self._record.group_params.keys()
        return {group[:depth] for group in groups for depth in range(len(group) + 1)} | {()}

    def _created(self, group: Group) -> str:
        tags = {RUN_ID: self._record.id, GROUP: _tag(group), **self._record.tags}
        tags = {fitting(k, KEY): str(v)[:TAG_VALUE] for k, v in tags.items()}
        name = self._record.name
        if group:
            tags["mlflow.parentRunId"] = self._run_of(group[:-1])
            name = "_".join(group[-1]) if group[-1][0] == "fold" else group[-1][1]
        started = round(self._record.started * 1000)
        made = self._asked(
            self._client.create_run, self._experiment_id, started, tags=tags, run_name=name
        )
        return str(made.info.run_id)

    # -- parameters --------------------------------------------------------------------------------

    def _given_pipeline(self) -> dict[str, Any]:
        """`pipeline` and its description, where they are known before the end."""
        return self._record.pipeline() if "pipeline" in self._record.params else {}

    def _log_params(self, run: str, params: Mapping[str, Any]) -> None:
        if run == self._runs.get(()) and "pipeline" in params:
            params = {**params, **self._record.pipeline()}
        texts = {fitting(_clean(name), KEY): _text(value) for name, value in params.items()}
        if any(len(text) > VALUE for text in texts.values()):
            self._asked(self._client.log_dict, run, dict(params), "parameters.json")
            texts = {name: _cut(text) for name, text in texts.items()}
        if run not in self._params:
            self._params[run] = dict(self._asked(self._client.get_run, run).data.params)
        there = self._params[run]
        for name, text in texts.items():
            if name in there and there[name] != text:
                self._asked(self._client.set_tag, run, fitting(f"param.{name}", KEY), text)
        new = {name: text for name, text in texts.items() if name not in there}
        for part in _parts(list(new.items()), PARAMS):
            entities = [self._entities.Param(name, text) for name, text in part]
            self._asked(self._client.log_batch, run, params=entities)
        there |= new

    def _log_histogram(self, entry: Histogram) -> None:
        data = {"edges": entry.edges, "counts": entry.counts, "step": entry.step}
        file = f"histograms/{entry.key}-{entry.step}.json"
        self._asked(self._client.log_dict, self._run_of(group_of(entry.tags)), data, file)

    def _asked(self, call: Any, *arguments: Any, **options: Any) -> Any:
        """A call to MLflow; Refused where another attempt would be answered alike."""
        try:
            return call(*arguments, **options)
        except self._error as error:
            if getattr(error, "error_code", "") in FINAL:
                raise Refused(str(error)) from error
            raise


def _absolute(uri: str) -> str:
    """The URI from any working directory; InputError for what MLflow does not take."""
    scheme = urlsplit(uri).scheme
    if scheme.startswith("sqlite"):
        head, _, path = uri.partition(":///")
        return f"{head}:///{os.path.abspath(path)}" if path else uri
    if uri.partition("://")[0] == "databricks":  # its keys are in a file of its own
        return uri
    if scheme in ("", "file") or len(scheme) == 1:
        raise InputError(
            f"MLflow: uri must be a database or a server, got {uri!r}: MLflow takes no folder of "
            "files any more; sqlite:///mlflow.db is one file"
        )
    check_no_secret(
        "MLflow: uri", uri, "put it into MLFLOW_TRACKING_URI and leave the argument out"
    )
    return uri


def _tag(group: Group) -> str:
    return "/".join(f"{tag}={value}" for tag, value in group) or "all"


def _parts(items: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _clean(name: str) -> str:
    """A parameter's name in the characters that MLflow takes."""
    from assay.core.score import flat_key

    return flat_key(name, {})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _cut(text: str) -> str:
    note = "… (whole in parameters.json)"
    return text if len(text) <= VALUE else text[: VALUE - len(note)] + note
