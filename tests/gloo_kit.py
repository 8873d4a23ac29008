"""Processes in gloo groups that run jobs for tests.

A job is a function of a module, called on each rank as job(group, rank, **arguments); what it
returns, or the type and text of what it raises, comes back as JSON. Groups of fewer than all are
the first ranks. Run as a script, this file is one of the processes.
"""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Self

SIZE = 4


class Pool:
    """`size` processes, started when made; stops when left."""

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        command = [sys.executable, "-W", "error", __file__]
        self.processes, self.folder = [], folder
        for rank in range(size):
            with (folder / f"stderr{rank}").open("w") as errors:
                process = subprocess.Popen(
                    [*command, str(rank), str(size), str(folder / "store")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1", "ASSAY_THREADS": "1"},
                )
            self.processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.communicate()

    def run(self, job: str, size: int | None = None, **arguments: Any) -> list[Any]:
        """What the job "module:function" returns on each of the first `size` ranks; what it raises
        is told as "Type: text", and a process that is gone as None."""
        chosen = self.processes[:size]
        line = json.dumps([job, len(chosen), arguments]) + "\n"
        for process in chosen:
            process.stdin.write(line)
            process.stdin.flush()
        return [json.loads(process.stdout.readline() or "null") for process in chosen]


def serve(rank: int, size: int, store: str) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    groups = {n: dist.new_group(range(n)) for n in range(2, size)}
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        job, n, arguments = json.loads(line)
        module, _, name = job.partition(":")
        try:
            answer = getattr(import_module(module), name)(groups.get(n), rank, **arguments)
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
