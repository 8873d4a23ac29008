"""How far `assay score captions` is, and what its metrics are so far."""

import json

import pytest

from assay.cli.captions import headline
from assay.cli.watch import Watching
from assay.core.protocols import Part
from assay.run.totals import Total
from cli_kit import assay
from test_cli_captions import parquet

METRICS = "bleu,chrf++,rouge_l,ter,cider"


def told(done):
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.err.splitlines()]


@pytest.mark.parametrize("more", [(), ("--by", "set"), ("--interval", "none")])
def test_the_last_values_are_the_scores(tmp_path, more):
    """Of several row groups, so that counts add on the way."""
    asked = ("--metrics", METRICS, "--progress-json", "--json", *more)
    done = assay("score", "captions", *parquet(tmp_path), *asked)
    references, last = told(done)
    assert (references["items"], references["values"]) == (60, {})
    assert last["items"] == 60
    assert last["values"] == {name: done.values[(name,)] for name in METRICS.split(",")}


def test_values_of_what_an_earlier_run_has_done(tmp_path):
    asked = ("--work-dir", str(tmp_path / "work"), "--progress-json", "--json", "--metrics", "bleu")
    paths = parquet(tmp_path)
    first, again = (assay("score", "captions", *paths, *asked) for _ in range(2))
    assert told(again)[-1]["values"] == told(first)[-1]["values"] != {}


def test_it_is_told_when_it_is_time():
    told = []
    for every in (0.0, 1e9):
        watch = Watching([Part(0, "a", size=9)], [], [], headline, told.append, every)
        for consumed in (3, 9):
            watch(Part(0, "a", size=9), consumed, Total(2, {}))
    assert [(facts["items"], facts["bytes"]) for facts in told] == [(2, 3), (4, 9)]


def test_nothing_is_shown_of_no_items():
    watch = Watching([], [], [], headline, print, 1e9)
    watch._sum(Total())
    assert watch.facts()["values"] == {}
