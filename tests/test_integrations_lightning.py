"""The callback in a Lightning Trainer, a few epochs of a linear model on the CPU."""

import logging
import math

import pytest
import torch
from sklearn import metrics as sk
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytest.importorskip("lightning", reason="its Trainer is what is tested")

import lightning.pytorch as lightning

import assay
from assay.core.errors import InputError
from assay.core.record import read_journal
from assay.integrations.lightning import AssayCallback
from assay.integrations.torchmetrics import AssayMetric

pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning and torch, which are many
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

X = torch.randn(37, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0.3).long()


class Linear(lightning.LightningModule):
    def __init__(self, rate=0.1, gives=lambda target, logits: (target, logits)):
        super().__init__()
        self.save_hyperparameters("rate")
        torch.manual_seed(1)
        self.layer, self.gives = nn.Linear(4, 2), gives
        self.own = AssayMetric(assay.count_labels, "macro_f1")

    def training_step(self, batch, index):
        loss = nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, index):
        logits = self.layer(batch[0])
        self.own(batch[1], logits.argmax(1))
        self.log("own_macro_f1", self.own, on_epoch=True, on_step=False)
        return self.gives(batch[1], logits)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.rate)


def loader():
    return DataLoader(TensorDataset(X, Y), 8)


def trainer(folder, *callbacks, **options):
    return lightning.Trainer(
        default_root_dir=folder, callbacks=list(callbacks), logger=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip


def test_meters_times_and_memory_of_each_epoch(tmp_path):
    with assay.Run(tmp_path / "run") as run:
        callback = AssayCallback(run, assay.Meter(assay.count_labels))
        best = lightning.callbacks.ModelCheckpoint(tmp_path, monitor="val_macro_f1", mode="max")
        model = Linear()
        trainer(tmp_path, callback, best, max_epochs=3).fit(model, loader(), loader())
    record = read_journal(tmp_path / "run")
    assert record.params["rate"] == 0.1
    steps, values = record.series("val_macro_f1")
    assert steps.tolist() == [0, 1, 2]
    guess = model.layer(X).argmax(1)
    assert values[-1] == sk.f1_score(Y, guess, average="macro")  # in float64
    _, own = record.series("own_macro_f1")
    assert own == pytest.approx(values, rel=1e-6)
    assert best.best_model_score == pytest.approx(max(values), rel=1e-6)
    for name in ("epoch_time_s", "epoch_train_time_s", "peak_train_vram_gb", "train_loss"):
        steps, values = record.series(name)
        assert steps.tolist() == [0, 1, 2], name
        assert all(0 < value < 100 for value in values)
    whole, train = (record.series(name)[1] for name in ("epoch_time_s", "epoch_train_time_s"))
    assert (train < whole).all()
    assert record.series("total_time_s")[1][0] >= whole.sum()
    saved = torch.load(best.best_model_path, weights_only=False)["callbacks"]["AssayCallback"]
    assert saved["meters"].keys() == {"count", "state", "ids"}


def test_it_works_without_a_run_and_counts_validation_alone(tmp_path):
    meters = assay.Meters({"labels": assay.count_labels})
    callback = AssayCallback(meters=meters, prefix="test_")
    model = Linear(gives=lambda target, logits: {"target": target, "prediction": logits})
    found = trainer(tmp_path, callback).validate(model, loader(), verbose=False)[0]
    guess = model.layer(X).argmax(1)
    assert found["test_accuracy"] == pytest.approx(sk.accuracy_score(Y, guess), rel=1e-6)


def test_columns_may_come_from_anything(tmp_path):
    callback = AssayCallback(
        meters=assay.Meter(assay.count_labels), columns=lambda out, batch: (batch[1], out["z"])
    )
    model = Linear(gives=lambda target, logits: {"z": logits})
    found = trainer(tmp_path, callback).validate(model, loader(), verbose=False)[0]
    assert not math.isnan(found["val_accuracy"])
    with pytest.raises(InputError, match="validation_step must return a tuple of columns"):
        trainer(tmp_path, AssayCallback(meters=assay.Meter(assay.count_labels))).validate(
            model, loader(), verbose=False
        )


def test_rows_that_a_sampler_repeats_count_once(tmp_path):
    data = DataLoader(TensorDataset(torch.arange(40) % 37, X[torch.arange(40) % 37]), 8)

    class Named(Linear):
        gives_tuple = False

        def validation_step(self, batch, index):
            ids, x = batch
            target, logits = Y[ids], self.layer(x)
            if self.gives_tuple:
                return target, logits, {"ids": ids}
            return {"target": target, "prediction": logits, "ids": ids}

    model = Named()
    for model.gives_tuple in (False, True):
        meter = assay.Meter(assay.count_labels)
        trainer(tmp_path, AssayCallback(meters=meter)).validate(model, data, verbose=False)
        assert meter.state.n == 37
        assert meter.state["accuracy"] == sk.accuracy_score(Y, model.layer(X).argmax(1))


def test_embeddings_are_ranked_and_in_checkpoints(tmp_path):
    def callback():
        return AssayCallback(
            meters=assay.RetrievalMeter(assay.count_ranks),
            columns=lambda outputs, batch: (outputs[1], batch[0][:, :2]),
        )

    own = callback()
    best = lightning.callbacks.ModelCheckpoint(tmp_path, monitor="val_recall_at_10")
    model = Linear()
    trainer(tmp_path, own, best, max_epochs=1).fit(model, loader(), loader())
    wanted = assay.count_ranks(model.layer(X).detach(), X[:, :2], range(37))
    assert own.meters.compute() == wanted.as_dict()
    again = callback()
    trainer(tmp_path, again, max_epochs=1).fit(
        Linear(), loader(), loader(), ckpt_path=best.best_model_path
    )
    assert again.meters.compute() == wanted.as_dict()


def test_a_failing_step_ends_what_is_open(tmp_path):
    class Failing(Linear):
        def training_step(self, batch, index):
            raise ZeroDivisionError("here")

    callback = AssayCallback()
    with pytest.raises(ZeroDivisionError, match="here"):
        trainer(tmp_path, callback, max_epochs=1, num_sanity_val_steps=0).fit(Failing(), loader())
    assert callback.timer.epochs == ()
    with callback.timer.epoch():  # none is open
        pass
