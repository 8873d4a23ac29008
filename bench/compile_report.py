"""What the compilers make of the Triton kernels, without a GPU: `python bench/compile_report.py`.

Writes results/triton_compile.csv, one row a kernel, layout, dtype and target:

registers, spills    of a thread (ptxas -v; vector registers of gfx942): words spilled are bytes on
                     NVIDIA and registers on AMD
shared_bytes         of a block
tensor               the tensor-core instruction in the code, and how often it stands there
blocks               that fit on a multiprocessor by registers, shared memory and threads
extra                instructions a score after the last tensor-core instruction (PTX, or AMD's
                     own): counted as they stand, so for one threshold, and with the parts that
                     only edges, skipped columns and undecided scores run
fused                contracted float64 multiply-adds, which would change canonical scores
"""

import contextlib
import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results" / "triton_compile.csv"
COLUMNS = (
    *("kernel", "layout", "dtype", "target", "rows", "columns", "step", "warps", "stages"),
    *("registers", "spills", "shared_bytes", "tensor", "tensor_count", "blocks", "extra", "fused"),
    "triton",
)
# warp size, registers and shared bytes of a multiprocessor (gfx942: of a SIMD lane, of a unit)
TARGETS = {
    "sm_80": ("cuda", 80, 32, 65536, 163 << 10),
    "sm_90": ("cuda", 90, 32, 65536, 227 << 10),
    "sm_100": ("cuda", 100, 32, 65536, 227 << 10),
    "gfx942": ("hip", "gfx942", 64, 512, 64 << 10),
}
TYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "int8": "i8"}
TENSOR = ("tcgen05.mma", "wgmma.mma_async", "mma.sync", "v_mfma")
POINTERS = {
    "*i8": ("marked",),
    "*i32": ("above", "g_above", "lost", "g_lost", "skip", "skip_offsets", "found"),
    "*i64": ("found_count", "rows", "cols"),
    "*fp64": ("out",),
    "*fp32": (
        *("q_scale", "g_scale", "q_err", "g_err", "low", "high", "g_low", "g_high"),
        *("upper", "lower"),
    ),
}
Row = dict[str, Any]


class Job(NamedTuple):
    kernel: str
    layout: str
    dtype: str
    target: str
    constants: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        parts = [self.kernel, *(f"{k.lower()}={v}" for k, v in self.constants)]
        return " ".join(parts)


def jobs(targets: Sequence[str] = tuple(TARGETS), *, quick: bool = False) -> Iterator[Job]:
    """Every launch there is; quick: one dtype of each size, and one size of bucket."""
    small = ("bfloat16", "int8") if quick else ("bfloat16", "float16", "int8")
    buckets = (32,) if quick else (8, 32)
    # the JIT makes a constant of an argument that is 1: one relevant item is the common case
    single = (("q_each", 1), ("g_each", 1))
    one, two = (("REVERSE", False),), (("REVERSE", True),)
    for target in targets:
        for dtype in (*small, "float32"):
            wide = dtype == "float32"
            layouts = ("float",) if wide else ("wide",) if quick else ("wide", "few")
            for layout in (*layouts, "ragged"):
                if quick and layout == "ragged" and dtype == "int8":
                    continue
                yield Job("count", layout, dtype, target, one)
                if not quick:
                    yield Job("count", layout, dtype, target, one + single)
                for bucket in buckets:
                    yield Job("bucket", layout, dtype, target, (("BUCKET", bucket),))
            yield Job("count", "both-float" if wide else "both", dtype, target, two)
            if not quick:
                yield Job("count", "ragged", dtype, target, two)
                yield Job(
                    "count", "both-float" if wide else "both", dtype, target, two + single
                )  # fmt: skip
            for square in (False,) if quick else (False, True):
                if not quick or wide:
                    yield Job("canonical", "", dtype, target, (("SQUARE", square),))


