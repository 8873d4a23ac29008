"""A TREC run: `query Q0 item rank score assay` a line, best first."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from assay.core.output import whole_file, writing

__all__ = ["RunFile"]


class RunFile:
    """Writes rankings; use `with RunFile.maybe(path) as run`."""

    def __init__(self, path: str, out: TextIO) -> None:
        self.path, self.out = path, out

    @classmethod
    @contextmanager
    def maybe(cls, path: str | None) -> Iterator["RunFile | None"]:
        """A RunFile for the path, or None without one."""
        if path is None:
            yield None
            return
        with whole_file(path, "run.trec") as temporary:
            with writing(path):
                out = open(temporary, "w", encoding="utf-8", newline="\n")  # noqa: SIM115
            try:
                yield cls(path, out)
                with writing(path):
                    out.close()
            finally:
                with suppress(OSError):  # a full disk fails again
                    out.close()

    def write(self, query: str, items: Sequence[str], scores: Sequence[float]) -> None:
        """The ranking of one query. Scores are written so that they read back exactly."""
        with writing(self.path):
            self.out.write(
                "".join(
                    f"{query} Q0 {item} {rank} {score!r} assay\n"
                    for rank, (item, score) in enumerate(zip(items, scores, strict=True), 1)
                )
            )
