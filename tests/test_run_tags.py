"""Tags that are None, and parameters that lie in themselves."""

import pytest

import assay
from assay.core.errors import InputError
from assay.core.record import read_journal
from run_kit import lines_of, values_of


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp"


def test_no_fold_is_no_fold_wherever_one_is_named(folder, tmp_path):
    source = tmp_path / "notes.txt"
    source.write_text("a")
    none = {"fold": None, "stage": "kd"}
    score = assay.count_words(["a b"], ["a"], items=False).pick("wer")
    with assay.Run(folder, tags={"user": None, "who": "me"}) as run:
        run.log({"val_f1": 0.25}, **none)
        run.log({"val_f1": 0.5}, stage="kd")
        run.log(score, **none)
        assert run.is_best("val_f1", **none)
        assert run.is_best("val_f1", stage="kd")
        run.log_params({"alpha": 1}, **none)
        run.histogram([1.0, 2.0], "weights", **none)
        run.artifact(source, **none)
        run.figure(b"\x89PNG", "roc", **none)
        run.table([{"a": 1}], "rows", **none)
        run.save(b"x", **none)
    assert values_of(folder) == {"kd/val_f1": [(0, 0.25), (1, 0.5)], "kd/wer": [(0, 0.5)]}
    record = read_journal(str(folder))
    assert record.tags == {"who": "me"}
    assert record.group_params == {(("stage", "kd"),): {"alpha": 1}}
    assert set(record.files) == {
        ("artifact", "artifacts/kd/notes.txt"), ("figure", "figures/kd/roc.png"),
        ("table", "tables/kd/rows.csv"), ("artifact", "models/kd/best.pt"),
    }  # fmt: skip
    assert b"None" not in (folder / "journal.jsonl").read_bytes()


@pytest.mark.parametrize("fold", [None, 0])
def test_meters_of_no_fold(folder, fold):
    meters = assay.Meters({"words": assay.count_words}, tags={"fold": fold, "split": "val"})
    meter = assay.Meter(assay.count_words, tags={"fold": fold, "split": "val"})
    for one in (meters, meter):
        one.update(["a b"], ["a"])
    key = "val/wer" if fold is None else "val/fold_0/wer"
    assert meters.compute()[key] == meter.compute()[key] == 0.5
    with assay.Run(folder) as run:
        run.log(meter.scores())
    assert values_of(folder)[key] == [(0, 0.5)]


def test_parameters_that_contain_themselves(folder):
    own = {"lr": 0.1, "model": {"width": 3}}
    own["model"]["config"] = own
    layers = [1, 2]
    layers.append((3, layers))
    for params, name in ((own, "model.config"), ({"a": {"layers": layers}}, "a.layers")):
        told = (
            f"Run: params must not contain themselves, and {name!r} is what it lies in; leave it "
            "out, or give its str()"
        )
        with pytest.raises(InputError) as caught:
            assay.Run(folder, params=params)
        assert str(caught.value) == told
        assert not folder.exists()
    with pytest.raises(InputError, match=r"Run: tags must not .*, and 'model\.config'"):
        assay.Run(folder, tags=own)
    with assay.Run(folder) as run:
        with pytest.raises(InputError, match=r"'model\.config' is what it lies in"):
            run.log_params(own, stage="kd")
        run.log_params({"twice": [layers[:2], layers[:2]], "a": {"x": {}}, "b": {"x": own["lr"]}})
    assert [line["params"] for line in lines_of(folder) if line["kind"] == "params"] == [
        {"twice": [[1, 2], [1, 2]], "a.x": "{}", "b.x": 0.1}
    ]


def test_a_mapping_twice_is_no_circle(folder):
    shared = {"lr": 0.1}
    with assay.Run(folder, params={"a": shared, "b": shared, "c": [shared["lr"]]}):
        pass
    assert read_journal(str(folder)).params == {"a.lr": 0.1, "b.lr": 0.1, "c": [0.1]}
