"""The one thing pyproject.toml cannot say: a native extension that may be absent.

Without a C++17 compiler or Python's headers the result is a pure wheel, which lacks only what
`assay._native` offers. ASSAY_REQUIRE_NATIVE=1 turns that, and any compiler warning, into an error.
ASSAY_SANITIZE=address,undefined or =thread builds it for `make sanitize`.
"""

import os
import sys
from glob import glob

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup
from setuptools.command.build_ext import build_ext

REQUIRED = os.environ.get("ASSAY_REQUIRE_NATIVE") == "1"
SANITIZE = os.environ.get("ASSAY_SANITIZE")
SANITIZED = (
    [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", "-D_GLIBCXX_ASSERTIONS", "-g", "-O1"]
    if SANITIZE
    else []
)


class OptionalBuild(build_ext):
    def run(self):
        try:
            super().run()
        except Exception as error:
            if REQUIRED:
                raise
            print(f"assay: building without the native extension: {error}", file=sys.stderr)
            self.distribution.ext_modules = []
            self.get_finalized_command("bdist_wheel").root_is_pure = True


native = Pybind11Extension(
    "assay._native",
    ["csrc/bindings.cpp"],
    depends=sorted(glob("csrc/*.hpp")),
    cxx_std=17,
    extra_compile_args=["-Wall", "-Wextra", *(["-Werror"] if REQUIRED else []), *SANITIZED],
    extra_link_args=SANITIZED,
    libraries=["dl"],
)

setup(
    ext_modules=[native] if REQUIRED or sys.platform == "linux" else [],
    cmdclass={"build_ext": OptionalBuild},
)
