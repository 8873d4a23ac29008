"""What fine-tuning brings back of what pruning took."""

import math

import pytest

import assay
from assay.core.errors import InputError

TRUTH = [0, 1] * 4


def model(wrong: int):
    return assay.count_labels(TRUTH, [1 - t if i < wrong else t for i, t in enumerate(TRUTH)])


@pytest.mark.parametrize(
    ("wrong", "share"), [((0, 4, 1), 0.75), ((2, 4, 0), 2), ((0, 2, 4), -1), ((1, 1, 0), math.nan)]
)
def test_the_share_that_came_back(wrong, share):
    scores = {s.name: s for s in assay.recovery(*map(model, wrong), "accuracy")}
    sides = ("before", "pruned", "fine_tuned")
    assert [scores[f"accuracy_{side}"].value for side in sides] == [1 - w / 8 for w in wrong]
    assert scores["accuracy_recovery"].value == pytest.approx(share, nan_ok=True)
    assert all(score.n == 8 and score.better == "higher" for score in scores.values())


def test_where_less_is_better():
    states = [assay.count_words(["a b c d"], [guess]) for guess in ("a b c d", "x", "a b c x")]
    scores = {s.name: s for s in assay.recovery(*states, "wer")}
    assert (scores["wer_recovery"].value, scores["wer_recovery"].better) == (0.75, "higher")
    assert scores["wer_fine_tuned"].better == "lower"


def test_it_is_logged_with_what_was_pruned(tmp_path, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with assay.Run(tmp_path / "exp") as run:
        run.log(assay.recovery(*map(model, (0, 4, 1))), step=0, stage="prune", pruning_method="l1")
        assert run.best["prune/pruning_method_l1/macro_f1_recovery"].step == 0


def test_what_does_not_compare_is_refused():
    other = assay.count_labels(TRUTH[:6], TRUTH[:6])
    words = (
        assay.count_words(["a"], ["a"]),
        assay.count_words(["A"], ["A"], normalise="basic"),
    )
    for states, name, message in (
        (
            (model(0), model(1), other),
            "accuracy",
            "before and tuned must be of the same items, got 8",
        ),
        ((model(0), model(1), model(1)), "acc", "before has no score 'acc'; it has accuracy"),
        ((words[0], words[1], words[1]), "wer", "wer of before and pruned must be counted alike"),
    ):
        with pytest.raises(InputError) as caught:
            assay.recovery(*states, name)
        assert message in str(caught.value)
