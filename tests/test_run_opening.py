"""Which of several processes records a run."""

import os

import pytest

import assay
from run_kit import values_of


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp"


RANKS = [
    ({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, False),  # as Lightning starts it
    ({"NODE_RANK": "1"}, False),
    ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
    ({"RANK": "0", "LOCAL_RANK": "1"}, True),  # as a launcher may number ranks
    ({"LOCAL_RANK": "-1"}, True),  # as scripts without torch.distributed have it
    ({"OMPI_COMM_WORLD_RANK": "2"}, False),
    ({"PMI_RANK": "1"}, False),
    ({"RANK": "0", "OMPI_COMM_WORLD_RANK": "2"}, True),
    ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, False),
    ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, True),
    ({"SLURM_PROCID": "3", "SLURM_NTASKS": "1"}, True),  # in a shell that Slurm gave
    ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "RANK": "0"}, True),
]
LAUNCHERS = ("RANK", "LOCAL_RANK", "NODE_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")


@pytest.mark.parametrize(("variables", "writes"), RANKS)
def test_which_rank_writes(folder, monkeypatch, variables, writes):
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with assay.Run(folder) as run:
        run.log({"a": 1})
    assert folder.exists() is writes


def test_a_task_of_slurm_that_records_nothing_says_so(folder, monkeypatch, caplog):
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assay.Run(folder)
    assert caplog.messages == [
        "assay: task 3 of 4 of Slurm records nothing, task 0 does; where each task is a run of its "
        "own, set RANK=0 in all of them"
    ]


def test_other_ranks_are_silent(folder, monkeypatch, capsys):
    with assay.Run(folder) as run:
        run.log({"f1": 0.9}, step=0)
    monkeypatch.setenv("RANK", "3")
    asked = []
    capsys.readouterr()
    with assay.Run(folder, resume=True, system=True, console=True, trackers=[print]) as run:
        for step, value in enumerate([0.5, 0.95], 1):
            run.log({"f1": value}, step=step)
            run.table([{"a": 1}], "t")
            run.artifact("/nowhere")
            asked.append(run.is_best("f1"))
        called = []
        run.save(lambda: called.append(1) or b"x")
    assert asked == [False, True]  # as on rank 0, which goes on from 0.9
    assert called == [1]
    assert values_of(folder) == {"f1": [(0, 0.9)]}
    assert sorted(os.listdir(folder)) == ["journal.jsonl", "lock"]
    assert capsys.readouterr() == ("", "")
