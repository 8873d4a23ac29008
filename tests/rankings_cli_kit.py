"""The files that the tests of `assay score rankings` start from."""

from pathlib import Path

import numpy as np

Q, G, D = 30, 60, 12
ARRAYS = ("--queries", "q.npy", "--gallery", "g.npy")


def write_embeddings():
    """30 queries, 60 rows, about four of which are relevant to each; query 4 has none."""
    rng = np.random.default_rng(5)
    query, gallery = rng.standard_normal((Q, D)), rng.standard_normal((G, D))
    np.save("q.npy", query.astype(np.float32))
    np.save("g.npy", gallery.astype(np.float16))
    judged = rng.random((Q, G)) < 4 / G
    judged[4] = False
    judged[0, 0] = True
    write_pairs(judged)


def write_pairs(judged):
    lines = [f"{q}\t{g}\n" for q, g in np.argwhere(judged)]
    Path("r.tsv").write_text("query\titem\n" + "".join(lines))
