"""Docstrings as Markdown: parameters as a list, doctests as code, names of assay as links."""

import re
import textwrap
from typing import Any

import griffe

import assay

PUBLIC = set(assay.__all__)
CODE = re.compile(r"(`[^`]+`)")
# `by, items: …` and `target [n]: …`, where a line or a sentence begins
FIELD = re.compile(
    r"(?:^|(?<=[.;] )|(?<=[.;]\n))(\w+(?:,\s\w+)*)((?: [^:.;\n]{1,40})?):\s", re.MULTILINE
)
ALIGNED = re.compile(r"\S {3,}\S")  # a table as text
HEADED = re.compile(r"(.+)\n-+\n")
LABEL = re.compile(r"^(Returns|Errors?|Sources?):? ", re.MULTILINE)
NAME = re.compile(r"\b(?:count(?:\\_[a-z]+)+|[A-Z][a-z]+[A-Z][A-Za-z]+)\b")


def linked(text: str) -> str:
    """Text outside of code: nothing in it is markup, and public names are links."""

    def link(found: re.Match[str]) -> str:
        name = found[0].replace("\\_", "_")
        return f"[`{name}`][assay.{name}]" if name in PUBLIC else found[0]

    return NAME.sub(link, re.sub(r"([*_\[\]<>])", r"\\\1", text))


def prose(text: str) -> str:
    text = "".join(part if part[:1] == "`" else linked(part) for part in CODE.split(text))
    return LABEL.sub(r"\n**\1:** ", text.strip())


def paragraph(text: str, fields: set[str]) -> str:
    """One paragraph; what is said of each field of the object is an item of a list."""
    starts = [at for at in FIELD.finditer(text) if set(re.split(r",\s", at[1])) <= fields]
    ends = [*(at.start() for at in starts), len(text)]
    out = [prose(text[: ends[0]]), ""]
    for at, end in zip(starts, ends[1:], strict=True):
        said = " ".join(text[at.end() : end].split())
        out.append(f"- `{' '.join((at[1] + at[2]).split())}`: {prose(said)}")
    return "\n".join(out)


def markdown(text: str, fields: set[str]) -> str:
    parts = []
    for block in re.split(r"\n\s*\n", text):
        if headed := HEADED.match(block):
            parts.append(f"**{headed[1]}**")
            block = block[headed.end() :]
        if block.startswith(">>>"):
            parts.append(f"```pycon\n{block}\n```")
        elif ALIGNED.search(block) or all(line.startswith("    ") for line in block.split("\n")):
            parts.append(f"```text\n{textwrap.dedent(block)}\n```")
        else:
            parts.append(paragraph(block, fields))
    return "\n\n".join(parts)


class Markdown(griffe.Extension):
    """Runs once the whole package is known."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        self.visit(pkg)

    def visit(self, thing: griffe.Object) -> None:
        for member in thing.members.values():
            if not member.is_alias:
                self.visit(member)
        fields = set(thing.members) - {"__init__"}
        if thing.is_function or "__init__" in thing.members:
            fields |= {each.name for each in thing.parameters}
        if thing.is_class and "dataclass" in thing.labels:
            thing.members.pop("__init__", None)  # made by count functions, not by hand
        if thing.docstring:
            thing.docstring.value = markdown(thing.docstring.value, fields)
