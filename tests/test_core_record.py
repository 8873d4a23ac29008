"""The journal as it is read: its form is held by lines written by hand."""

import json
import math

import numpy as np
import pytest

import assay
from assay.core.directions import better_of
from assay.core.errors import DataError
from assay.core.journal_lines import LINE_LIMIT
from assay.core.record import Best, Metric, Point, RunRecord, read_journal
from assay.core.score import flat_key
from run_kit import END, HEAD, lines_of, metric, points, write_journal


def test_everything_that_a_journal_holds(tmp_path):
    file = {"time": 103.0, "step": 2, "tags": {"stage": "kd"}}
    write_journal(
        tmp_path,
        HEAD,
        metric("loss"),
        metric("val/recall_at_10", name="recall@10", tags={"split": "val"}, better="higher"),
        points(0, 101.0, loss=2),
        {**points(1, 102.0, loss=1.5), "n": {"loss": 64}},
        points(1, 102.5, **{"val/recall_at_10": 0.5}),
        {"kind": "figure", "name": "roc", "path": "figures/roc.png", **file},
        {"kind": "table", "name": "best", "path": "tables/best.csv", **file},
        {"kind": "artifact", "name": "m", "path": "models/m", **file},
        {"kind": "histogram", "name": "w", "edges": [0, 1, 2], "counts": [3, 4], **file},
        {"kind": "params", "time": 104.0, "params": {"alpha": 0.5}, "tags": {"stage": "kd"}},
        {"kind": "params", "time": 104.0, "params": {"beta": 2}, "tags": {}},
        END,
    )
    record = read_journal(str(tmp_path))
    assert (record.id, record.name, record.started, record.ended) == ("abc123", "exp", 100, 999)
    assert record.params == {"lr": 0.1, "beta": 2}
    assert record.group_params == {(("stage", "kd"),): {"alpha": 0.5}}
    assert record.tags == {"who": "me"}
    assert record.status == "finished"
    assert record.points("loss") == [Point(0, 101.0, 2.0), Point(1, 102.0, 1.5, 64)]
    assert record.points("val/recall_at_10") == [Point(1, 102.5, 0.5)]
    assert [f.path for f in record.figures + record.tables + record.artifacts] == [
        "figures/roc.png",
        "tables/best.csv",
        "models/m",
    ]
    assert record.histograms[0].key == "kd/w"
    assert record.stages == ["kd"]
    assert record.written == 3
    steps, values = record.series("loss")
    assert (steps.dtype, values.dtype) == (np.int64, np.float64)
    assert (steps.tolist(), values.tolist()) == ([0, 1], [2.0, 1.5])


def test_of_a_step_the_latest_time_counts_not_the_last_line(tmp_path):
    late = points(3, 105.0, loss=9.0)
    write_journal(
        tmp_path, HEAD, metric("loss"), points(3, 101.0, loss=1.0), late, points(3, 104.0, loss=2.0)
    )
    assert [p.value for p in read_journal(str(tmp_path)).points("loss")] == [9.0]


def test_steps_come_in_order_whenever_they_are_asked_for(tmp_path):
    """Against a plain dictionary; some steps come again, with earlier, equal and later times."""
    rng = np.random.default_rng(5)
    record, expected = RunRecord("x"), {}
    record.take(HEAD)
    record.take(metric("loss"))
    for number in range(300):
        step, time = (int(n) for n in rng.integers(-20, 20, 2))
        record.take({**points(step, float(time), loss=number), "n": {"loss": number}})
        if step not in expected or expected[step].time <= time:
            expected[step] = Point(step, float(time), float(number), number)
        if number % 50 == 0:
            assert record.points("loss") == [expected[step] for step in sorted(expected)]
    steps, values = record.series("loss")
    assert steps.tolist() == sorted(expected)
    assert values.tolist() == [expected[step].value for step in sorted(expected)]


