"""What the tests of the readers share."""

from assay.readers import read


def rows(*args, **options):
    """All rows of a source as tuples."""
    return [
        row
        for batch in read(*args, **options)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
