"""The table that grows in a terminal."""

import io

from assay.core.record import Metric
from assay.run.board import BURST, GROUPS, Board


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def board(out=None, watched=None):
    clock = Clock()
    made = Board(watched, out or io.StringIO(), clock)
    made.clock = clock
    return made


def text(board):
    return board._out.getvalue().splitlines()


def test_the_first_of_equals_is_best_and_nan_never():
    one = board()
    for step, value in enumerate([float("nan"), 0.5, 0.5, 0.7]):
        one.note(step, {"f1": value})
    one.close()
    assert [line.endswith("*") for line in text(one)[1:5]] == [False, True, False, True]
    assert text(one)[-1] == "best: step 3, f1 0.7000"


def test_a_loss_is_watched_where_nothing_else_is_there():
    one = board()
    one.note(0, {"lr": 0.1, "loss": 2.0})
    one.note(1, {"lr": 0.1, "loss": 1.0})
    one.note(2, {"lr": 0.1, "loss": 3.0})
    one.close()
    assert text(one)[-1] == "best: step 1, loss 1"


def test_a_metric_that_is_named_is_watched():
    one = board(watched="val_loss")
    one.note(0, {"f1": 0.5, "val_loss": 2.0})
    one.note(1, {"f1": 0.9, "val_loss": 2.5})
    one.close()
    assert text(one)[-1] == "best: step 0, val_loss 2"


def test_a_new_column_gets_a_new_head():
    one = board()
    one.note(0, {"a": 1})
    one.note(1, {"a": 2, "b": 3})
    one.close()
    assert text(one) == [
        "  step           a",
        "     0           1",
        "  step           a           b",
        "     1           2           3",
    ]


def test_folds_share_columns_and_have_a_best_each():
    one = board(watched="f1")
    for fold, f1 in ("fold_1", 0.5), ("fold_2", 0.75):
        for step in range(2):
            one.note(step, {"f1": f1 - step / 4}, fold)
    one.note(0, {"size": 3}, "kd/fold_1")
    one.note(0, {"size": 3})
    one.close()
    assert text(one) == [
        "  step  of                  f1",
        "     0  fold_1          0.5000  *",
        "     1  fold_1          0.2500",
        "     0  fold_2          0.7500  *",
        "     1  fold_2          0.5000",
        "  step  of                size",
        "     0  kd/fold_1            3",
        "  step        size",
        "     0           3",
        "best: fold_1, step 0, f1 0.5000",
        "best: fold_2, step 0, f1 0.7500",
    ]


def test_a_step_of_one_fold_is_no_step_of_the_next():
    one = board()
    metrics = [Metric("f1", {"stage": "kd", "fold": str(f)}, f"kd/fold_{f}/f1") for f in (1, 2)]
    for metric in metrics:
        one.log(0, [(metric, 0.5)])
    one.close()
    assert [line.split()[:2] for line in text(one)[1:3]] == [["0", "kd/fold_1"], ["0", "kd/fold_2"]]


def test_what_is_asked_for_is_watched_instead_of_what_was_chosen():
    one = board()
    one.note(0, {"acc": 0.5, "f1": 0.5})
    one.note(1, {"acc": 0.9, "f1": 0.7})
    one.watch("f1")
    one.note(2, {"acc": 0.1, "f1": 0.8})
    one.watch("acc")  # the first one asked for stays
    one.close()
    assert text(one)[-1] == "best: step 2, f1 0.8000"


def test_a_row_of_nothing_but_columns_that_are_left_out():
    one = board()
    one.note(0, {f"m{i}": i for i in range(9)})
    one.note(1, {"total": 5.0, "m8": 1})
    one.close()
    assert len(text(one)) == 2


def test_columns_have_a_limit_and_the_rest_is_counted():
    one = board()
    one.note(0, {f"m{i}": i for i in range(11)})
    one.close()
    assert text(one)[0].endswith("m7  (and 3 more)")


def test_the_system_has_steps_of_its_own():
    one = board()
    one.note(7, {"a": 1})
    one.note(0, {"system/rss_bytes": 1e9})
    one.note(7, {"b": 2, "system/rss_bytes": 1e9})
    one.close()
    assert text(one) == ["  step           a           b", "     7           1           2"]


def test_a_row_is_written_when_nothing_came_for_a_while():
    one = board()
    one.note(0, {"a": 1})
    one.flush()
    assert text(one) == []
    one.clock.now = 1.5
    one.flush()
    assert text(one)[-1] == "     0           1"
    one.flush()
    assert len(text(one)) == 2


def test_a_terminal_has_its_last_line_written_again():
    one = board(Terminal())
    one.note(0, {"a": 1})
    one.clock.now = 1.5
    one.flush()
    one.note(0, {"a": 5})
    one.clock.now = 3.0
    one.flush()
    one.note(1, {"a": 2})
    one.close()
    out = one._out.getvalue()
    assert out == (
        "  step           a\n     0           1\r\x1b[K     0           5\n     1           2\n"
    )


def test_a_flood_of_steps_is_thinned_out_but_for_the_best_and_the_last():
    one = board()
    for step in range(10_000):
        one.clock.now += 0.001
        one.note(step, {"f1": 1.0 if step == 5_000 else 0.5})
    one.close()
    lines = text(one)
    assert len(lines) < BURST + 15
    assert lines[-2].startswith("  9999")
    assert lines[-1] == "best: step 5000, f1 1"


def test_a_stream_that_is_gone_stops_nothing():
    one = board()
    one._out.close()
    one.note(0, {"a": 1})
    one.close()


def test_numbers_are_short():
    one = board()
    row = {"a": 1e-7, "b": 123456.789, "c": 0.0, "d": float("nan"), "e": 1e30, "f": -2.5, "g": 7}
    one.note(0, row)
    one.close()
    assert text(one)[1].split() == ["0", "1e-07", "1.23e+05", "0", "nan", "1e+30", "-2.5000", "7"]


def test_what_is_of_single_batches_has_no_row():
    one = board()
    tags = {"stage": "kd"}
    for step in range(3):
        loss = Metric("loss", {**tags, "per": "step"}, "kd/per_step/loss")
        one.log(step, [(loss, 0.5)])
    one.log(1, [(Metric("loss", tags, "kd/loss"), 0.25)])
    one.close()
    assert [line.split() for line in text(one)[1:]] == [
        ["1", "kd", "0.2500", "*"],
        ["best:", "kd,", "step", "1,", "loss", "0.2500"],
    ]


def test_of_many_groups_the_best_of_all_is_named():
    one = board(watched="f1")
    for number in range(GROUPS + 1):
        one.note(3, {"f1": 0.9 if number == 7 else 0.5}, f"trial {number}")
    one.close()
    assert text(one)[-1] == f"best of {GROUPS + 1}: trial 7, step 3, f1 0.9000"
    assert sum(line.startswith("best") for line in text(one)) == 1
