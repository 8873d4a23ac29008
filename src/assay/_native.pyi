"""Types of the compiled module, which csrc/bindings.cpp defines."""

from typing import final

@final
class CudaDriver:
    """The CUDA driver of this process, or why there is none."""

    @property
    def available(self) -> bool:
        """The driver is open and sees at least one device."""
    @property
    def reason(self) -> str:
        """Why it is not available: what the loader or which driver call said. Empty if it is."""
    @property
    def version(self) -> int | None:
        """1000 * major + 10 * minor of the newest CUDA it supports, or None where it won't say."""
    @property
    def devices(self) -> int:
        """How many devices it sees."""

def cuda_driver() -> CudaDriver:
    """Open and initialise the CUDA driver; once per process, later calls are free.

    A process that forks after this cannot use CUDA in its children (a rule of CUDA's).
    """
