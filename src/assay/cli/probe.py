"""`assay probe`: how big a model is, how fast, and how much memory it takes."""

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Annotated, Any, Literal

import typer

from assay.cli.progress import steps
from assay.cli.shared import Csv, Json, Markdown, form_of, print_scores
from assay.cli.user_code import load, running
from assay.core.errors import InputError

__all__ = ["probe"]

MEMORY_RUNS = 3  # beside the timed ones, which a sampler would disturb
MIB = 2**20


def probe(
    model: Annotated[
        str,
        typer.Argument(metavar="MODULE:FACTORY", help="Function without arguments: the model."),
    ],
    input: Annotated[
        str,
        typer.Option(
            metavar="MODULE:EXAMPLE",
            help="Function of the batch size: the model's input; a tuple is several arguments.",
        ),
    ],
    train_step: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:STEP", help="Function (model, input): one training step, timed too."
        ),
    ] = None,
    batch_sizes: Annotated[str, typer.Option(metavar="N,N", help="Items of a run.")] = "1",
    device: Annotated[
        str, typer.Option(metavar="NAME", help="Where it runs: cpu, cuda, cuda:1, mps.")
    ] = "cpu",
    max_time: Annotated[
        float, typer.Option(metavar="S", help="Seconds that a batch size is timed at most.")
    ] = 10.0,
    precision: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Time until the median is known as well as this."),
    ] = 0.02,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Parameters, size, sparsity, FLOPs, latency, throughput and peak memory of a torch model.

    The model is timed in eval mode without gradients; a training step in train mode.
    """
    from assay.metrics.latency import MeasurementWarning

    form = form_of(json, csv, markdown)
    sizes = _sizes(batch_sizes)
    _check_device(device)
    factory, example = load("MODULE:FACTORY", model), load("--input", input)
    step = None if train_step is None else load("--train-step", train_step)
    options = {"device": device, "max_time_s": max_time, "precision": precision}
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeasurementWarning)  # told below, by batch size
        with steps(2 + 2 * len(sizes) * (1 if step is None else 2)) as begin:
            begin("making the model")
            with running(model):
                own = factory()
                own = own.to(device) if hasattr(own, "to") else own
            make = _maker(example, input, device)
            begin("counting")
            weight, work = _counted(own, make, told)
            phases = {"inference": _measured(own, make, sizes, options, begin, model)}
            if step is not None:
                phases["train"] = _measured(own, make, sizes, options, begin, str(train_step), step)
    told += [doubt for phase, (sweep, _) in phases.items() for doubt in _doubts(phase, sweep)]
    _print(form, (weight, work), phases, device, told)


# -- what is asked for -----------------------------------------------------------------------------


def _sizes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts) or len({*map(int, parts)}) < len(
        parts
    ):
        raise InputError(f"--batch-sizes must be whole numbers, each once, as 1,8,32, got {text!r}")
    return [int(part) for part in parts]


def _check_device(device: str) -> None:
    from assay.core.optional import require

    torch = require("torch")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--device: {device!r} cannot be used: {str(error).splitlines()[0]}"
        ) from None


def _maker(example: Any, named: str, device: str) -> Callable[[int], Any]:
    from assay.ops.modules import moved

    if not callable(example):
        raise InputError(
            f"--input: {named} must be a function of the batch size, got {type(example).__name__}"
        )

    def make(n: int) -> Any:
        with running(f"{named}({n})"):
            return moved(example(n), device)

    return make


# -- what is measured ------------------------------------------------------------------------------


def _counted(model: Any, make: Callable[[int], Any], told: list[str]) -> tuple[Any, Any]:
    """Footprint, and FLOPs of one item."""
    from assay.metrics.flops import flops
    from assay.metrics.footprint import footprint

    weight = footprint(model)
    model.eval()
    with running("the forward pass of one item"):
        work = flops(model, make(1))
    if work.uncounted:
        heavy = work.unknown or work.uncounted
        names = ", ".join(f"{name} ({calls})" for name, calls in list(heavy.items())[:6])
        kind = "operators of unknown cost" if work.unknown else "elementwise operators and the like"
        told.append(f"FLOPs leave out {kind}: {names}{', …' * (len(heavy) > 6)}")
    return weight, work


def _measured(
    model: Any,
    make: Callable[[int], Any],
    sizes: list[int],
    options: dict[str, Any],
    begin: Callable[[str], None],
    named: str,
    step: Callable[..., Any] | None = None,
) -> tuple[Any, dict[int, Any]]:
    """Latency by batch size, and memory of each: of inference, or of a training step."""
    import torch

    from assay.metrics.latency_sweep import latency_sweep
    from assay.metrics.memory import VramSampler

    training = step is not None
    model.train(training)
    mode: Literal["inference", "train"] = "train" if training else "inference"

    def call(*args: Any) -> Any:
        given = args[0] if len(args) == 1 else args
        if step is not None:
            return step(model, given)
        return model(**given) if isinstance(given, Mapping) else model(*args)

    def input_of(n: int) -> Any:
        begin(f"timing {mode}, batch {n}")
        return make(n)

    memory = {}
    with nullcontext() if training else torch.inference_mode(), running(named):
        sweep = latency_sweep(call, input_of, sizes, mode=mode, **options)
        for (size,) in sorted(sweep.groups):
            begin(f"memory of {mode}, batch {size}")
            given = make(size)
            args = given if isinstance(given, tuple) else (given,)
            with VramSampler(options["device"], mode=mode) as sampler:
                for _ in range(MEMORY_RUNS):
                    call(*args)
            memory[size] = sampler.state
    return sweep, memory


def _doubts(phase: str, sweep: Any) -> list[str]:
    """What makes a measurement say less than it seems to, by batch size."""
    doubts = (
        (lambda s: not s.converged, "the median is not known as asked; give more --max-time"),
        (lambda s: s.throttle_seen, "the device ran below its clock, for heat or power"),
        (lambda s: s.lost_events, "events were lost, so there is no device_latency_ms"),
    )
    found = []
    for doubted, text in doubts:
        sizes = [str(size) for (size,), state in sorted(sweep.groups.items()) if doubted(state)]
        if sizes:
            found.append(f"{phase}, batch {', '.join(sizes)}: {text}")
    return found


# -- what is printed -------------------------------------------------------------------------------


def _print(
    form: str, counted: tuple[Any, Any], phases: dict[str, Any], device: str, told: list[str]
) -> None:
    weight, work = counted
    scores = [*weight.total_scores(), *work.total_scores()]
    for phase, (sweep, memory) in phases.items():
        found = [s.tagged(device=device, phase=phase) for s in sweep.scores()]
        for size, state in memory.items():
            found += [
                s.tagged(batch=str(size), device=device, phase=phase) for s in state.total_scores()
            ]
        scores += found
    tables = [_model_table(weight, work)]
    tables += [_phase_table(phase, device, *own) for phase, own in phases.items()]
    print_scores(form, scores, _noted(tables, told), notes=told)


def _noted(tables: list[Any], told: list[str]) -> list[Any]:
    from dataclasses import replace

    return [*tables[:-1], replace(tables[-1], note="; ".join([tables[-1].note, *told]))]


def _model_table(weight: Any, work: Any) -> Any:
    from assay.report.render import Table

    columns = ["params", "trainable", "MiB", "MiB on disk", "sparsity", "GFLOPs/item", "GMACs/item"]
    row = [
        weight["params"],
        weight["trainable_params"],
        weight["model_size_mb"],
        weight["size_on_disk_bytes"] / MIB,
        weight["sparsity_prunable"],
        work["flops"] / 1e9,
        work["macs"] / 1e9,
    ]
    types = ", ".join(
        f"{name} {size / MIB:,.2f} MiB" for name, size in weight.bytes_by_dtype.items()
    )
    return Table("model", columns, [row], note=f"in memory: {types}; sparsity of prunable weights")


def _phase_table(phase: str, device: str, sweep: Any, memory: dict[int, Any]) -> Any:
    from assay.report.render import Table

    quantiles = ("p50", "p50_low", "p50_high", "p90", "p95", "p99")
    rows = []
    for (size,), state in sorted(sweep.groups.items()):
        values = {score.name: score.value for score in state.total_scores()}
        row = [size, *(values.get(f"latency_ms/{name}") for name in quantiles)]
        row += [values["throughput"], values["ms_per_sample"]]
        rows.append([*row, memory[size]["peak_allocated_bytes"] / MIB, state.runs])
    columns = ["batch", "p50 ms", "low", "high", "p90", "p95", "p99", "items/s", "ms/item"]
    columns += ["peak MiB", "runs"]
    any_memory = next(iter(memory.values()))
    what = "resident memory of the process" if any_memory.source == "rss" else "allocated"
    note = f"{device}; low, high: 95 % interval of the median; peak: {what}"
    if sweep.out_of_memory:
        note += f"; out of memory: batch {', '.join(map(str, sweep.out_of_memory))}"
    return Table(phase, columns, rows, note=note)
