"""The pairs that the tests of `assay score transcripts` start from."""

import random

COLUMNS = ("--reference", "text", "--hypothesis", "pred")


def made():
    """300 pairs, some equal, some empty on a side, some not ASCII; speakers, some unknown."""
    rng = random.Random(7)
    words = ["the", "cat", "sat", "on", "a", "mat", "été", "日本", "don't", "x", "नमस्ते", "<unk>"]

    def pair(i):
        said = rng.choices(words, k=rng.choice([0, 1, 5, 12]))
        heard = [w for w in said if rng.random() > 0.1]
        heard = [rng.choice(words) if rng.random() < 0.2 else w for w in heard]
        heard += rng.choices(words, k=rng.choice([0, 0, 0, 2]))
        speaker = rng.choice(["ann", "bo b", "c,d", None])
        return {
            "id": f"u{i:03}",
            "text": " ".join(said),
            "pred": " ".join(heard),
            "speaker": speaker,
            "take": i % 2,
        }

    return [pair(i) for i in range(300)]


ROWS = made()
