"""COCO captions: annotations and results, joined by image."""

import gzip
import json
import pickle

import pytest

from assay.core.errors import DataError, InputError
from assay.readers import coco, read
from readers_kit import rows

ANNOTATIONS = {
    "info": {"year": 2014},
    "images": [{"id": 9}, {"id": 4}],
    "annotations": [
        {"image_id": 9, "id": 1, "caption": "A dog."},
        {"image_id": 4, "id": 2, "caption": "日本"},
        {"image_id": 9, "id": 3, "caption": "The dog"},
    ],
}
RESULTS = [{"image_id": 4, "caption": "x"}, {"image_id": 9, "caption": "a dog"}]
EXPECTED = [(["A dog.", "The dog"], "a dog", 9), (["日本"], "x", 4)]


def written(folder, annotations=ANNOTATIONS, results=RESULTS):
    paths = [folder / "captions.json", folder / "results.json"]
    for path, data in zip(paths, (annotations, results), strict=True):
        path.write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")
    return paths


def coco_rows(paths, keep="image_id"):
    return rows(paths, "hypothesis", keep, lists="references", format="coco")


def test_images_in_the_order_of_annotations(tmp_path):
    assert coco_rows(written(tmp_path)) == EXPECTED
    source = read(written(tmp_path), "said", lists="refs", format="coco")
    assert next(iter(pickle.loads(pickle.dumps(source)))).schema.names == ["refs", "said"]
    part = source.parts()[0]
    (batch,) = source.batches(part)
    assert batch.where(1) == f"{tmp_path}/results.json: image_id 4"
    assert batch.consumed == part.size


def test_compressed_and_with_a_byte_order_mark(tmp_path):
    paths = written(tmp_path)
    packed = tmp_path / "captions.json.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + paths[0].read_bytes()))
    assert coco_rows([packed, paths[1]]) == EXPECTED


def test_ids_are_compared_as_text(tmp_path):
    results = [{"image_id": "9", "caption": "a dog"}, {"image_id": 4, "caption": "x"}]
    assert coco_rows(written(tmp_path, results=results)) == EXPECTED
    huge = {"annotations": [{"image_id": 10**30, "caption": "a"}]}
    results = [{"image_id": 10**30, "caption": "b"}]
    assert coco_rows(written(tmp_path, huge, results)) == [(["a"], "b", str(10**30))]


def entry(**change):
    return {"annotations": [{"image_id": 9, "caption": "a", **change}]}


BAD = {
    "twice": ({"results": [*RESULTS, RESULTS[0]]},
              r"results.json: result\[2\]: image_id 4 has a result at result\[0\] already"),
    "no result": ({"results": RESULTS[:1]},
                  r"results.json: 1 images of .* have no result \('9'\), 0 results no annotation"),
    "unknown image": ({"results": [*RESULTS, {"image_id": 7, "caption": ""}]},
                      r"0 images of .* have no result \(\), 1 results no annotation \('7'\)"),
    "swapped": ({"annotations": RESULTS, "results": ANNOTATIONS},
                r'captions.json: expected an object with an array "annotations"'),
    "results in an object": ({"results": {"annotations": RESULTS}},
                             "results.json: expected an array of results"),
    "cut short": ({"results": '[{"image_id": 4, "capt'},
                  "results.json: line 1, column 18: not JSON .*; was the file cut short"),
    "empty": ({"annotations": ""}, "captions.json: line 1, column 1: not JSON"),
    "deep": ({"results": "[" * 100_000}, "results.json: not JSON"),
    "not UTF-8": ({"results": "x"}, "results.json: line 1"),
    "no caption": ({"annotations": entry(caption=None)},
                   r"captions.json: annotations\[0\] must have an image_id .* and a caption"),
    "a number as caption": ({"annotations": entry(caption=3)}, r"annotations\[0\] must have"),
    "no id": ({"annotations": entry(image_id=None)}, r"annotations\[0\] must have"),
    "a boolean id": ({"annotations": entry(image_id=True)}, r"annotations\[0\] must have"),
    "no object": ({"annotations": {"annotations": [3]}}, r"annotations\[0\] must have .* got 3"),
    "half a character": ({"annotations": entry(caption="\ud800")},
                         r"annotations\[0\]: half a character is no text"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), BAD.values(), ids=BAD)
def test_bad_files_are_named(files, message, tmp_path):
    with pytest.raises(DataError, match=message):
        coco_rows(written(tmp_path, **files))


def test_files_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(coco, "RECORD_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"captions\.json: more than 1 MiB of JSON in one value"):
        coco_rows(written(tmp_path, annotations='"' + "x" * (1 << 20) + '"'))


def test_what_does_not_go_together(tmp_path):
    paths = written(tmp_path)
    with pytest.raises(InputError, match=r"a column of references .* got 0 and 2"):
        read(paths, format="coco")
    with pytest.raises(DataError, match="no column 'height'; there: 'image_id'"):
        coco_rows(paths, "height")
    with pytest.raises(DataError, match="COCO files come in twos; give the annotations, then"):
        rows(paths[0], "hypothesis", lists="references", format="coco")
