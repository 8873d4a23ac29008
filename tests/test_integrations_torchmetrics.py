"""Count functions as torchmetrics.Metric: collections, single steps, checkpoints, gloo ranks."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection
from torchmetrics.utilities.exceptions import TorchMetricsUserError

import assay
from assay.core.errors import InputError
from assay.integrations.torchmetrics import AssayMetric

REFS = ["the cat sat", "on", "the mat", "a b c d", ""]
HYPS = ["the cat", "on on", "the mat", "a x c", "a"]


def test_a_collection_gives_what_the_count_functions_give():
    metrics = MetricCollection(
        {
            "wer": AssayMetric(assay.count_words, "wer"),
            "cer": AssayMetric(assay.count_chars, "cer"),
            "hits": AssayMetric(assay.count_words, "hits"),
        }
    )
    for part in (slice(0, 2), slice(2, 4)):
        metrics.update(REFS[part], HYPS[part])
    step = metrics(REFS[4:], HYPS[4:])
    words, chars = (count(REFS, HYPS) for count in (assay.count_words, assay.count_chars))
    found = metrics.compute()
    assert {name: value.item() for name, value in found.items()} == {
        "wer": words["wer"], "cer": chars["cer"], "hits": words.hits,
    }  # fmt: skip
    assert found["wer"].dtype == torch.float64
    assert step["wer"].item() == assay.count_words(REFS[4:], HYPS[4:])["wer"]
    assert len(metrics.compute_groups) == 3  # none shares the state of another
    other = metrics.clone(prefix="val_")
    assert other.compute()["val_wer"] == found["wer"]
    metrics.reset()
    assert other.compute()["val_wer"] == found["wer"]
    with pytest.warns(UserWarning, match="was called before the ``update`` method"):
        assert metrics["wer"].compute().isnan()


def test_all_scores_come_under_flat_names():
    metric = AssayMetric(assay.count_labels, prefix="val_")
    target, guess = torch.tensor([0, 1, 2, 1]), torch.tensor([0, 2, 2, 1])
    metric.update(target, guess)
    expected = assay.count_labels(target, guess).as_dict("val_")
    found = {name: value.item() for name, value in metric.compute().items()}
    assert found == expected
    assert "val_class_2/f1" in found


def test_a_checkpoint_goes_on_and_copies_are_their_own(tmp_path):
    metric = AssayMetric(assay.count_scores, "roc_auc")
    target, score = np.array([0, 1, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.2, 0.35])
    metric.update(target[:3], score[:3])
    torch.save(metric.state_dict(), tmp_path / "metric.pt")
    loaded = AssayMetric(assay.count_scores, "roc_auc")
    loaded.load_state_dict(torch.load(tmp_path / "metric.pt", weights_only=True))
    assert loaded.compute() == metric.compute()
    whole = assay.count_scores(target, score).roc_auc
    for own in (metric, loaded, copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        before = own.compute()
        own.update(target[3:], score[3:])
        assert own.compute().item() == whole != before


def test_what_it_cannot_do_is_refused():
    with pytest.raises(InputError, match="dist_sync_on_step=True is refused"):
        AssayMetric(assay.count_words, dist_sync_on_step=True)
    with pytest.raises(InputError, match="use RetrievalMeter"):
        AssayMetric(assay.count_ranks)
    metric = AssayMetric(assay.count_words, "werr")
    metric.update(["a"], ["b"])
    with pytest.raises(KeyError, match="has no score 'werr'; it has"):
        metric.compute()
    metric._is_synced = True
    with pytest.raises(TorchMetricsUserError, match="between sync"):
        metric(["a"], ["b"])


def on_a_rank(group, rank, ranks):
    """Rank r has pairs r, r + ranks, …; the last rank of four has none."""
    own = slice(rank, 4, ranks) if rank < 3 else slice(0, 0)
    metric = AssayMetric(assay.count_words, process_group=group)
    if len(REFS[own]):
        metric.update(REFS[own], HYPS[own])
    else:
        metric._update_count = 1  # or it warns that nothing came
    all_ranks = {name: value.item() for name, value in metric.compute().items()}
    alone = metric._meter.state
    return all_ranks, 0 if alone is None else alone.pairs


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_add_up_to_one_process(pool, size):
    answers = pool.run("test_integrations_torchmetrics:on_a_rank", size, ranks=size)
    expected = assay.count_words(REFS[:4], HYPS[:4]).as_dict()
    assert [answer[0] for answer in answers] == [expected] * size
    assert sum(answer[1] for answer in answers) == 4


def test_a_rank_may_be_empty(pool):
    answers = pool.run("test_integrations_torchmetrics:on_a_rank", 4, ranks=4)
    expected = assay.count_words(REFS[:3], HYPS[:3]).as_dict()
    assert [answer[0] for answer in answers] == [expected] * 4
    assert answers[3][1] == 0
