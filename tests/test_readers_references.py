"""Several references an item, from every format that can hold them."""

import json

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.core.errors import DataError, InputError
from assay.readers import read
from readers_kit import rows

ITEMS = [
    (["a dog barks", "é dog, barking"], "a dog", "x"),
    (["rain"], "rain falls", "y"),
    (['birds "sing"', "birds", "日本 birds"], "", "x"),
]


def as_jsonl(path, items):
    lines = [{"references": refs, "hypothesis": hyp, "set": own} for refs, hyp, own in items]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def numbered(items):
    width = max(len(refs) for refs, _, _ in items)
    table = {f"ref_{i + 1}": [refs[i] if i < len(refs) else "" for refs, _, _ in items]
             for i in range(width)}  # fmt: skip
    return pa.table(
        {"hypothesis": [hyp for _, hyp, _ in items], **table, "set": [s for *_, s in items]}
    )


def as_delimited(path, items, delimiter=","):
    import csv

    table = numbered(items)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(table.column_names)
        writer.writerows(zip(*table.to_pydict().values(), strict=True))
    return path


def as_lists(items, kind):
    return pa.table(
        {
            "hypothesis": [hyp for _, hyp, _ in items],
            "references": pa.array([refs for refs, _, _ in items], kind),
            "set": [own for *_, own in items],
        }
    )


def as_parquet(path, table):
    pq.write_table(table, path, row_group_size=2)
    return path


WRITERS = {
    "jsonl": lambda folder: as_jsonl(folder / "a.jsonl", ITEMS),
    "csv": lambda folder: as_delimited(folder / "a.csv", ITEMS),
    "tsv": lambda folder: as_delimited(folder / "a.tsv", ITEMS, "\t"),
    "parquet": lambda folder: as_parquet(
        folder / "a.parquet", as_lists(ITEMS, pa.list_(pa.string()))
    ),
    "parquet, large": lambda folder: as_parquet(
        folder / "b.parquet", as_lists(ITEMS, pa.large_list(pa.large_string()))
    ),
    "parquet, numbered": lambda folder: as_parquet(folder / "c.parquet", numbered(ITEMS)),
    "table": lambda folder: as_lists(ITEMS, pa.list_(pa.string())),
    "table, numbered": lambda folder: numbered(ITEMS),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_every_format_gives_the_same(write, tmp_path):
    source = write(tmp_path)
    assert rows(source, "hypothesis", "set", lists="references") == ITEMS
    for batch in read(source, "hypothesis", lists="references"):
        assert batch.schema.field("references").type == pa.large_list(
            batch.schema.field("references").type.value_type
        )


def test_arrow_files(tmp_path):
    pyarrow.feather.write_feather(
        as_lists(ITEMS, pa.list_(pa.string())),
        str(tmp_path / "a.arrow"),
        compression="uncompressed",
    )
    assert rows(tmp_path / "a.arrow", "hypothesis", "set", lists="references") == ITEMS


TEXTS = st.lists(
    st.tuples(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1),
                 min_size=1, max_size=4),
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r")),
        st.sampled_from(["x", "y"]),
    ),
    min_size=1, max_size=5,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(items=TEXTS)
def test_any_text_comes_back(items, tmp_path):
    for source in (
        as_jsonl(tmp_path / "a.jsonl", items),
        as_parquet(tmp_path / "a.parquet", numbered(items)),
        as_lists(items, pa.list_(pa.string())),
    ):
        assert rows(source, "hypothesis", "set", lists="references") == items


def test_numbered_columns_are_in_order_of_their_numbers(tmp_path):
    heads = [f"ref_{i}" for i in (10, 2, 1)]
    (tmp_path / "a.csv").write_text(f"hypothesis,{','.join(heads)}\nh,j,b,a\n")
    assert rows(tmp_path / "a.csv", "hypothesis", lists="ref") == [(["a", "b", "j"], "h")]
    (tmp_path / "b.csv").write_text("hypothesis,caption_1,caption2,caption_x\nh,a,b,c\n")
    assert rows(tmp_path / "b.csv", "hypothesis", lists="caption") == [(["a", "b"], "h")]


def test_a_column_of_texts_is_one_reference_each(tmp_path):
    (tmp_path / "a.csv").write_text("reference,hypothesis\na b,c\n,d\n[music],e\n")
    expected = [(["a b"], "c"), ([""], "d"), (["[music]"], "e")]
    assert rows(tmp_path / "a.csv", "hypothesis", lists="references") == expected


