"""Data in a page of HTML: JSON that no text can break out of, compressed if it is large."""

import base64
import gzip
import hashlib
import json
import re
from typing import Any

from assay.report.render import json_value

__all__ = ["embedded", "policy"]

LARGE = 1 << 20  # characters from which data is compressed

# What ends or begins a script element, and what JavaScript's older readers took for a line end.
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
_LONE = re.compile("[\ud800-\udfff]")


def embedded(data: Any) -> tuple[str, bool]:
    """The text of a script element of type application/json, and whether it is base64 of gzip.

    nan is null there, infinity a text; characters that HTML reads are escaped.

    >>> embedded({"x": "</script><!--", "y": [float("nan")]})
    ('{"x":"\\\\u003c/script\\\\u003e\\\\u003c!--","y":[null]}', False)
    """
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_plain(data), ensure_ascii=False, separators=(",", ":"))
    text = _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if len(text) < LARGE:
        return text.translate(_UNSAFE), False
    packed = gzip.compress(text.encode(), 6, mtime=0)
    return base64.b64encode(packed).decode(), True


def policy(style: str, script: str) -> str:
    """A Content-Security-Policy: this style and this script, what is in the page, nothing else."""
    return (
        f"default-src 'none'; script-src '{source_hash(script)}'; "
        f"style-src-elem '{source_hash(style)}'; style-src-attr 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def source_hash(text: str) -> str:
    """How a policy names the text of an element."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(value) for value in data]
    return json_value(data)
