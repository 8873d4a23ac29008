"""Cases of captions."""

import captions
from case import RARE, Case, Goal

__all__ = ["CASES"]

CASES = [
    Case(
        f"caption_{name}",
        f"{what}, n items of five references of about twelve words, lists of str",
        build,
        "join and encode all lists, read the bytes once",
        (Goal("faster", bound, None, peer),),
        size=50_000,
        quick=2_000,
        tolerance=1e-9,
        rule=RARE,
    )
    for name, what, build, peer, bound in (
        ("bleu", "corpus BLEU, tokeniser 13a", captions.bleu, "sacrebleu", 15),
        ("bleu_nltk", "corpus BLEU; nltk from lists of words", captions.bleu_nltk, "nltk", 60),
        ("chrf", "corpus chrF", captions.chrf, "sacrebleu", 20),
        ("rouge_l", "ROUGE-L", captions.rouge_l, "pycocoevalcap", 60),
        ("cider", "CIDEr-D and its document frequencies", captions.cider, "pycocoevalcap", 40),
        ("meteor", "METEOR, exact and stem; nltk from lists", captions.meteor, "nltk", 30),
        ("ter", "corpus TER", captions.ter, "sacrebleu", 10),
    )
]
