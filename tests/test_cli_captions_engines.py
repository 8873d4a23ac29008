"""`assay score captions` counts twice where CIDEr-D is asked for, on one cluster."""

import pytest

from assay.cli import corpus
from assay.run import ray_engine
from assay.run.jobs import local
from cli_kit import assay
from test_cli_captions import parquet


class Ray:
    """As much of Ray as says whether it runs."""

    up, started, stopped = False, 0, 0

    def is_initialized(self):
        return self.up

    def init(self, *_, **__):
        assert not self.up
        self.up, self.started = True, self.started + 1

    def shutdown(self):
        self.up, self.stopped = False, self.stopped + 1


@pytest.fixture
def ray(monkeypatch):
    made = Ray()

    def engine(job, shards, watch):
        with ray_engine.connected():
            assert made.up
            yield from local(job, shards, watch)

    monkeypatch.setattr(ray_engine, "require", lambda name: made)
    monkeypatch.setattr(corpus, "loaded", lambda name, scale: engine)
    return made


@pytest.mark.parametrize("metrics", ["bleu,cider", "bleu"])
def test_a_cluster_is_started_once(tmp_path, ray, metrics):
    asked = ("score", "captions", *parquet(tmp_path), "--metrics", metrics, "--json")
    done = assay(*asked, "--engine", "ray")
    assert (done.code, ray.started, ray.stopped) == (0, 1, 1)
    assert done.out == assay(*asked).out


def test_it_is_stopped_where_counting_fails(tmp_path, ray):
    asked = ("score", "captions", *parquet(tmp_path), "--references", "no", "--engine", "ray")
    assert assay(*asked).code == 2
    assert ray.started == ray.stopped


def test_what_does_not_fit_is_said_before_a_cluster_is_started(tmp_path, ray):
    asked = ("score", "captions", *parquet(tmp_path), "--engine", "ray")
    done = assay(*asked, "--per-item", tmp_path / "items.parquet")
    assert (done.code, ray.started) == (2, 0)
    assert "--per-item with --engine ray needs --work-dir" in done.err
