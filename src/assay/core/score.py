"""Score: one number with everything needed to read it and to compare it.

The signature is the definition (as sacrebleu's): equal signatures mean comparable numbers. The
provenance is what computed it. `flatten` is the one place where a name and its tags become the
flat key that trackers, CSV files and training frameworks want.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, Literal

from assay.core.errors import InputError

__all__ = ["Better", "Score", "flat_key", "flatten", "provenance"]

Better = Literal["higher", "lower"] | None

# Tags whose value says it all; any other tag is written key_value.
BARE_TAGS = ("model", "stage", "split", "direction")
LAST_TAGS = ("fold",)

_FORBIDDEN = re.compile(r"[^\w.\- :]")  # what MLflow, the strictest consumer, refuses


@dataclass(frozen=True, slots=True)
class Score:
    """One value of one metric.

    name: as typed in the field (`wer`, `recall@10`). value: float, or int where it is a count.
    unit: "fraction", "words", "ms", … better: "higher", "lower" or None. n: items it stands on.
    tags: direction, group, fold, stage, split, model. signature: the definition.
    provenance: package versions.
    """

    name: str
    value: float
    unit: str
    better: Better
    n: int
    tags: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)

    def tagged(self, /, **tags: str) -> "Score":
        """The same score with further tags; a tag it has already is an error."""
        if clash := sorted(self.tags.keys() & tags.keys()):
            raise InputError(f"Score: {self.name} has a tag {clash[0]!r} already: {self.tags}")
        return replace(self, tags={**self.tags, **tags})

    def key(self, prefix: str = "") -> str:
        """The flat name: {prefix}{tags in fixed order}/{name}.

        >>> Score("recall@10", 0.5, "fraction", "higher", 8, {"direction": "audio_to_text"}).key()
        'audio_to_text/recall_at_10'
        """
        return prefix + flat_key(self.name, self.tags)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "better": self.better,
            "n": self.n,
            "tags": dict(self.tags),
            "signature": self.signature,
        }


def flatten(scores: Iterable[Score], prefix: str = "") -> dict[str, float]:
    """Scores as one flat dictionary for trackers, CSV, Lightning and Hugging Face.

    Two scores that would share a key are an error, never one lost.

    >>> flatten([Score("macro_f1", 0.8, "fraction", "higher", 10)], prefix="val_")
    {'val_macro_f1': 0.8}
    """
    flat: dict[str, float] = {}
    for score in scores:
        key = score.key(prefix)
        if key in flat:
            raise InputError(f"flatten: two scores are named {key!r}; tell them apart by a tag")
        flat[key] = score.value
    return flat


def flat_key(name: str, tags: Mapping[str, str]) -> str:
    """A name and its tags as one key: {tags in fixed order}/{name}. A slash in the name stays.

    >>> flat_key("macro_f1±", {"fold": "2", "split": "val"})
    'val/fold_2/macro_f1_std'
    """
    written = name.replace("@", "_at_").replace("±", "_std")
    parts = [_tag(k, tags[k]) for k in sorted(tags, key=_tag_order)]
    # MLflow takes keys for paths, and refuses those that are not in their shortest form.
    return "/".join(
        "_" if part in ("", ".", "..") else _clean(part) for part in [*parts, *written.split("/")]
    )


@functools.cache
def provenance() -> Mapping[str, str]:
    """Versions of the packages that decide a value."""
    return {name: metadata.version(name) for name in ("assay", "numpy", "numba")}


def _tag(key: str, value: str) -> str:
    return value if key in BARE_TAGS else f"{key}_{value}"


def _tag_order(key: str) -> tuple[int, str]:
    if key in BARE_TAGS:
        return BARE_TAGS.index(key), ""
    return len(BARE_TAGS) + (key in LAST_TAGS), key


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("_", text)
