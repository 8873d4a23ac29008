"""The scope timer in Python: the slow twin of the compiled one, and what runs without it.

A thread has a stack of open scopes; what is counted is of all threads. It times no device.
"""

import threading
from collections.abc import Iterator
from time import perf_counter_ns
from types import TracebackType
from typing import Any

from assay.core.errors import InputError, MissingDependency

__all__ = ["PlainScopeTimer"]

DEEPEST = 1000

Tally = tuple[int, int | None, int | None, dict[int, int]]


class _Node:
    """The scopes of one path."""

    __slots__ = (
        *("children", "counts", "failed", "least", "most", "open", "path", "total", "unclosed"),
    )

    def __init__(self, path: str) -> None:
        self.path = path
        self.children: dict[str, _Node] = {}
        self.counts: dict[int, int] = {}
        self.total = self.failed = self.unclosed = self.open = 0
        self.least: int | None = None
        self.most: int | None = None

    def add(self, ns: int) -> None:
        shift = max(ns.bit_length() - 11, 0)
        bucket = (shift << 10) + (ns >> shift)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.total += ns
        self.least = ns if self.least is None else min(ns, self.least)
        self.most = ns if self.most is None else max(ns, self.most)

    def below(self) -> Iterator["_Node"]:
        waiting = [*reversed(self.children.values())]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children.values())


class _Scope:
    __slots__ = ("closed_early", "name", "timer")

    def __init__(self, timer: "PlainScopeTimer", name: str) -> None:
        self.timer, self.name = timer, name
        self.closed_early = 0  # by the end of one around it; its own end is still to come

    def __enter__(self) -> "_Scope":
        self.timer._enter(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.timer._exit(self, perf_counter_ns(), kind is not None)


class PlainScopeTimer:
    """As `assay._native.ScopeTimer`, whose types say what each does."""

    lost = skipped = pending = grown = 0
    device_error = ""

    def __init__(self, device: int | None = None, stream: Any = None) -> None:
        if device is not None:
            from assay.ops.probe import native_reason

            raise MissingDependency(
                f"device={device}: times on a device need the compiled module: {native_reason()}"
            )
        self._scopes: dict[str, _Scope] = {}
        self._root = _Node("")
        self._lock = threading.Lock()
        self._local = threading.local()

    def __call__(self, name: str) -> _Scope:
        if not isinstance(name, str):
            raise InputError(f"the name of a scope must be a string, got {name!r}")
        if name not in self._scopes:
            if not name or "/" in name:
                raise InputError(
                    "the name of a scope must not be empty or hold '/', which joins nested names; "
                    f"got '{name}'"
                )
            self._scopes.setdefault(name, _Scope(self, name))
        return self._scopes[name]

    def read(self) -> list[tuple[str, Tally, Tally, int, int]]:
        with self._lock:
            return [
                (
                    node.path,
                    (node.total, node.least, node.most, dict(node.counts)),
                    (0, None, None, {}),
                    node.failed,
                    node.unclosed + node.open,
                )
                for node in self._root.below()
                if node.counts or node.failed or node.unclosed or node.open
            ]

    def reset(self) -> None:
        with self._lock:
            for node in self._root.below():
                node.counts, node.least, node.most = {}, None, None
                node.total = node.failed = node.unclosed = 0

    @property
    def open(self) -> list[str]:
        with self._lock:
            return [node.path for node in self._root.below() if node.open]

    def _enter(self, scope: _Scope) -> None:
        try:
            stack = self._local.stack
        except AttributeError:
            stack = self._local.stack = []
        if len(stack) >= DEEPEST:
            raise InputError(
                f"scope '{scope.name}': 1,000 scopes are open; is one entered and never exited?"
            )
        parent = stack[-1][1] if stack else self._root
        with self._lock:
            node = parent.children.get(scope.name)
            if node is None:
                path = f"{parent.path}/{scope.name}" if parent.path else scope.name
                node = parent.children[scope.name] = _Node(path)
            node.open += 1
        stack.append((scope, node, perf_counter_ns()))

    def _exit(self, scope: _Scope, end: int, failed: bool) -> None:
        stack = getattr(self._local, "stack", [])
        if not any(opened is scope for opened, _, _ in stack):
            with self._lock:
                if scope.closed_early:
                    scope.closed_early -= 1
                    return
            raise InputError(
                f"scope '{scope.name}' is exited and was not entered on this thread; "
                "a scope ends where it began"
            )
        with self._lock:
            opened, node, start = stack.pop()
            while opened is not scope:  # opened within, and never closed
                node.open -= 1
                node.unclosed += 1
                opened.closed_early += 1
                opened, node, start = stack.pop()
            node.open -= 1
            if failed:
                node.failed += 1
            else:
                node.add(end - start)
