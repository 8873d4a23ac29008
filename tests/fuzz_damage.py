"""How valid files are damaged, and what a target of fuzzing is.

A target is a function of a folder that gives a function of a random number generator: one case.
A case may end with an error of assay, and with nothing else.
"""

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

Case = Callable[[random.Random], None]
Target = Callable[[Path], Case]
Damage = Callable[[random.Random, bytes], bytes]

BITS = [
    b"\0", b"\xff", b"\r", b"\r\n", b"\n", b'"',
    b",", b"\t", b"{", b"[" * 4000, b"]", b"\\ud800",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"9" * 400, b"-", b"1e999", b"NaN", b"null",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8", b"\x1f\x8b", b"(", b")", b"/", b"<time", b"\x7f\xff\xff\xff\xff\xff\xff\xff",
]  # fmt: skip


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bits turned, bytes lost, put in or said twice; cut short; lengths made huge."""
    own = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, other = (rng.randrange(len(own) + 1) for _ in range(2))
        how = rng.randrange(8)
        if how == 0 and at < len(own):
            own[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            del own[at:]
        elif how == 2:
            del own[at : at + rng.randrange(9)]
        elif how == 3:
            own[at:at] = rng.choice(BITS)
        elif how == 4:
            own[at:at] = own[other : other + rng.randrange(40)]
        elif how == 5:
            own[at : at + 4] = struct.pack("<i", rng.choice([-1, 0, 2**31 - 1, 1 << 20]))
        elif how == 6:
            own[at : at + 8] = struct.pack("<q", rng.choice([-1, 2**63 - 1, 1 << 40]))
        else:
            own[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(own)


def pages(rng: random.Random, data: bytes) -> bytes:
    """A Parquet file damaged before its footer, or cut short. Of some footers pyarrow's C++ ends
    the process, at which nobody can do anything here."""
    end = len(data) - 8 - struct.unpack("<i", data[-8:-4])[0]
    body = bytearray(data[:end])
    for _ in range(rng.choice([1, 2, 5])):
        body[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(body) + data[end:] if rng.random() < 0.9 else data[: rng.randrange(len(data))]


def reader(
    valid: dict[str, bytes], use: Callable[..., Any], damage: Damage = damaged
) -> Callable[[Path], Case]:
    """Files of which one is damaged; `use` reads them."""

    def target(folder: Path) -> Case:
        for name, data in valid.items():
            (folder / name).write_bytes(data)
        use(*(str(folder / name) for name in valid))  # which are read as they are

        def case(rng: random.Random) -> None:
            worse = rng.choice([*valid])
            paths = []
            for name, data in valid.items():
                path = folder / name
                path.write_bytes(damage(rng, data) if name == worse else data)
                paths.append(str(path))
            use(*paths)

        return case

    return target
