"""What the page shows of pictures, and that it says what it does not show."""

import base64
import struct
import zlib

import numpy as np
import pytest

import assay
from assay.report import page_pictures
from assay.report.page import page
from run_kit import END, HEAD, metric, points, write_journal
from test_report_page import Reader, drawn, titles

KEY = "recall_at_10"


def png(shade, width=4):
    """A picture of one colour, made by hand."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = zlib.compress(b"".join(b"\0" + bytes([shade]) * width for _ in range(width)))
    head = struct.pack(">IIBBBBB", width, width, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def images(text):
    return {
        attributes["alt"]: base64.b64decode(attributes["src"].partition(",")[2])
        for tag, attributes in Reader(text).found
        if tag == "img"
    }


def test_pictures_of_a_run_are_in_the_page(tmp_path):
    with assay.Run(tmp_path / "exp") as run:
        for step in 1, 10, 9:
            run.figure(png(step), "map", step=step)
        run.figure(png(50), "<b>\"x'", stage="kd")
        (tmp_path / "shot.PNG").write_bytes(png(60))
        run.artifact(tmp_path / "shot.PNG")
        (tmp_path / "notes.txt").write_text("no picture")
        run.artifact(tmp_path / "notes.txt")
    text = page(tmp_path / "exp")
    assert images(text) == {
        "map, step 10": png(10), "<b>\"x', stage kd": png(50), "shot.PNG": png(60)
    }  # fmt: skip
    assert "Pictures" in titles(text)
    assert "2 pictures of earlier steps are left out." in text
    assert all(tag != "b" for tag, _ in Reader(text).found)


def test_pictures_without_room_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(page_pictures, "PICTURES", 2)
    monkeypatch.setattr(page_pictures, "LARGE", 1000)
    with assay.Run(tmp_path / "exp") as run:
        run.figure(png(0) + bytes(2000), "large")
        for name in "gone", "damaged", "a", "b", "c":
            run.figure(png(1), name)
    folder = tmp_path / "exp" / "figures"
    (folder / "gone.png").unlink()
    (folder / "damaged.png").write_bytes(b"<svg onload=alert(1)>")
    text = page(tmp_path / "exp")
    assert [*images(text)] == ["a", "b"]
    assert "large (0.0 MiB), gone (cannot be read: No such file or directory), damaged" in text
    assert "damaged (neither PNG nor JPEG), c (there is room for 2 pictures of 12 MiB)." in text


def test_all_pictures_share_the_room(tmp_path, monkeypatch):
    monkeypatch.setattr(page_pictures, "ROOM", 2 * len(png(1)))
    with assay.Run(tmp_path / "exp") as run:
        for name in "abc":
            run.figure(png(1), name)
    text = page(tmp_path / "exp")
    assert [*images(text)] == ["a", "b"]
    assert "c (there is room for " in text


def test_settings_that_make_no_table_are_named(tmp_path):
    runs = []
    for i in range(50):
        about = {**HEAD, "name": f"r{i}", "params": {"seed": i, "host": f"h{i}", "rank": i % 3}}
        runs.append(write_journal(tmp_path / f"{i}", about, metric("f1"), points(0, 1, f1=i), END))
    text = page(runs)
    assert drawn(text) == ["f1 by rank"]
    told = "Settings that differ and are left out: seed (50 levels), host (50 levels)."
    assert told in text
    assert "host (another text in each)" in page(runs[:5])
    (only,) = [t for t in Reader(page(runs[:2])).texts if "left out" in t]  # and nothing drawn
    assert "host (another text in each)" in only


def test_a_factor_within_a_stage_is_named(tmp_path):
    with assay.Run(tmp_path / "exp") as run:
        for fold in 1, 2:
            run.log({"val_macro_f1": 0.5}, stage="baseline", fold=fold)
        for model in "ab":
            run.log({"val_macro_f1": 0.25}, stage="prune", model=model)
    assert "left out: model (no one val_macro_f1 for each level)." in page(tmp_path / "exp")


def test_diagrams_that_are_not_drawn_are_counted(tmp_path):
    with assay.Run(tmp_path / "exp") as run:
        for number in range(8):
            run.histogram(np.linspace(1, 2, 9), f"part{number}_ms")
            for at in "0.3", "0.5":
                run.log({f"f1_{number}": 0.5}, threshold=at)
                run.log({"f1": 0.5}, threshold=at, stage=f"s{number}")
        for fold in 1, 2:
            values = {f"metric{number}_f1": 0.5 for number in range(13)}
            run.log({**values, "val_macro_f1": 0.5, "epoch_time_s": 90.0}, step=1, fold=fold)
    text = page(tmp_path / "exp")
    for told in (
        "2 further histograms are not drawn.",
        "2 further metrics by threshold are not drawn.",
        "Thresholds of 3 further runs, stages or folds are not drawn.",
        "Not within 0..1, and so not drawn: epoch_time_s.",
        "2 further metrics of folds are not drawn.",
    ):
        assert told in text, told


@pytest.mark.parametrize(
    ("values", "name", "told"),
    [
        ({"0.3": 0.9, "0.6": 0.9, "0.4": 0.9, "0.9": 0.1}, "macro_f1", "threshold 0.4"),
        ({"0.3": "NaN", "0.6": 0.5}, "macro_f1", "threshold 0.6"),
        ({"0.3": 0.5, "0.6": 0.25}, "wer", "threshold 0.6"),
    ],
)
def test_the_best_threshold_is_the_one_of_the_library(tmp_path, values, name, told):
    lines = [HEAD]
    for at, value in values.items():
        lines += [metric(f"{at}/{name}", name=name, tags={"threshold": at})]
        lines += [points(0, 1, **{f"{at}/{name}": value})]
    text = page(write_journal(tmp_path / "x", *lines, END))
    assert f"best {name}: {told}" in text


def test_times_of_other_devices_are_not_held_against_each_other(tmp_path):
    def of(device):
        with assay.Run(tmp_path / device) as run:
            for stage, own in ("baseline", "cpu"), ("quant", device):
                run.log_params({"device": own, "threads": 1, "batch": 1}, stage=stage)
                values = {"macro_f1": 0.5, "size_mb": 2.0, "ms_per_sample": 1.0}
                run.log({**values, "accuracy": 0.25}, stage=stage)
        return page(tmp_path / device)

    alike, unlike = of("cpu"), of("cuda")
    assert "Macro F1 against Speed (ms)" in drawn(alike)
    assert "Macro F1 against Speed (ms)" not in drawn(unlike)
    assert "conditions differ" not in alike
    assert "Speed (ms), conditions differ" in unlike


def test_a_metric_is_found_as_it_was_logged(tmp_path):
    for name, values in ("a", (0.9, 0.1)), ("b", (0.1, 0.9)):
        with assay.Run(tmp_path / name) as run:
            run.log({"accuracy": values[0], "recall@10": values[1]})
    both = [tmp_path / name for name in "ab"]
    for called in "recall@10", "recall_at_10":
        cards = [t for t in Reader(page(both, metric=called)).texts if t in ("accuracy", KEY)]
        assert cards[0] == KEY