def test_space_around_a_line_is_no_damage(tmp_path):
    line = json.dumps(points(1, 2.0, loss=3.0), indent=None).encode()
    write_journal(tmp_path, HEAD, metric("loss"), b"  " + line, line + b" \t\r")
    assert read_journal(str(tmp_path)).points("loss") == [Point(1, 2.0, 3.0)]


def test_numbers_that_json_lacks(tmp_path):
    values = {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": 10**30}
    write_journal(tmp_path, HEAD, *map(metric, values), points(0, 1.0, **values))
    record = read_journal(str(tmp_path))
    assert math.isnan(record.points("a")[0].value)
    assert [record.points(k)[0].value for k in "bcd"] == [math.inf, -math.inf, 1e30]


@pytest.mark.parametrize("tail", [b"", b"{", b'{"kind":"points","ti', b"\0" * 4096])
def test_a_line_that_was_cut_off_is_left_out(tmp_path, tail):
    write_journal(tmp_path, HEAD, metric("loss"), points(0, 1.0, loss=2.0), tail=tail)
    record = read_journal(str(tmp_path))
    assert record.status == "unfinished"
    assert len(record.points("loss")) == 1


DAMAGE = {
    "no JSON": b"{oops",
    "no object": b"[1]",
    "zeros": b"\0\0\0",
    "no UTF-8": b'{"kind":"\xff"}',
    "deep": b"[" * 100_000,
    "no kind": b"{}",
    "unknown": b'{"kind":"weather"}',
    "no step": b'{"kind":"points","time":1,"values":{}}',
    "no such metric": b'{"kind":"points","time":1,"step":0,"values":{"x":1}}',
    "no number": b'{"kind":"points","time":1,"step":0,"values":{"loss":"high"}}',
    "a step that is no number": b'{"kind":"points","time":1,"step":"0","values":{"loss":1}}',
    "a step beyond 64 bits": b'{"kind":"points","time":1,"step":9223372036854775808,"values":{}}',
    "a time that is no number": b'{"kind":"points","time":"1","step":0,"values":{"loss":1}}',
    "two objects": b'{"kind":"weather"} {"kind":"weather"}',
    "too long": b'{"kind":"' + b"x" * (LINE_LIMIT + 10) + b'"}',
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_line_is_named(tmp_path, damage):
    write_journal(tmp_path, HEAD, metric("loss"), DAMAGE[damage], points(0, 1.0, loss=2.0))
    with pytest.raises(DataError) as caught:
        read_journal(str(tmp_path))
    assert f"{tmp_path}/journal.jsonl: line 3 is damaged" in str(caught.value)
    assert "read once that line is taken out" in str(caught.value)


def test_a_later_version_is_refused_by_name(tmp_path):
    write_journal(tmp_path, {**HEAD, "version": 2, "extra": True})
    with pytest.raises(DataError) as caught:
        read_journal(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/journal.jsonl: has version 2, this assay reads up to 1; upgrade assay"
    )


def test_no_journal(tmp_path):
    with pytest.raises(DataError) as caught:
        read_journal(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/journal.jsonl: cannot be read: No such file or directory; "
        "name a run's directory"
    )


def test_an_unknown_metric_lists_the_known_ones(tmp_path):
    write_journal(tmp_path, HEAD, metric("loss"), metric("acc"))
    with pytest.raises(KeyError, match=r"no metric 'los'; there are \['acc', 'loss'\]"):
        read_journal(str(tmp_path)).points("los")


@pytest.mark.parametrize(
    ("name", "better", "values", "best"),
    [
        ("loss", None, [3, 1, 1, 2], Best(1, 1.0)),
        ("val_macro_f1", None, [0.1, 0.9, "NaN", 0.9], Best(1, 0.9)),
        ("thing", None, [1, 2], None),
        ("thing", "lower", [1, 2], Best(0, 1.0)),
        ("loss", None, ["NaN"], None),
        ("score", None, ["NaN", "Infinity"], Best(1, math.inf)),
    ],
)
def test_best(tmp_path, name, better, values, best):
    lines = [points(i, float(i), **{name: value}) for i, value in enumerate(values)]
    write_journal(tmp_path, HEAD, metric(name, better=better), *lines)
    assert read_journal(str(tmp_path)).best(name) == best


def test_a_run_that_goes_on(tmp_path):
    again = {**HEAD, "kind": "resume", "time": 2000.0, "params": {"lr": 0.2, "new": 1}}
    write_journal(
        tmp_path, HEAD, metric("loss"), points(0, 1.0, loss=1.0),
        {**END, "status": "failed", "error": "ValueError: x"}, again, points(0, 2001.0, loss=3.0),
    )  # fmt: skip
    record = read_journal(str(tmp_path))
    assert (record.status, record.error, record.ended, record.started) == (
        "unfinished",
        "",
        None,
        100,
    )
    assert record.params == {"lr": 0.2, "new": 1}
    assert [p.value for p in record.points("loss")] == [3.0]


@pytest.mark.parametrize(
    ("params", "stages", "pipeline", "sentence"),
    [
        ({}, [], None, None),
        ({"pipeline": "baseline"}, [], "baseline", "One stage: baseline training."),
        (
            {"pipeline": "baseline_kd_prune_quant"},
            ["baseline"],
            "baseline_kd_prune_quant",
            "Four stages: baseline training, knowledge distillation, pruning, then quantisation.",
        ),
        ({}, ["kd", "mine"], "kd_mine", "Two stages: knowledge distillation, then mine."),
        ({"pipeline": "x", "pipeline_description": "Own."}, ["y"], "x", "Own."),
    ],
)
def test_the_pipeline_and_what_it_is(params, stages, pipeline, sentence):
    found = RunRecord("x", params=params, stages=stages).pipeline()
    assert (found.get("pipeline"), found.get("pipeline_description")) == (pipeline, sentence)


def test_groups_of_metrics():
    tags = {"fold": "1", "stage": "kd", "split": "val"}
    one = Metric("f1", tags, flat_key("f1", tags) + "_2", suffix="_2")
    assert one.key == "kd/val/fold_1/f1_2"
    assert one.group == (("stage", "kd"), ("fold", "1"))
    assert one.key_in_group == "val/f1_2"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("train/loss", "train/loss"),
        ("/loss", "_/loss"),
        ("a//b/../c", "a/_/b/_/c".replace("/_/b", "/_/b")),
        ("f1±", "f1_std"),
        ("latency_ms/p50", "latency_ms/p50"),
    ],
)
def test_a_slash_in_a_name_stays(name, key):
    assert flat_key(name, {}) == key


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("loss", "lower"),
        ("val_wer", "lower"),
        ("ms_per_sample", "lower"),
        ("quantized_size_mb", "lower"),
        ("student_macro_f1", "higher"),
        ("f1_loss", "lower"),
        ("val/roc_auc", "higher"),
        ("throughput", "higher"),
        ("epoch", None),
        ("closs", None),
    ],
)
def test_directions_of_plain_names(name, better):
    assert better_of(name) == better


def test_what_the_package_itself_writes_has_this_form(tmp_path):
    with assay.Run(tmp_path / "exp", params={"lr": 0.1}, tags={"a": 1}) as run:
        run.log({"loss": 0.5}, step=4, fold=1)
    head, about, point, end = lines_of(tmp_path / "exp")
    assert head.keys() == HEAD.keys()
    assert (head["kind"], head["version"], head["params"], head["tags"]) == (
        "run", 1, {"lr": 0.1}, {"a": "1"},
    )  # fmt: skip
    assert about == metric("fold_1/loss", name="loss", tags={"fold": "1"})
    assert point == points(4, point["time"], **{"fold_1/loss": 0.5})
    assert end == {"kind": "end", "time": end["time"], "status": "finished", "error": ""}
    assert head["time"] < point["time"] < end["time"]
    text = (tmp_path / "exp" / "journal.jsonl").read_text()
    assert json.dumps(point, separators=(",", ":")) in text
