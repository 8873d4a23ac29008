"""A run from elsewhere: its journal may name any file, and its texts may be formulas."""

import csv
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.cli.explorers import of_runs
from assay.cli.significance import item_files
from assay.core.errors import DataError
from assay.core.paths import path_inside
from assay.core.record import read_journal
from assay.core.score import Score
from assay.report.folds import folds
from assay.report.page_pictures import pictures
from assay.report.render import Table, scores_csv
from assay.report.summary import write_folds
from cli_kit import assay as command
from run_kit import HEAD, metric, points, write_journal

PNG = b"\x89PNG\r\n\x1a\n" + b"secret" * 4
TABLE = "target,prediction,note\na,b,secret\n"
MEAN = "val_macro_f1"


def hostile(folder: Path, ending: str, content: bytes) -> dict[str, str]:
    """Names of one file outside of the run `folder`, each as a way to say it."""
    secret = folder.parent / f"secret{ending}"
    secret.write_bytes(content)
    (folder / "models").mkdir(parents=True)
    (folder / "models" / f"link{ending}").symlink_to(secret)
    (folder / "folder").symlink_to(folder.parent)
    beside = folder.with_name(folder.name + "-2")  # begins as the run's own name does
    beside.mkdir()
    (beside / f"secret{ending}").write_bytes(content)
    return {
        "dots": f"models/../../secret{ending}",
        "absolute": str(secret),
        "link": f"models/link{ending}",
        "folder": f"folder/secret{ending}",
        "beside": f"../{beside.name}/secret{ending}",
    }


WAYS = ["dots", "absolute", "link", "folder", "beside"]


def line(kind: str, path: str, **more: object) -> dict[str, object]:
    return {"kind": kind, "time": 2.0, "step": None, "name": "x", "tags": {}, "path": path, **more}


@pytest.mark.parametrize("way", WAYS)
def test_no_table_from_outside_of_a_run_is_shown(tmp_path, way):
    run = tmp_path / "run"
    write_journal(run, HEAD, line("table", hostile(run, ".csv", TABLE.encode())[way]))
    found, left = of_runs([read_journal(str(run))], 10)
    assert not found
    assert len(left) == 1
    assert "lies outside of" in left[0]
    page = tmp_path / "page.html"
    done = command("report", str(run), "-o", str(page))
    assert done.code == 0
    assert 'secret"' not in page.read_text().replace("secret.csv", "")
    assert "lies outside of" in page.read_text()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["figure", "artifact"])
def test_no_picture_from_outside_of_a_run_is_shown(tmp_path, way, kind):
    run = tmp_path / "run"
    write_journal(run, HEAD, line(kind, hostile(run, ".png", PNG)[way]))
    found, notes = pictures([read_journal(str(run))])
    assert not found
    assert "lies outside of" in notes[0]


@pytest.mark.parametrize("way", WAYS)
def test_no_model_from_outside_of_a_run_is_copied(tmp_path, way):
    run = tmp_path / "run"
    path = hostile(run, ".bin", b"secret")[way]
    name = path if path.startswith("models/") else f"models/../{path}"
    lines = [metric(MEAN, tags={"fold": "1"}), points(0, 1.0, **{MEAN: 0.5})]
    lines[1]["values"] = {lines[0]["key"]: 0.5}
    own = line("artifact", name if way != "absolute" else path, tags={"fold": "1"})
    write_journal(run, HEAD, *lines, own)
    found = folds(str(run))
    assert found.best is not None
    assert found.best.model is None
    if way != "absolute":  # is no file of models/
        assert "lies outside of" in found.table.note
    out = tmp_path / "out"
    assert len(write_folds(str(run), "m", directory=out)) == 2
    assert not list(out.glob("best_model*"))


@pytest.mark.parametrize("way", WAYS)
def test_no_rows_from_outside_of_a_run_are_compared(tmp_path, way):
    made = tmp_path / "made.parquet"
    schema = pa.schema([("id", pa.int64())], metadata={b"assay.items": b"{}"})
    pq.write_table(pa.table({"id": [1]}, schema=schema), made)
    run = tmp_path / "run"
    path = hostile(run, ".parquet", made.read_bytes())[way]
    write_journal(run, HEAD, line("artifact", path))
    with pytest.raises(DataError, match="lies outside of"):
        item_files([read_journal(str(run))], lambda record, tags: "all")
    write_journal(run, HEAD, line("artifact", "own.parquet"))
    (run / "own.parquet").write_bytes(made.read_bytes())
    assert len(item_files([read_journal(str(run))], lambda record, tags: "all")) == 1


def test_a_path_is_inside_or_refused(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    os.symlink("target.txt", run / "link.txt")  # a link that stays within
    (run / "target.txt").write_text("x")
    (run / "folder" / "deep").mkdir(parents=True)
    for name in (
        "target.txt",
        "link.txt",
        "a/../target.txt",
        "not there.txt",
        "..a/x",
        "é",
        "folder",
        "",
        ".",
    ):
        assert path_inside(str(run), name) == os.path.join(str(run), name)
    for name in ("..", "../run-2/x", "/etc/passwd", "a/../../x"):
        with pytest.raises(DataError, match=f"{name} lies outside of .*run"):
            path_inside(str(run), name)
    for name in ("a\0b", "\ud800"):
        with pytest.raises(DataError, match="is no name of a file"):
            path_inside(str(run), name)
    os.mkfifo(run / "pipe")
    with pytest.raises(DataError, match="is neither file nor folder"):
        path_inside(str(run), "pipe")  # which would never end
    (run / "folder" / "deep" / "link").symlink_to("/etc")
    with pytest.raises(DataError, match="folder lies outside of"):  # a part of it does
        path_inside(str(run), "folder")


# -- formulas --------------------------------------------------------------------------------------

FORMULAS = ["=cmd|'/C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", " \t=1", "\r=1", "\uff1dA1", "--5"]
PLAIN = ["a", "", "-1.5", "+2", "-1e-9", "a=b", "3-4", "é", "'x"]


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_no_spreadsheet_takes_text_for_a_formula(text):
    head, row = cells(Table("", ["x", text], [(1.5, text)]).to_csv())
    assert head[1] == row[1] == f"'{text}"
    scores = [Score("wer", -0.5, "", None, 3, {"speaker": text}, "wer|x")]
    assert cells(scores_csv(scores))[1][:3] == [f"'{text}", "wer", "-0.5"]


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_and_numbers_are_as_they_were(text):
    row = cells(Table("", ["x", "y", "z"], [(-1.5, text, float("-inf"))]).to_csv())[1]
    assert row == ["-1.5", text, "-inf"]


def test_scores_printed_as_csv_hold_no_formula(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"reference": "a", "hypothesis": "b", "who": "=1+1"}\n')
    done = command("score", "transcripts", str(tmp_path / "d.jsonl"), "--by", "who", "--csv")
    assert done.code == 0, done.err
    assert "\n'=1+1,wer,1.0," in done.out
    assert "\n=1+1" not in done.out


def test_a_break_in_a_cell_begins_no_row(tmp_path):
    with assay.Run(tmp_path / "run") as run:
        run.table([{"a": "x\r=1", "b": 2, "c": None}, {"b": "y\nz"}], "t")
    with open(tmp_path / "run" / "tables" / "t.csv", newline="", encoding="utf-8") as file:
        assert [*csv.reader(file)] == [["a", "b", "c"], ["x\r=1", "2", ""], ["", "y\nz", ""]]
