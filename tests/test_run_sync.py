"""Meters over real gloo processes: the digits of one process, and errors instead of deadlocks."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sync_jobs
from gloo_kit import SIZE, Pool

pytest.importorskip("torch.distributed")


def same_everywhere(answers: list) -> dict:
    assert all(isinstance(answer, dict) for answer in answers), answers
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


# [ranks][rows], of n rows
PARTS = {
    "2 ranks, 4m + 1": (33, [[*range(0, 33, 2)], [*range(1, 33, 2)]]),
    "3 ranks, blocks": (29, [[*range(4)], [*range(4, 28)], [28]]),
    "4 ranks, 4m + 1": (37, [[*range(r, 37, 4)] for r in range(4)]),
    "the first is empty": (13, [[], [*range(6)], [*range(6, 13)]]),
    "all but one are empty": (13, [[], [], [], [*range(12, -1, -1)]]),
    "no rows at all": (0, [[], []]),
}


@pytest.mark.parametrize("case", PARTS)
def test_ranks_give_the_digits_of_one_process(pool: Pool, case: str) -> None:
    n, parts = PARTS[case]
    found = pool.run("sync_jobs:split", len(parts), n=n, parts=parts)
    assert same_everywhere(found) == sync_jobs.alone(n)


@settings(max_examples=8)
@given(st.data())
def test_any_partition_with_any_repeats(pool: Pool, data: Any) -> None:
    n = data.draw(st.integers(0, 17))
    size = data.draw(st.integers(2, SIZE))
    parts: list[list[int]] = [[] for _ in range(size)]
    for row in data.draw(st.permutations(range(n))):
        for rank in data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=3)):
            parts[rank].append(row)
    found = pool.run("sync_jobs:split", size, n=n, parts=parts, seed=1, ids=True)
    assert same_everywhere(found) == sync_jobs.alone(n, 1)


@pytest.mark.parametrize(("n", "size"), [(13, 4), (3, 4), (10, 3), (9, 2)])
@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_that_a_sampler_repeats_count_once(
    pool: Pool, n: int, size: int, shuffle: bool
) -> None:
    answers = pool.run("sync_jobs:sampled", size, n=n, ranks=size, shuffle=shuffle)
    assert sum(answer.pop("rows") for answer in answers) > n
    assert same_everywhere(answers) == sync_jobs.alone(n)


@pytest.mark.parametrize(("ids", "gathers"), [(False, 2), (True, 5)])
def test_ten_meters_take_few_calls(pool: Pool, ids: bool, gathers: int) -> None:
    counts = same_everywhere(pool.run("sync_jobs:calls", ids=ids))
    assert {name: n for name, n in counts.items() if n} == {"all_reduce": 1, "all_gather": gathers}


def test_a_checkpoint_amid_an_epoch(pool: Pool, tmp_path) -> None:
    found = pool.run("sync_jobs:checkpoint", path=str(tmp_path))
    assert same_everywhere(found) == sync_jobs.alone(33)


def test_more_meters_than_an_opening_holds(pool: Pool) -> None:
    found = same_everywhere(pool.run("sync_jobs:many_meters"))
    assert len(found) == 150
    # ranks 0, 2 have the even ones and ranks 1, 3 the odd ones
    assert found["0_wer"] == (1 + 2) / 4
    assert found["149_wer"] == (0 + 1) / 4


def test_a_number_on_one_rank_and_an_array_on_another(pool: Pool) -> None:
    for found, wanted in pool.run("sync_jobs:shapes_differ"):
        assert found == wanted


def test_no_rank_has_counted_anything(pool: Pool) -> None:
    assert pool.run("sync_jobs:nothing") == [{}] * SIZE


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (
            "other_metric",
            "SyncError: sync: ranks hold different states of '' (ranks 0: Confusion; ranks 1, 2, "
            "3: EditCounts); all ranks must sync the same meters in the same order",
        ),
        (
            "other_definition",
            "MergeError: sync of '': the state of rank 2 does not add to that of 0, 1: EditCounts: "
            "empty differs: 'jiwer' and 'nan'; such states do not add",
        ),
        (
            "other_names",
            "SyncError: sync: ranks have other meters (ranks 0, 2, 3: words; ranks 1: words, "
            "chars); all ranks must sync the same meters in the same order",
        ),
        (
            "counted_twice",
            "SyncError: sync of '': the row with id 7 was counted on ranks 0 and 1 (1 such rows), "
            "and both added it up long ago; give each row to one rank (samplers repeat rows at "
            "their end only)",
        ),
    ],
)
def test_ranks_that_disagree_are_named_on_all_ranks(pool: Pool, job: str, message: str) -> None:
    assert pool.run(f"sync_jobs:{job}") == [message] * SIZE
    assert pool.run("sync_jobs:nothing") == [{}] * SIZE  # nobody is left waiting


def test_a_rank_that_fails_tells_the_others(pool: Pool) -> None:
    answers = pool.run("sync_jobs:one_fails")
    own = answers.pop(1)
    assert own.startswith("InputError: reference[0] has no words")
    assert len({*answers}) == 1
    assert answers[0].startswith(
        "SyncError: sync: not done, since 1 of 4 ranks failed: rank 1: InputError: reference[0] has"
    )


def test_a_row_stays_with_the_rank_that_cannot_leave_it_out(pool: Pool) -> None:
    assert pool.run("sync_jobs:kept_by_one") == [["0.8", 5, 5]] * SIZE


@pytest.mark.parametrize(("job", "missing"), [("dies", 2), ("never_comes", 1)])
def test_a_missing_rank_is_an_error_in_time(tmp_path, job: str, missing: int) -> None:
    with Pool(tmp_path, 3) as pool:
        answers = pool.run(f"sync_jobs:{job}")
    assert answers.pop(missing) is None
    for kind, text, seconds in answers:
        assert kind == "SyncError"
        assert text == (
            f"sync: rank {missing} of 3 did not come within 4 s; is it alive, and does it sync as "
            "often as the others?"
        )
        assert seconds < 60


def test_a_rank_that_comes_too_late_does_not_wait_alone(tmp_path) -> None:
    with Pool(tmp_path, 2) as pool:
        early, late = pool.run("sync_jobs:comes_late")
    assert early[1].startswith("sync: rank 1 of 2 did not come within 4 s")
    assert late[1] == "sync: rank 1 of 2 came when another rank had waited for 4 s and given up"


def test_the_first_rank_keeps_the_run(pool: Pool, tmp_path) -> None:
    found = pool.run("sync_jobs:keep_a_run", folder=str(tmp_path / "exp"))
    assert found == [[rank == 0, True] for rank in range(SIZE)]
