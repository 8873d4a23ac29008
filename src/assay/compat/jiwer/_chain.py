"""A chain of transforms over a list of sentences, fused where the result cannot differ.

Only *plain* steps are fused: instances of our own transform classes, exactly those classes, with
nothing overridden on the class or the instance. Anything else is called as jiwer calls it: once
per step, in order, with the value the step before gave.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from assay.compat.jiwer._lines import joined

__all__ = ["Compose", "each", "is_plain", "plain", "run", "steps_of"]

T = TypeVar("T", bound=Any)
Step = Callable[[Any], Any]

_METHODS = ("__call__", "process_string", "process_list")
_PLAIN: dict[type, tuple[Any, ...]] = {}  # class -> its methods as we wrote them


def plain(cls: T) -> T:
    """Class decorator: instances may be fused while their methods stay as they are now."""
    _PLAIN[cls] = (cls.__call__, cls.process_string, cls.process_list)
    return cls


def is_plain(step: Any) -> bool:
    """Whether `step` does what our class of that name does, no more and no less."""
    cls: Any = type(step)
    methods = _PLAIN.get(cls)
    return (
        methods is not None
        and methods == (cls.__call__, cls.process_string, cls.process_list)
        and (not step.__dict__ or step.__dict__.keys().isdisjoint(_METHODS))
    )


class Compose:
    """Several transforms, one after the other.

    >>> from assay.compat import jiwer
    >>> chain = jiwer.Compose([jiwer.ToLowerCase(), jiwer.ReduceToListOfListOfWords()])
    >>> chain(["Hello there"])
    [['hello', 'there']]
    """

    def __init__(self, transforms: list[Step]) -> None:
        self.transforms = transforms

    def __call__(self, text: Any) -> Any:
        return run(_opened(self.transforms), text)


def steps_of(transform: Any) -> list[Step]:
    """The steps of a transform, chains within chains opened up."""
    if type(transform).__call__ is not Compose.__call__:
        return [transform]
    return _opened(transform.transforms)


def _opened(transforms: Iterable[Step]) -> list[Step]:
    return [step for transform in transforms for step in steps_of(transform)]


def run(steps: Sequence[Step], value: Any) -> Any:
    """What calling the steps one after the other on `value` returns or raises."""
    at = 0
    while at < len(steps):
        if isinstance(value, list):
            operations = _operations(steps[at:])
            if len(operations) > 1:
                fused = _fused(steps[at : at + len(operations)], operations, value)
                if fused is not None:
                    value = fused
                    at += len(operations)
                    continue
        value = steps[at](value)
        at += 1
    return value


def each(step: Any, lines: Any) -> list[Any]:
    """The list method of one step: `process_string` of every line, or the same in bulk."""
    if is_plain(step) and (operation := step._on_text()):
        fused = _fused([step], [operation], lines)
        if fused is not None:
            return fused
    return [step.process_string(line) for line in lines]


def _operations(steps: Sequence[Any]) -> list[Callable[[str], str]]:
    """What the first steps do to a joined text, up to the first that cannot work on one."""
    operations = []
    for step in steps:
        operation = step._on_text() if is_plain(step) and hasattr(step, "_on_text") else None
        if operation is None:
            break
        operations.append(operation)
    return operations


def _fused(
    steps: Sequence[Any], operations: Sequence[Callable[[str], str]], lines: Any
) -> list[str] | None:
    """All operations over all lines; None where an item is no str or `lines` no sequence.

    The caller then goes step by step, which raises what jiwer raises.
    """
    done: list[str] = []
    try:
        for part, text in joined(lines):
            if text is None:
                for step in steps:
                    part = [step.process_string(line) for line in part]
                done += part
            else:
                for operation in operations:
                    text = operation(text)
                done += text.split("\0")
    except TypeError:
        return None
    return done
