"""Reports: what tables of many runs take, journals read and all."""

import json
import math
import statistics
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gate import Contender, Work
from tracking import folder

__all__ = ["summary"]

STEPS = 1_000
RANKS = (2, 4, 8, 16)
METRIC = "val_macro_f1"


@cache
def journals(n: int) -> list[Path]:
    """n runs that are a fold each, of four ranks, with a line for each of STEPS points."""
    rng = np.random.default_rng(n)
    made = []
    for run in range(n):
        made.append(folder() / f"runs-{n}" / str(run))
        made[-1].mkdir(parents=True)
        head = {
            "kind": "run", "version": 1, "id": f"{run:012x}", "name": str(run), "time": 1.5,
            "params": {"rank": RANKS[run % len(RANKS)]}, "tags": {"fold": str(run)},
            "trackers": [], "versions": {}, "host": "", "pid": 1,
        }  # fmt: skip
        metric = {
            "kind": "metric", "name": METRIC, "tags": {}, "key": METRIC, "suffix": "", "unit": "",
            "better": None, "signature": "",
        }  # fmt: skip
        points = (
            {
                "kind": "points",
                "time": 1795805123.25 + step / 8,
                "step": step,
                "values": {METRIC: v},
            }
            for step, v in enumerate(rng.random(STEPS).tolist())
        )
        end = {"kind": "end", "time": 2e9, "status": "finished", "error": ""}
        lines = (json.dumps(line, separators=(",", ":")) for line in (head, metric, *points, end))
        (made[-1] / "journal.jsonl").write_text("\n".join(lines) + "\n")
    return made


def summary(n: int) -> Work:
    """The table of n runs, the mean over them as folds, and an ablation by rank."""
    paths = journals(n)

    def run() -> Any:
        from assay.core.record import read_journal
        from assay.report.summary import ablation, folds, runs

        records = [read_journal(str(path)) for path in paths]
        return runs(records), folds(records), ablation(records, ["rank"], [METRIC])

    def read(found: Any) -> Mapping[str, Any]:
        table, over, by = found
        return {
            "best": [row[-1] for row in table.rows],
            "epochs": [fold.best_epoch for fold in over.folds],
            "mean": over.means[METRIC][:2],
            "by_rank": [row[2] for row in by.marginal("rank").rows],
        }

    return Work(
        ours=lambda: Contender(run, read),
        truth=cache(lambda: _plain(paths)),
        floor=lambda: [_lines(path) for path in paths],
    )


def _lines(path: Path) -> list[Any]:
    with open(path / "journal.jsonl", "rb") as file:
        return [json.loads(line) for line in file]


def _plain(paths: list[Path]) -> Mapping[str, Any]:
    best, epochs = [], []
    by_rank: dict[int, list[float]] = {rank: [] for rank in RANKS}
    for path in paths:
        head, _, *points, _ = _lines(path)
        values = [point["values"][METRIC] for point in points]
        best.append(max(values))
        epochs.append(points[values.index(best[-1])]["step"])
        by_rank[head["params"]["rank"]].append(best[-1])
    return {
        "best": best,
        "epochs": epochs,
        "mean": (math.fsum(best) / len(best), statistics.stdev(best)),
        "by_rank": [math.fsum(own) / len(own) for own in by_rank.values() if own],
    }
