"""The command line: parses, binds rooms together, prints. No arithmetic of its own.

Exit codes: 0 done; 2 the input, the options or the place to write to are wrong (standard error says
what, where and how to mend it, on one line where that is possible); 130 interrupted; 143 or 129
told to end by SIGTERM or SIGHUP; 141 whoever read the output has gone; 1 a bound of `assay check`
that breaks, or a bug of ours, with its traceback.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from assay.cli.captions import captions
from assay.cli.check import check
from assay.cli.compare import compare
from assay.cli.labels import labels
from assay.cli.merge import merge
from assay.cli.probe import probe
from assay.cli.rankings import rankings
from assay.cli.report import report
from assay.cli.resync import resync
from assay.cli.shared import Json, printing
from assay.cli.summary import summary
from assay.cli.transcripts import transcripts
from assay.core.errors import AssayError

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Exact, fast metrics for machine-learning evaluation.",
)
score = typer.Typer(no_args_is_help=True, help="Score files of references and predictions.")
score.command()(transcripts)
score.command()(captions)
score.command()(rankings)
score.command()(labels)
app.add_typer(score, name="score")
app.command()(compare)
app.command()(merge)
app.command()(check)
app.command()(summary)
app.command()(report)
app.command()(resync)
app.command()(probe)

INTERRUPTED = 130  # exit code, as a shell has it
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_UsageError: Any = typer.BadParameter.__base__  # click's, which typer carries under its own name


def main() -> None:
    """Entry point of the `assay` command."""
    # pyarrow's own allocator keeps what was freed: memory would grow with the corpus.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from assay.run.shards import THREADS

    with suppress(AttributeError):  # a stream that a host program has put there
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with _ended_by_signals():
        code, message = _outcome()
    if message:
        from assay.report.render import printable

        with suppress(AttributeError):  # None where it is closed
            sys.stderr.write(printable(message, keep="\n") + "\n")
            sys.stderr.flush()
    if any(thread.name.startswith(THREADS) for thread in threading.enumerate()):
        os._exit(code)  # it hangs in a read, on which Python's own end would wait or abort
    sys.exit(code)


class _Ended(BaseException):
    """Told to end, by a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Where a signal ends the command, what is half-written is taken away first."""

    def end(number: int, frame: Any) -> None:
        raise _Ended(128 + number)

    before = {}
    with suppress(ValueError):  # only the main thread may ask for signals
        before = {number: signal.signal(number, end) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _outcome() -> tuple[int, str]:
    """Run the command: its exit code, and what standard error has to say."""
    try:
        code = app(prog_name="assay", standalone_mode=False) or 0
        with printing():
            pass  # a help page is still in the buffer
    except typer.Exit as end:
        code = end.exit_code
    except _UsageError as error:
        return error.exit_code, _usage(error)
    except AssayError as error:
        return 2, f"error: {error}"
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _Ended as end:
        return end.code, ""
    return code, "interrupted" if code == INTERRUPTED else ""


def _usage(error: Any) -> str:
    """One line for a command that was typed wrongly; nothing for one without arguments, whose
    help has been printed."""
    message = error.format_message().strip()
    command = error.ctx.command_path if error.ctx else "assay"
    stop = "" if message.endswith((".", "?")) else "."
    return message and f"error: {message}{stop} See {command} --help"


@app.callback(invoke_without_command=True)
def assay(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version, and nothing else.")
    ] = False,
) -> None:
    if version:
        from importlib import metadata

        print(f"assay {metadata.version('assay')}")
        raise typer.Exit


@app.command()
def env(
    warm: Annotated[
        bool, typer.Option("--warm", help="Compile the kernels now, so that no later call waits.")
    ] = False,
    json: Json = False,
) -> None:
    """What a bug report needs: versions, processor, settings, kernel cache, native module, GPUs."""
    from assay.ops.environment import describe, warm_kernels

    facts = describe()
    if warm:
        facts["kernels compiled in (s)"] = f"{warm_kernels():.1f}"
    with printing():
        if json:
            import json as jsonlib

            print(jsonlib.dumps(facts, indent=2))
            return
        width = max(map(len, facts))
        for name, value in facts.items():
            print(f"{name:<{width}}  {value}")


@app.command()
def demo() -> None:
    """240 real transcripts, captions, retrieval, a classifier, a model in int8; and a report."""
    from assay.demo import captions, classification, probe, report, retrieval, transcripts
    from assay.report import render

    console = render.console()
    with printing():
        transcripts.show(console)
        console.out("")
        captions.show(console)
        console.out("")
        retrieval.show(console)
        console.out("")
        classification.show(console)
        console.out("")
        probe.show(console)
        console.out("")
        report.show(console)
        console.out("\nNow your own:")
        console.out("assay score transcripts FILE --reference COL --hypothesis COL")
        console.out("assay score captions FILE --references COL --hypothesis COL")
        console.out("assay score rankings --queries Q.npy --gallery G.npy --relevance QRELS")
        console.out("assay score labels FILE --target COL --score COL")
        console.out("assay probe MODULE:FACTORY --input MODULE:EXAMPLE")
