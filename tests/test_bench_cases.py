"""What the benchmark runs: its text cases pass their gates on a corpus that is as described."""

import corpus
import outcomes
import pytest
from case import STEADY
from cases import CASES


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c.name) for c in CASES if c.build.__module__ == "text"]
)
def test_every_text_case_passes_its_gate(case):
    small = outcomes.Outcome(case, case.warm, True)
    runs = outcomes._gate(small, case.build(case.warm))
    assert {entry.name: entry.note for entry in small.entries.values() if entry.note} == {}
    assert runs.keys() == {"assay", "floor", *(peer.name for peer in small.peers)}
    for goal in case.goals:
        assert goal.peer in runs or goal.kind == "memory"


def test_case_names_differ():
    assert len({case.name for case in CASES}) == len(CASES)


def test_stop_rules_of_quick_runs_are_short():
    assert all(case.quick_rule.budget_s <= STEADY.budget_s for case in CASES)


def test_corpus_is_as_described_and_the_same_again():
    made = corpus.corpus(4000)
    ref, hyp = made.lists()
    words = sum(len(text.split(" ")) for text in ref)
    assert 21 < words / len(ref) < 23
    assert all(text == " ".join(text.split()) for text in ref)
    length = sum(map(len, ref)) / words
    assert 4.8 < length < 5.8  # with the space
    kinds = corpus.ERROR_KINDS
    assert sum(kinds.values()) == pytest.approx(1.0)
    grown = (len(made.hyp_ids) - words) / words
    assert abs(grown) < 0.01  # as many insertions as deletions
    corpus.word_table.cache_clear()
    assert corpus.corpus(4000).lists() == (ref, hyp)


def test_corpus_error_rate():
    import assay

    state = assay.count_words(*corpus.corpus(4000).columns())
    assert 0.10 < state.wer < 0.12
    assert min(state.substitutions, state.deletions, state.insertions) > 0.1 * state.errors


def test_parquet_is_written_once(tmp_path):
    import pyarrow.parquet as pq

    path = corpus.parquet(250, tmp_path, rows_per_part=100)
    table = pq.read_table(path)
    assert table.column_names == ["id", "text", "pred"]
    assert table["id"].to_pylist() == list(range(250))
    stamp = path.stat().st_mtime_ns
    assert corpus.parquet(250, tmp_path).stat().st_mtime_ns == stamp
    assert not list(tmp_path.glob("*.unfinished"))
