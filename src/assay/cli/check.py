"""`assay check`: holds a run against bounds, for whoever must not let a worse one pass."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import typer

from assay.cli.shared import Json, print_table
from assay.core.errors import DataError, InputError

__all__ = ["check"]

BROKEN = 1  # exit code

_SIGNS = {"min": ">=", "max": "<=", "max-drop": "worse by <="}

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOUND = re.compile(rf"(?P<name>.+)=(?P<limit>{_NUMBER})(?P<percent>%?)", re.ASCII | re.DOTALL)


class Bound(NamedTuple):
    """kind: min, max or max-drop. text: as it was typed. share: the limit is one of the base."""

    kind: str
    name: str
    text: str
    limit: Decimal
    share: bool


class Value(NamedTuple):
    """What a run has of a metric; None for what is no number. told: the best of its steps, the
    last, or a mean over folds. It is as it is written: from 0.9 to 0.895 is no more than 0.005."""

    value: Decimal | None
    better: str | None
    signature: str
    told: str


class Outcome(NamedTuple):
    """drop: how much worse than the base. why: it is broken, or empty."""

    bound: Bound
    value: Value
    base: Value | None
    drop: Decimal | None
    why: str


def check(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")],
    least: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="NAME=NUMBER", help="At least so much. May be given again."),
    ] = None,
    most: Annotated[
        list[str] | None,
        typer.Option("--max", metavar="NAME=NUMBER", help="At most so much. May be given again."),
    ] = None,
    max_drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER[%]",
            help="At most so much worse than the run --against: 0.005 in the metric's own unit, "
            "0.5% of its value there. A wer is worse when it is higher. May be given again.",
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="BASE", help="Directory of the run to compare with.")
    ] = None,
    json: Json = False,
) -> None:
    """Hold a run against bounds; exit code 1 if one breaks.

    NAME is a flat name: val_macro_f1, kd/val_macro_f1, latency_ms/p50. Its
    value is the best of all steps, or the last one where nothing says which
    way is better; of several folds the mean of theirs. What has no value, is
    nan or infinite, or ends so, breaks its bound.
    """
    from assay.core.record import read_journal

    given = {"min": least, "max": most, "max-drop": max_drop}
    bounds = [_bound(kind, text) for kind, texts in given.items() for text in texts or ()]
    if not bounds:
        raise InputError("give at least one of --min, --max and --max-drop, as --min accuracy=0.9")
    if bool(max_drop) != (against is not None):
        raise InputError(
            "--max-drop needs the run to compare with: --against BASE"
            if max_drop
            else "--against needs --max-drop NAME=NUMBER: how much worse is allowed"
        )
    record = read_journal(run)
    base = None if against is None else read_journal(against)
    outcomes = [_outcome(bound, record, base) for bound in bounds]
    broken = [outcome for outcome in outcomes if outcome.why]
    _print(outcomes, record, base, json)
    if broken:
        raise typer.Exit(BROKEN)


def _bound(kind: str, text: str) -> Bound:
    found = _BOUND.fullmatch(text)
    percent = bool(found and found["percent"])
    if not found or (percent and kind != "max-drop"):
        example = "wer=0.5%" if kind == "max-drop" else "val_macro_f1=0.82"
        raise InputError(f"--{kind} must be a name and a number, as in {example}, got {text!r}")
    if not math.isfinite(float(found["limit"])):
        raise InputError(f"--{kind} must be a number that a float can hold, got {text!r}")
    limit = Decimal(found["limit"]) / (100 if percent else 1)
    if kind == "max-drop" and limit < 0:
        raise InputError(f"--max-drop must be at least 0, got {text!r}; --min asks for a gain")
    return Bound(kind, found["name"], f"{found['limit']}{found['percent']}", limit, percent)


def _value(record: Any, name: str) -> Value:
    """What the run has under a name."""
    from assay.report.groups import chosen, named, series_of

    series = series_of([record], ("fold",))
    found = [one for one in series if one.metric.key == name]
    if not found:
        what = chosen(name, named(series), record.directory)
        found = [one for one in series if one.what == what]
    found = [one for one in found if "fold" not in one.metric.tags] or found
    better, values = found[0].metric.direction, []
    for one in found:
        best, last = one.best(), one.last()
        value = best.value if best else last
        usable = [one for one in (value, last) if one is not None and math.isfinite(one)]
        values.append(Decimal(repr(value)) if len(usable) == 2 else None)
    told = "best step" if better else "last step"
    if "fold" in found[0].metric.tags and found[0].metric.key != name:
        stage = found[0].metric.tags.get("stage")
        folds = {one.tags["fold"] for one in series
                 if "fold" in one.tags and one.tags.get("stage") == stage}  # fmt: skip
        told = f"mean of {len(folds)} folds" if len(folds) > 1 else "its one fold"
        values += [None] * (len(folds) - len(found))  # some lack it
    numbers = [value for value in values if value is not None]
    mean = sum(numbers, Decimal()) / len(values) if len(numbers) == len(values) else None
    return Value(mean, better, found[0].metric.signature, told)


def _outcome(bound: Bound, record: Any, base: Any) -> Outcome:
    own = _value(record, bound.name)
    other = _value(base, bound.name) if bound.kind == "max-drop" else None
    if other is not None:
        _check_comparable(bound.name, own, other, record, base)
    value = own.value
    if value is None:
        return Outcome(bound, own, other, None, f"no number in {record.directory}")
    if other is None:
        low, high = bound.kind == "min" and value < bound.limit, value > bound.limit
        why = "too low" if low else "too high" if bound.kind == "max" and high else ""
        return Outcome(bound, own, None, None, why)
    before = other.value
    if before is None:
        return Outcome(bound, own, other, None, f"no number in {base.directory}")
    drop = before - value if own.better == "higher" else value - before
    allowed = bound.limit * abs(before) if bound.share else bound.limit
    return Outcome(bound, own, other, drop, "worse by more" if drop > allowed else "")


def _check_comparable(name: str, own: Value, other: Value, record: Any, base: Any) -> None:
    if own.signature != other.signature:
        raise DataError(
            f"{name} is defined otherwise in the two runs: {own.signature!r} in "
            f"{record.directory}, {other.signature!r} in {base.directory}"
        )
    if own.better is None:
        raise InputError(
            f"--max-drop: nothing says whether {name!r} is better when it is higher; "
            "give --min or --max, or log a Score"
        )


def _numbers(outcome: Outcome) -> list[float | None]:
    """The value, that of the base, and how much worse it is."""
    found = (outcome.value.value, outcome.base and outcome.base.value, outcome.drop)
    return [None if number is None else float(number) for number in found]


def _print(outcomes: Sequence[Outcome], record: Any, base: Any, json: bool) -> None:
    from assay.report import render

    heads = ("metric", "bound", "value", "base", "worse by", "state", "of")
    rows = [
        [
            outcome.bound.name,
            f"{_SIGNS[outcome.bound.kind]} {outcome.bound.text}",
            *_numbers(outcome),
            f"broken: {outcome.why}" if outcome.why else "ok",
            outcome.value.told,
        ]
        for outcome in outcomes
    ]
    broken = sum(bool(outcome.why) for outcome in outcomes)
    note = f"{broken} of {len(outcomes)} broken" if broken else "all hold"
    if record.status != "finished":
        note += f"; the run is {record.status}"
    plain = {
        "ok": not broken,
        "run": record.directory,
        "status": record.status,
        "against": base.directory if base else None,
        "bounds": [
            {
                "metric": outcome.bound.name,
                "bound": outcome.bound.kind,
                "limit": float(outcome.bound.limit),
                "relative": outcome.bound.share,
                **dict(zip(("value", "base", "worse_by"), _numbers(outcome), strict=True)),
                "ok": not outcome.why,
                "why": outcome.why,
            }
            for outcome in outcomes
        ],
    }
    print_table("json" if json else "", render.Table("", heads, rows, note=note), plain)
