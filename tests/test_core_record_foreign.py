"""A journal that somebody else wrote, or a disk has damaged: a DataError that names the line."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import DataError
from assay.core.record import read_journal
from assay.run.cursor import DONE, STOPPED, Cursor
from assay.run.feed import Feed
from run_kit import END, HEAD, Scripted, metric, points, write_journal

ABOUT = {"time": 2.0, "step": 4, "name": "w", "tags": {"fold": "1"}}
LINES = [
    HEAD,
    metric("loss", tags={"fold": "1"}),
    points(0, 1.0, loss=0.5),
    {"kind": "params", "time": 1.0, "params": {"a": 1}, "tags": {}},
    {"kind": "histogram", **ABOUT, "edges": [0, 1], "counts": [3]},
    {"kind": "table", **ABOUT, "path": "t.csv"},
    {**HEAD, "kind": "resume"},
    END,
]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("../../x"),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.integers()),
    st.just([{}]), st.just([1]), st.just({"fold": 1}), st.just(10**400),
)  # fmt: skip


HEADLESS = re.compile("no run has begun there|has version")


class Looking(Scripted):
    """Reads what trackers read."""

    def log(self, entries):
        for entry in entries:
            if (key := getattr(entry, "key", None)) is not None:
                assert isinstance(key, str)
            for known, value in getattr(entry, "values", ()):
                known.key_in_group, known.direction, float(value)
        super().log(entries)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_field_can_be_anything_that_it_is_not(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("exp")
    lines = [dict(line) for line in LINES]
    line = lines[data.draw(st.integers(0, len(lines) - 1))]
    field = data.draw(st.sampled_from(sorted(line)))
    if data.draw(st.booleans()):
        line[field] = data.draw(JUNK)
    else:
        del line[field]
    write_journal(folder, *lines)
    try:
        record = read_journal(str(folder))
    except DataError:
        pass
    else:
        record.pipeline()
        assert all(record.points(key) is not None for key in record.metrics)
        assert all(metric.key_in_group for metric in record.metrics.values())
    tracker = Looking()
    cursor = Cursor.of(str(folder), tracker.spec())
    feed = Feed(str(folder), tracker, cursor, follow=False, attempts=1)
    feed.wake.set()
    feed.run()
    cursor = feed.cursor
    assert cursor.state == DONE or (cursor.state == STOPPED and HEADLESS.search(cursor.error))


@pytest.mark.parametrize(
    ("number", "field", "value", "why"),
    [
        (0, "id", "*", "ValueError: id '*' is none"),
        (0, "id", "a/../b", "ValueError: id 'a/../b' is none"),
        (0, "trackers", [{"tracker": 3}], "TypeError: one of ['me', 3] is no text"),
        (5, "path", None, "TypeError: path is None"),
        (4, "step", "4", "TypeError: step '4' or time 2.0 is none"),
    ],
)
def test_what_becomes_a_path_or_a_query(tmp_path, number, field, value, why):
    lines = [dict(line) for line in LINES]
    lines[number][field] = value
    write_journal(tmp_path, *lines)
    with pytest.raises(DataError) as caught:
        read_journal(str(tmp_path))
    assert f"line {number + 1} is damaged ({why})" in str(caught.value)


def test_a_tracker_of_a_journal_names_no_file(tmp_path):
    cursor = Cursor.of(str(tmp_path / "a"), {"tracker": "../../../evil"})
    cursor.save()
    assert [path.parent.name for path in tmp_path.rglob("*.json")] == ["sent"]