def compile_job(job: Job) -> Row:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from assay.ops import _similarity_launch as launch
    from assay.ops import _similarity_triton as kernels

    backend, arch, warp, registers_there, shared_there = TARGETS[job.target]
    constants: dict[str, Any] = dict(job.constants)
    chosen = launch.Config(0, 0, 0, 4, 3)
    if job.kernel == "canonical":
        constants |= {"BP": launch.PAIRS, "UNROLL": launch.UNROLL}
    else:
        chosen = launch.config(job.layout, job.target)
        constants |= {
            "METRIC": launch.COSINE,
            "EVEN": job.layout != "ragged",
            "PRECISION": launch.precision(job.dtype, job.target),
            "UPCAST": False,
            "BM": chosen.rows,
            "BN": chosen.columns,
            "BK": chosen.step,
        }
    function = getattr(kernels, f"{job.kernel}_kernel")
    types = {name: kind for kind, names in POINTERS.items() for name in names}
    types |= dict.fromkeys(("q_ptr", "g_ptr"), f"*{TYPES[job.dtype]}")
    signature, aligned = {}, {}
    for place, name in enumerate(function.arg_names):
        signature[name] = "constexpr" if name in constants else types.get(name, "i32")
        whole = job.layout != "ragged" and name in {"width", "q_stride", "g_stride"} - set(
            constants
        )
        # what torch allocates is aligned; rows of a ragged matrix are not
        if name in types or whole:
            aligned[(place,)] = [["tt.divisibility", 16]]
    triton.knobs.compilation.always_compile = True
    triton.knobs.nvidia.dump_ptxas_log = True
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        compiled = triton.compile(
            ASTSource(function, signature, constants, aligned),
            target=GPUTarget(backend, arch, warp),
            options=chosen.options,
        )
    code = compiled.asm["ptx" if backend == "cuda" else "amdgcn"]
    if backend == "cuda":
        registers, spills = _ptxas(log.getvalue())
    else:
        registers, spills = (
            int(re.findall(rf"\.{name}:\s+(\d+)", code)[0])
            for name in ("vgpr_count", "vgpr_spill_count")
        )
    shared = compiled.metadata.shared
    threads = chosen.warps * warp
    # registers come in eights
    each = -(-registers // 8) * 8
    by_registers = (
        registers_there // (each * threads)
        if backend == "cuda"
        else registers_there // each * 4 // chosen.warps
    )
    tensor = next((name for name in TENSOR if name in code), "")
    lines = [line.strip() for line in code.splitlines()]
    extra = 0.0
    if tensor:
        last = max(i for i, line in enumerate(lines) if tensor in line)
        body = [line for line in lines[last + 1 :] if _is_instruction(line)]
        extra = len(body) * threads / (chosen.rows * chosen.columns)
    return {
        "kernel": job.name,
        "layout": job.layout,
        "dtype": job.dtype,
        "target": job.target,
        **{name: getattr(chosen, name) for name in COLUMNS[4:9]},
        "registers": registers,
        "spills": spills,
        "shared_bytes": shared,
        "tensor": tensor,
        "tensor_count": sum(tensor in line for line in lines) if tensor else 0,
        "blocks": min(by_registers, shared_there // max(shared, 1), 2048 // threads),
        "extra": round(extra, 1),
        "fused": len(re.findall(r"fma\.rn\.f64|v_fma_f64|v_fmac_f64", code)),
        "triton": triton.__version__,
    }


def _ptxas(log: str) -> tuple[int, int]:
    used = re.search(r"Used (\d+) registers", log)
    spilled = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log)
    if not used or not spilled:
        raise ValueError(f"ptxas says nothing of registers and spills: {log!r}")
    return int(used[1]), int(spilled[1]) + int(spilled[2])


def _is_instruction(line: str) -> bool:
    """PTX ends them with a semicolon, AMD's assembly begins them with a unit's name."""
    ptx = line.endswith(";") and not line.startswith((".", "//"))
    return ptx or re.match(r"(v|s|ds|global|buffer|flat|scratch)_\w+", line) is not None


def report(wanted: Sequence[Job], processes: int = 2) -> list[Row]:
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return list(pool.map(compile_job, wanted))


def main(arguments: Sequence[str]) -> int:
    if set(arguments) - {"--quick"}:
        print(f"usage: bench/compile_report.py [--quick], got {' '.join(arguments)}")
        return 2
    found = report(list(jobs(quick="--quick" in arguments)))
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    spilled = [row for row in found if row["spills"]]
    for row in spilled:
        print("spills:", *(row[name] for name in COLUMNS[:4]), row["spills"])
    print(f"{len(found)} kernels: {RESULTS}")
    return int(bool(spilled))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
