"""What the site has beside the pages in this folder: a hook of mkdocs.

A page for each metric, from METRICS and metrics.toml; ARCHITECTURE.md and its neighbours, with its
tables of choices and undefined cases as pages of their own; and each source file that a page links
to, so that every link of the repository is one of the site too.
"""

import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from assay.metrics import METRICS, Metric

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# file of the repository -> page
INCLUDED = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
CUT_OUT = {
    "conventions.md": "Definitions that were chosen",
    "undefined.md": "Undefined cases",
}  # page -> section of ARCHITECTURE.md
PAGES = {**INCLUDED, "README.md": "index.md"}  # where links to them lead
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")
OVERVIEW = ["| score | metric | unit | better |", "|---|---|---|---|"]
LANGUAGES = {".py": "python", ".toml": "toml", ".hpp": "cpp", ".cpp": "cpp", ".json": "json"}


def on_config(config: MkDocsConfig) -> None:
    """The metrics go into the navigation, below their overview."""
    known = words()
    for entry in config.nav or []:
        if "Metrics" in entry:
            entry["Metrics"] += [
                {family: [{title(name, known): uri_of(name)} for name in metrics]}
                for family, metrics in families(known).items()
            ]


def on_files(files: Files, config: MkDocsConfig) -> None:
    add = partial(File.generated, config)
    for uri, text in [*metric_pages(), *included_pages()]:
        files.append(add(uri, content=text))
    linked = {
        target
        for file in files.documentation_pages()
        for target in repository_links(file.content_string, home_of(file.src_uri))
        if place_of(target).startswith("source/")
    }
    for target in sorted(linked):
        files.append(add(f"source/{target}.md", content=source_page(target)))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links to files of the repository lead to their pages."""
    uri, home = page.file.src_uri, home_of(page.file.src_uri)

    def to_page(found: re.Match[str]) -> str:
        target = in_repository(found[1], home)
        if target is None:
            return found[0]
        place = posixpath.relpath(place_of(target), posixpath.dirname(uri) or ".")
        return f"]({place}{found[2] or ''})"

    return LINK.sub(to_page, markdown)


def home_of(uri: str) -> str:
    """The folder of the repository that links of a page start from."""
    cut = uri in INCLUDED.values() or uri in CUT_OUT
    return "" if cut else posixpath.dirname(f"docs/{uri}")


def place_of(target: str) -> str:
    """The page of a file of the repository."""
    if target.startswith("docs/") and target.endswith(".md"):
        return target.removeprefix("docs/")
    return PAGES.get(target, f"source/{target}.md")


def in_repository(link: str, home: str) -> str | None:
    """The file of the repository that a link means; None: what mkdocs finds itself, or nothing."""
    target = posixpath.normpath(posixpath.join(home, link))
    ours = home and target.startswith("docs/") and not target.endswith((".py", ".toml"))
    if ours or target.startswith("..") or not (ROOT / target).is_file():
        return None
    return target


def repository_links(markdown: str, home: str) -> Iterator[str]:
    for found in LINK.finditer(markdown):
        if target := in_repository(found[1], home):
            yield target


def source_page(target: str) -> str:
    language = LANGUAGES.get(Path(target).suffix, "text")
    text = (ROOT / target).read_text("utf-8").rstrip("\n")
    head = "---\nsearch:\n  exclude: true\nhide: [toc]\n---\n"
    return f"{head}# {Path(target).name}\n\n`{target}`\n\n````{language}\n{text}\n````\n"


def included_pages() -> Iterator[tuple[str, str]]:
    for name, uri in INCLUDED.items():
        yield uri, (ROOT / name).read_text("utf-8")
    architecture = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for uri, heading in CUT_OUT.items():
        section = architecture.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        yield uri, f"# {heading} {{#page-{uri.removesuffix('.md')}}}\n{section}\n"


def words() -> dict[str, Any]:
    return tomllib.loads((DOCS / "metrics.toml").read_text("utf-8"))


def base_name(name: str) -> str:
    """What a metric is called whatever its cut-off; recall@k has a page, ndcg and ndcg@10 one."""
    base, _, cut = name.partition("@")
    whole = METRICS.get(base)
    alike = whole is not None and whole.where == METRICS[name].where  # not recall and recall@1
    return base if alike or not cut else f"{base}@k"


def families(known: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Metric]]]:
    """family -> metric -> its rows of METRICS."""
    told: dict[str, list[str]] = known["families"]
    home = {function: family for family, functions in told.items() for function in functions}
    out: dict[str, dict[str, dict[str, Metric]]] = {family: {} for family in told}
    for name, row in METRICS.items():
        out[home[function_of(row)]].setdefault(base_name(name), {})[name] = row
    return out


def function_of(row: Metric) -> str:
    return row.where.partition(":")[2]


def title(name: str, known: Mapping[str, Any]) -> str:
    found: str = known["metrics"].get(name, {}).get("title", name)
    return found


def uri_of(name: str) -> str:
    return f"metrics/{name.replace('@', '_at_')}.md"


def anchor(name: str) -> str:
    return f"metric-{name.replace('@', '_at_')}"


def metric_pages() -> Iterator[tuple[str, str]]:
    known = words()
    overview = [known["overview"]]
    for family, metrics in families(known).items():
        overview += [f"\n## {family}\n", known["notes"].get(family, ""), "", *OVERVIEW]
        for name, rows in metrics.items():
            row = next(iter(rows.values()))
            link = f"[{title(name, known)}][{anchor(name)}]"
            better = row.better or "neither"
            overview.append(f"| {spans(rows)} | {link} | {row.unit} | {better} |")
            yield uri_of(name), metric_page(name, rows, known)
    yield "metrics/index.md", "\n".join(overview) + "\n"


def spans(rows: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in rows)


def metric_page(name: str, rows: Mapping[str, Metric], known: Mapping[str, Any]) -> str:
    row, told = next(iter(rows.values())), known["metrics"].get(name, {})
    function = function_of(row)
    facts = {
        "score": spans(rows),
        "range": told.get("range", ""),
        "better": row.better or "neither",
        "unit": row.unit,
        "takes": row.takes,
        "counted by": f"[`{function}`][assay.{function}]",
        "source": row.source,
        "held equal to": row.oracle,
    }
    text = [
        f"# {title(name, known)} {{#{anchor(name)}}}\n",
        f"{told.get('definition', '').strip()}\n",
        "| | |",
        "|---|---|",
    ]
    text += [f"| {key} | {value} |" for key, value in facts.items() if value]
    for heading, key in (("Conventions", "conventions"), ("Ties", "ties"), ("Empty", "empty")):
        if key in told:
            text.append(f"\n## {heading}\n\n{told[key].strip()}")
    if "differs" in told:
        text += ["\n## What others compute by this name\n", "| | |", "|---|---|"]
        text += [f"| {who} | {how} |" for who, how in told["differs"].items()]
    if "example" in told:
        text.append(f"\n## Example\n\n```pycon\n{told['example'].strip()}\n```")
    text.append(known["see"])
    return "\n".join(text) + "\n"
