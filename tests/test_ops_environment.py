"""What `assay env` tells of a machine: enough for a bug report, whatever is missing there."""

import json
import os
import sys

import pytest

from assay.core.optional import EXTRAS
from assay.ops.environment import OPTIONAL

FACTS = "import json; from assay.ops.environment import describe; print(json.dumps(describe()))"
NAMES = {"sklearn": "scikit-learn", "whisper_normalizer": "whisper-normalizer"}


def facts(fresh_python, before="", **env):
    return json.loads(fresh_python(before + FACTS, env=env))


def test_what_is_told(fresh_python):
    found = facts(fresh_python, ASSAY_THREADS="3", CUDA_VISIBLE_DEVICES="1", SECRET_TOKEN="x")
    assert found["settings"] == "ASSAY_THREADS=3 CUDA_VISIBLE_DEVICES=1"
    assert found["cpus"] == f"{os.cpu_count()}, threads used by assay: 3"
    assert sys.executable in found["python"]
    assert "floats wide" in found["vectors"]
    assert "kernels, " in found["kernel cache"]
    assert "jiwer 4" in found["optional"]
    assert facts(fresh_python)["settings"] == "none"


def test_every_optional_package_is_told():
    assert {NAMES.get(package, package) for package in EXTRAS} <= set(OPTIONAL)


def test_without_the_compiled_module(fresh_python):
    hidden = "import sys; sys.modules['assay._native'] = None; "
    found = facts(fresh_python, hidden)
    assert found["native module"].startswith("not built: no C++ compiler or Python headers")
    assert found["CUDA"] == "not looked for, which takes the native module"
    elsewhere = "import numba; " + hidden + "sys.platform = 'darwin'; "
    found = facts(fresh_python, elsewhere)
    assert found["native module"] == "not built: it runs on Linux, this is darwin"


def test_without_optional_packages(fresh_python):
    missing = (
        "from importlib import metadata as m; own = m.version\n"
        "def version(name):\n"
        "    if name in ('torch', 'ray'): raise m.PackageNotFoundError(name)\n"
        "    return own(name)\n"
        "m.version = version; "
    )
    assert facts(fresh_python, missing)["not installed"] == "torch, ray"


@pytest.mark.skipif(sys.platform != "linux", reason="the compiled module is for Linux")
def test_of_a_driver(fresh_python, fake_cuda, tmp_path):
    found = facts(fresh_python, ASSAY_LIBCUDA_PATH=str(fake_cuda), FAKE_VERSION="12080")
    assert found["CUDA"] == "driver 12.8; 2 device(s)"  # torch sees none of the fake ones
    assert found["settings"] == f"ASSAY_LIBCUDA_PATH={fake_cuda}"
    none = facts(fresh_python, ASSAY_LIBCUDA_PATH=str(tmp_path / "none.so"))
    assert "cannot open shared object file" in none["CUDA"]
