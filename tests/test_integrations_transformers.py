"""compute_metrics and the callback in Trainer itself, a few steps of small models on the CPU."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

pytest.importorskip("accelerate", reason="Trainer stands on accelerate")
pytest.importorskip("transformers", reason="its Trainer is what is tested")

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    DataCollatorForTokenClassification,
    EvalPrediction,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

import assay
from assay.core.errors import InputError
from assay.core.record import read_journal
from assay.integrations._predictions import best_ids
from assay.integrations.transformers import AssayCallback, cer, classification, retrieval, wer

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and torch, which are many

WORDS = ["<pad>", "<unk>", "the", "cat", "sat", "on", "mat", "dog", "ran", "far"]
CONFIG = BertConfig(
    vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=16, num_labels=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>")


def arguments(folder, **options):
    return TrainingArguments(
        str(folder), per_device_train_batch_size=4, per_device_eval_batch_size=4,
        report_to="none", use_cpu=True, disable_tqdm=True, **options,
    )  # fmt: skip


def labelled(n, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {"input_ids": rng.integers(2, 10, 6).tolist(), "labels": int(rng.integers(0, 2))}
        for _ in range(n)
    ]


@pytest.mark.parametrize("by_batch", [False, True])
def test_a_classifier_is_trained_by_the_metric_and_logged(tmp_path, by_batch):
    torch.manual_seed(0)
    scorer, data = classification(), labelled(21)
    options = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 2, "save_steps": 2}
    with assay.Run(tmp_path / "run") as run:
        trainer = Trainer(
            BertForSequenceClassification(CONFIG),
            arguments(
                tmp_path, max_steps=4, logging_steps=2, metric_for_best_model="macro_f1",
                load_best_model_at_end=True, batch_eval_metrics=by_batch, **options,
            ),
            train_dataset=data, eval_dataset=data, compute_metrics=scorer,
            preprocess_logits_for_metrics=scorer.preprocess, callbacks=[AssayCallback(run)],
        )  # fmt: skip
        trainer.train()
        found = trainer.evaluate()
    predicted = trainer.predict(data) if not by_batch else None
    if predicted is not None:
        logits, target = predicted.predictions, predicted.label_ids
        guess = logits.argmax(1)
        assert found["eval_accuracy"] == sk.accuracy_score(target, guess)
        assert found["eval_macro_f1"] == pytest.approx(sk.f1_score(target, guess, average="macro"))
        area = sk.roc_auc_score(target, logits[:, 1] - logits[:, 0])
        assert found["eval_roc_auc"] == pytest.approx(area, rel=1e-12)
    assert trainer.state.best_metric in (found["eval_macro_f1"], *_values(tmp_path, "macro_f1"))
    assert found["eval_items"] == 21
    assert _values(tmp_path, "macro_f1")[-1] == found["eval_macro_f1"]
    assert len(_values(tmp_path, "macro_f1")) == 2  # steps 2 and 4, the last one twice
    record = read_journal(tmp_path / "run")
    assert record.params["max_steps"] == 4


def _values(folder, name):
    return [point.value for point in read_journal(folder / "run").points(f"eval_{name}")]


def test_words_of_generated_ids_and_of_logits_are_the_same(tmp_path, tokenizer):
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    rows = [rng.integers(2, 10, rng.integers(2, 7)).tolist() for _ in range(9)]
    data = [{"input_ids": row, "labels": row} for row in rows]
    found = []
    for scorer, preprocess in ((wer(tokenizer), True), (wer(tokenizer), False)):
        trainer = Trainer(
            BertForMaskedLM(CONFIG), arguments(tmp_path, seed=3), eval_dataset=data,
            data_collator=DataCollatorForTokenClassification(tokenizer), compute_metrics=scorer,
            preprocess_logits_for_metrics=scorer.preprocess if preprocess else None,
        )  # fmt: skip
        trainer.model.load_state_dict(_weights())
        found.append({k: v for k, v in trainer.evaluate().items() if "runtime" not in k})
    assert found[0]["eval_wer"] == found[1]["eval_wer"]
    assert found[0]["eval_reference_words"] == sum(map(len, rows))


def _weights():
    torch.manual_seed(5)
    return BertForMaskedLM(CONFIG).state_dict()


def test_padding_of_either_side_is_no_word(tokenizer):
    refs, hyps = ["the cat sat", "dog"], ["the mat", "dog ran far"]
    ids = [np.full((2, 4), -100) for _ in range(2)]
    for side, texts in zip(ids, (refs, hyps), strict=True):
        for i, text in enumerate(texts):
            own = tokenizer(text)["input_ids"]
            side[i, : len(own)] = own
    for scorer, count in ((wer(tokenizer), assay.count_words), (cer(tokenizer), assay.count_chars)):
        name = "wer" if count is assay.count_words else "cer"
        expected = count(refs, hyps)[name]
        assert scorer(EvalPrediction(ids[1], ids[0]))[name] == expected
        logits = np.full((2, 4, len(WORDS)), -100.0)
        for i, j in np.argwhere(ids[1] >= 0):
            logits[i, j, ids[1][i, j]] = 3.0
        assert scorer(EvalPrediction((logits, None), ids[0]))[name] == expected


def test_a_position_that_is_padded_has_no_best_id():
    logits = torch.tensor([[[0.0, 2.0], [-100.0, -100.0]]])  # the second one's argmax is a token
    for predictions in (logits, logits.numpy(), (logits, None)):
        assert best_ids(predictions).tolist() == [[1, -100]]


class Ctc:
    """A CTC tokenizer as those of transformers: repeated ids are merged unless told otherwise."""

    pad_token_id, word_delimiter_token = 0, "|"

    def batch_decode(self, ids, skip_special_tokens, group_tokens=True):
        texts = []
        for row in ids.tolist():
            kept = [a for i, a in enumerate(row) if not (group_tokens and i and row[i - 1] == a)]
            texts.append("".join(" abc"[i] if i > 0 else "" for i in kept))
        return texts


def test_repeated_letters_of_labels_stay():
    labels, guess = np.array([[1, 1, 2, -100]]), np.array([[1, 1, 0, 1, 2]])
    scorer = cer(type("Processor", (), {"tokenizer": Ctc()})())
    assert scorer(EvalPrediction(guess, labels))["cer"] == 0
    assert scorer(EvalPrediction(np.array([[1, 1, 2]]), labels))["cer"] > 0


def test_tokens_that_are_not_labelled_do_not_count():
    target = np.array([[0, 1, -100], [2, -100, 1]])
    logits = np.eye(3)[np.array([[0, 1, 2], [1, 0, 1]])]
    found = classification()(EvalPrediction(logits, target))
    assert found["accuracy"] == 0.75
    assert found["items"] == 4
    assert "roc_auc" not in found


def test_retrieval_takes_two_of_the_outputs():
    rng = np.random.default_rng(2)
    text, audio = rng.standard_normal((2, 12, 5)).astype(np.float32)
    scorer = retrieval(2, 3, k=(1, 3))
    outputs = (rng.random((12, 12)), rng.random((12, 12)), text, audio)
    truth = assay.count_ranks(text, audio, np.arange(12), k=(1, 3), both_directions=True)
    expected = truth.as_dict()
    assert scorer(EvalPrediction(outputs, None)) == expected
    kept = scorer.preprocess(tuple(map(torch.tensor, outputs)), None)
    for half in (slice(0, 6), slice(6, 12)):
        batch = EvalPrediction(tuple(side[half] for side in kept), None)
        found = scorer(batch, compute_result=half.stop == 12)
    assert found == expected


def test_a_tokenizer_without_padding_is_refused():
    bare = type("Bare", (), {"pad_token_id": None})()
    with pytest.raises(InputError, match="no pad token, which stands for -100; set pad_token"):
        wer(bare)
