"""`assay resync`: sends to the trackers of a run what they lack."""

from typing import Annotated

import typer

from assay.cli.shared import printing
from assay.core.errors import TrackerError

__all__ = ["resync"]


def resync(
    directory: Annotated[
        str, typer.Argument(metavar="RUN_DIR", help="Directory of the run; it has a journal.jsonl.")
    ],
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as long as the run is being written.")
    ] = False,
) -> None:
    """Send to its trackers what a run has logged and they have not got.

    A run does this by itself while it goes on. By hand it is for what was
    missed, as a tracker was away or the machine died. It may be done again.

    mlflow       no point twice: its database keeps one of equal points
    wandb        offline written anew, whole; online a batch may come twice
    tensorboard  written anew, whole
    """
    from assay.run.cursor import is_sent, missing, tracker_name
    from assay.run.sender import resync as send
    from assay.trackers import made_of

    cursors = send(directory, made_of, follow)
    with printing():
        if not cursors:
            print(f"{directory}: its run has no tracker")
        for cursor in cursors:
            name = tracker_name(cursor.spec)
            if is_sent(cursor):
                print(f"{name}: {cursor.points:,} points sent")
                if cursor.closing:
                    print(f"  {cursor.closing}")
            if cursor.refused:
                print(f"  refused {cursor.refused:,} entries: {cursor.reason}")
    failed = [cursor for cursor in cursors if not is_sent(cursor)]
    if failed:
        lines = [
            f"{tracker_name(cursor.spec)}: {line}"
            for cursor in failed
            for line in ([cursor.error] if cursor.error else []) + missing(cursor)
            or ["it does not answer"]
        ]
        raise TrackerError("not everything is sent; try again later\n" + "\n".join(lines))