def test_records_may_lack_the_later_ones_of_numbered_fields(tmp_path):
    lines = [{"hypothesis": "h", "ref_1": "a", "ref_2": "b"}, {"hypothesis": "i", "ref_1": "c"}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "b.jsonl").write_text('{"hypothesis": "h", "x": 1}\n')
    with pytest.raises(DataError, match=r"no column 'references'; there: 'hypothesis', 'x'"):
        rows(tmp_path / "b.jsonl", "hypothesis", lists="references")
    assert rows(path, "hypothesis", lists="references") == [(["a", "b"], "h"), (["c"], "i")]


def test_two_files_by_key_and_line_aligned_ones(tmp_path):
    refs = [{"id": 1, "references": ["a", "b"]}, {"id": 2, "references": ["c"]}]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in refs))
    (tmp_path / "h.csv").write_text("id,hypothesis\n2,z\n1,y\n")
    both = [tmp_path / "r.jsonl", tmp_path / "h.csv"]
    found = rows(both, "hypothesis", "id", lists="references", key="id")
    assert found == [(["a", "b"], "y", 1), (["c"], "z", 2)]
    for name, text in {"r1": "a\nb\n", "r2": "c\n\n", "h": "x\ny\n"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    paths = [tmp_path / f"{name}.txt" for name in ("r1", "r2", "h")]
    assert rows(paths, "hypothesis", lists="references") == [(["a", "c"], "x"), (["b"], "y")]
    assert rows(paths[::2], "hypothesis", lists="references") == [(["a"], "x"), (["b"], "y")]
    (tmp_path / "r1.txt").write_text("a\n\n")
    with pytest.raises(DataError, match=r"line 2: column '.*r1.txt, …' has no text at all"):
        rows(paths, "hypothesis", lists="references")
    with pytest.raises(InputError, match="got 1 paths for references, hypothesis"):
        read(paths[0], "hypothesis", lists="references")


BAD = {
    "null": ('{"references": null, "hypothesis": "h"}', "line 2: .*null"),
    "a null within": ('{"references": ["a", null], "hypothesis": "h"}',
                      "line 2: column 'references' is null, expected text; leave it out"),
    "empty": ('{"references": [], "hypothesis": "h"}',
              "line 2: column 'references' has no text at all; give the row one, or drop it"),
    "text among lists": ('{"references": "a", "hypothesis": "h"}',
                         "line 2: .*'references' as list<item: string> was expected"),
    "numbers": ('{"references": [1], "hypothesis": "h"}', "line 2: .*from string to number"),
    "absent": ('{"hypothesis": "h"}', "line 2: .*null"),
    "cut short": ('{"references": ["a"', "line 2: not one JSON object on one line"),
    "half a character": ('{"references": ["\\ud800"], "hypothesis": "h"}',
                         "line 2: .*half a character is no text"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "message"), BAD.values(), ids=BAD)
def test_bad_records_are_named_by_line(line, message, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"references": ["a", "b"], "hypothesis": "h"}\n' + line + "\n")
    with pytest.raises(DataError, match=f"^{path}: {message}"):
        rows(path, "hypothesis", lists="references")


def test_bad_tables(tmp_path):
    path = tmp_path / "a.csv"
    for text, message in (
        ("hypothesis,ref_1,ref_2\nh,a,\nh,,\n", "line 3: column 'ref_1, …' has no text at all"),
        ("hypothesis,ref_1,ref_1\nh,a,b\n", "header: 2 columns are named 'ref_1'"),
        ("hypothesis,refz\nh,a\n", "header: no column 'references'; there: 'hypothesis', 'refz'"),
        ("hypothesis,references\nh,\"['a', 'b']\"\n",
         "line 2: column 'references' holds a list written as text .*references_1"),
        ("hypothesis,ref_1\nh,a,b\n", "line 2: expected 2 cells as in the header, got 3"),
        ("hypothesis,ref_1,ref_2\nh,a,\x80\n", "line 2: column 'ref_2' is not UTF-8"),
    ):  # fmt: skip
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(DataError, match=f"^{path}: {message}"):
            rows(path, "hypothesis", lists="references")
    ints = pa.table({"hypothesis": ["h"], "references": [[1, 2]]})
    with pytest.raises(DataError, match="table: index 0: column 'references' holds int64"):
        rows(ints, "hypothesis", lists="references")
    table = pa.table({"hypothesis": ["h", "i"], "references": [["a"], None]})
    stored = as_parquet(tmp_path / "a.parquet", table)
    with pytest.raises(DataError, match="row 2: column 'references' is null, expected a list"):
        rows(stored, "hypothesis", lists="references")


def test_one_huge_line(tmp_path):
    refs = [["x" * (9 << 20), "b"]] + [["a"]] * 3
    path = as_jsonl(tmp_path / "a.jsonl", [(own, "h", "s") for own in refs])
    assert rows(path, "hypothesis", lists="references") == [(own, "h") for own in refs]
