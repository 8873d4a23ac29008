"""What the README has of numbers, written anew: `python bench/readme.py`, as `make bench` does.

From bench/results/cpu.csv (`make bench BENCH_FLAGS="--name cpu"` measures it anew) a table and
docs/images/bench.svg, and from METRICS the table of metrics. Each part of the README stands between
two comments that name it.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import rows
from cases import CASES
from figures import both, measured, numbers, seconds

from assay.metrics import METRICS

__all__ = ["chart", "metrics_table", "numbers_table", "page"]

ROOT = Path(__file__).parents[1]
README, CHART = ROOT / "README.md", ROOT / "docs" / "images" / "bench.svg"
RESULTS = ROOT / "bench" / "results" / "cpu.csv"
SHOWN = (
    *("count_words", "cer", "align", "short_call", "normalise_ascii", "topk_encoder_10"),
    *("ranks_encoder", "given_run_dicts", "scores_report", "best_threshold", "labels_step"),
    *("bootstrap", "caption_bleu", "caption_cider", "parquet_cli", "cold_start", "cached_start"),
)
WIDTH, BAR, NAMES = 760, 22, 330  # of the chart, in pixels; NAMES is left of the bars
ARROWS = {"higher": "↑", "lower": "↓", None: ""}

Row = Mapping[str, str]


def numbers_table(found: Sequence[Row]) -> Iterator[str]:
    known, what = numbers(found), {case.name: case.what for case in CASES}
    yield "| what | n | assay | fastest peer | | floor | MiB | largest error |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for case in (case for case in SHOWN if case in known):
        ours, peers, floor = known[case]
        peer = peers[0] if peers else None
        cells = [
            what[case],
            f"{int(ours['n']):,}",
            seconds(ours),
            f"{peer['contender']} {seconds(peer)}" if peer else "",
            f"{float(peer['ratio']):.3g}×" if peer else "",
            seconds(floor) if floor else "",
            both("memory_mib", "{:g}", [ours, *peers[:1]]),
            both("max_error", "{:.1g}", [ours, *peers[:1]]),
        ]
        yield f"| {' | '.join(cells)} |"
    fastest = {case: peers[0] for case, (_, peers, _) in known.items() if peers}
    lost = [case for case, peer in fastest.items() if float(peer["ratio"]) < 1]
    yield ""
    yield (
        f"Of {len(fastest)} cases with a peer, a peer was faster in {len(lost)}"
        f"{': ' * bool(lost)}{', '.join(f'`{case}`' for case in lost)}. "
        "Medians of calls in turns; MiB above the start of a call and largest error are ours, the "
        "peer's. Floor: work that is hard to do without, such as reading the input once, or the "
        "product of all vectors in float32; `python bench/run.py --list` says which. "
        f"{measured(found)}."
    )


def chart(found: Sequence[Row]) -> str:
    """Bars of how many times faster than the fastest peer, from 1 on a logarithmic scale."""
    bars = [
        (f"{case}, {peers[0]['contender']}", float(peers[0]["ratio"]))
        for case, (_, peers, _) in numbers(found).items()
        if case in SHOWN and peers
    ]
    top = max((ratio for _, ratio in bars), default=10.0)
    scale = (WIDTH - NAMES - 60) / math.log10(max(top, 10.0))
    height = BAR * (len(bars) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="sans-serif" font-size="13">',
        "<title>How many times faster than the fastest peer</title>",
        "<style>text{fill:#24292f}.bar{fill:#b7791f}.axis{stroke:#8c959f}"
        "@media(prefers-color-scheme:dark){text{fill:#d0d7de}.bar{fill:#d69e2e}}</style>",
        f'<text x="{NAMES}" y="15">times faster than the fastest peer, logarithmic</text>',
    ]
    for place, (name, ratio) in enumerate(bars, start=1):
        middle, length = BAR * place + 20, scale * math.log10(max(ratio, 1.0))
        lines += [
            f'<text x="{NAMES - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="bar" x="{NAMES}" y="{middle - 13}" width="{length:.1f}" height="16"/>',
            f'<text x="{NAMES + length + 6:.1f}" y="{middle}">{ratio:.3g}×</text>',
        ]
    lines.append(f'<path class="axis" d="M{NAMES} {BAR}V{height - 14}"/>')
    return "\n".join([*lines, "</svg>\n"])


def metrics_table() -> Iterator[str]:
    """A row a count function, in the order of METRICS."""
    counted: dict[str, list[str]] = defaultdict(list)
    for name, metric in METRICS.items():
        counted[metric.where].append(name)
    yield "| counted by | scores, and which way is better | takes | held equal to |"
    yield "|---|---|---|---|"
    for where, names in counted.items():
        scores = ", ".join(f"`{name}` {ARROWS[METRICS[name].better]}".strip() for name in names)
        oracles = dict.fromkeys(METRICS[name].oracle for name in names)
        function = where.partition(":")[2]
        yield f"| `{function}` | {scores} | {METRICS[names[0]].takes} | {'; '.join(oracles)} |"


def page(text: str, found: Sequence[Row]) -> str:
    """The README with its generated parts anew."""
    for name, lines in (("numbers", numbers_table(found)), ("metrics", metrics_table())):
        pattern = rf"(<!-- {name}: .*-->\n).*?(<!-- /{name} -->\n)"
        made = "\n".join(lines)
        text, times = re.subn(
            pattern, lambda part, made=made: f"{part[1]}\n{made}\n\n{part[2]}", text, flags=re.S
        )
        if times != 1:
            raise ValueError(f"{README.name}: {times} parts <!-- {name}: … -->, expected one")
    return text


def main() -> None:
    found = rows.load(RESULTS)
    README.write_text(page(README.read_text("utf-8"), found), "utf-8")
    CHART.write_text(chart(found), "utf-8")


if __name__ == "__main__":
    main()
