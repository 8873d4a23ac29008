"""What tables of rankings and judgements call their columns: TREC's names, BEIR's, and ours."""

from collections.abc import Iterable, Mapping

from assay.core.errors import InputError

__all__ = ["ALIASES", "alias_among"]

# column -> its names, the first ones first
ALIASES: Mapping[str, tuple[str, ...]] = {
    "query": ("query", "query_id", "query-id", "qid", "q_id", "topic"),
    "item": ("item", "item_id", "doc", "doc_id", "docid", "docno", "corpus_id", "corpus-id"),
    "score": ("score", "sim"),
    "gain": ("gain", "relevance", "rel", "label", "score"),
}
# Columns that say neither how good an item is nor how relevant.
_ASIDE = {"q0", "iter", "iteration", "rank", "tag", "run", "system"}


def alias_among(column: str, present: Iterable[str], what: str) -> str | None:
    """What a table calls a column, None where it has neither that nor any other that could be it.

    Query and item must be there. A table with columns of unknown names may mean one of them as
    score or gain: that is an InputError, for ranks without it would be other ranks.
    """
    present = list(present)
    found = next((name for name in ALIASES[column] if name in present), None)
    if found is not None:
        return found
    if column in ("query", "item"):
        raise InputError(f"{what} must have columns query and item, there are {present}")
    known = {*ALIASES["query"], *ALIASES["item"], *_ASIDE}
    if strange := [name for name in present if str(name).lower() not in known]:
        raise InputError(
            f"{what}: no column {column} among {present}; name it so, or leave {strange[0]!r} out "
            f"where there is none"
        )
    return None
