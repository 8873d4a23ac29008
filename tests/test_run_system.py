"""Samples of the system; the GPUs are a library that the test builds."""

import os
import shutil
import subprocess
import sys

import pytest

from assay.run.system import Sampler, _visible

NVML = r"""
#include <string.h>
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;
static int ids[2] = {0, 1};
int nvmlInit_v2(void) { return FAIL; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) {
    if (i > 1) return 6;
    *h = &ids[i];
    return 0;
}
int nvmlDeviceGetHandleByUUID(const char *u, void **h) {
    if (strcmp(u, "GPU-one")) return 6;
    *h = &ids[1];
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *h, Memory *m) {
    m->total = 80; m->free = 70; m->used = 10 + *(int *)h;
    return 0;
}
int nvmlDeviceGetUtilizationRates(void *h, Utilization *u) {
    if (*(int *)h == 0) return 3;  /* as MIG devices answer */
    u->gpu = 55; u->memory = 1;
    return 0;
}
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    folders = []
    for fail in (0, 1):
        folder = tmp_path_factory.mktemp(f"nvml{fail}")
        (folder / "nvml.c").write_text(NVML)
        target = ["-o", str(folder / "libnvidia-ml.so.1"), str(folder / "nvml.c")]
        subprocess.run(["cc", "-shared", "-fPIC", f"-DFAIL={fail}", *target], check=True)
        folders.append(str(folder))
    return folders


CODE = """
from assay.run.system import Sampler
print({name: value for name, value in Sampler().sample().items() if "gpu" in name})
"""


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, {"gpu0_memory_bytes": 10, "gpu1_memory_bytes": 11, "gpu1_utilization_percent": 55}),
        ("1", {"gpu0_memory_bytes": 11, "gpu0_utilization_percent": 55}),
        ("GPU-one,7", {"gpu0_memory_bytes": 11, "gpu0_utilization_percent": 55}),
        ("", {}),
        ("-1", {}),
    ],
)
def test_gpus_that_the_process_may_use(libraries, fresh_python, visible, found):
    env = {"LD_LIBRARY_PATH": libraries[0], "CUDA_VISIBLE_DEVICES": visible}
    assert fresh_python(CODE, env=env) == str({f"system/{k}": v for k, v in found.items()})


def test_a_library_that_does_not_begin(libraries, fresh_python):
    assert fresh_python(CODE, env={"LD_LIBRARY_PATH": libraries[1]}) == "{}"


def test_the_processor_and_memory():
    sampler = Sampler()
    sum(i * i for i in range(5_000_000))
    values = sampler.sample()
    assert 1 < values["system/cpu_percent"] < 100 * (os.cpu_count() or 1) + 50
    if sys.platform == "linux":
        block = bytearray(200 << 20)
        block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])
        grown = sampler.sample()["system/rss_bytes"] - values["system/rss_bytes"]
        assert 150 << 20 < grown < 250 << 20


def test_devices_by_name(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", " 2, GPU-x ,")
    assert _visible(4) == ["2", "GPU-x"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert _visible(2) == ["0", "1"]
