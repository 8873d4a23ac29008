"""What tests of the benchmark share: a case that takes no time, and whose figures are known."""

from case import Case, Goal
from gate import Contender, Took, Work
from timing import StopRule

ONCE = StopRule(min_rounds=1, max_rounds=1, slice_s=0.0)


def fake(value=1.0, *, truth=1.0, peers=None, **options):
    """A case whose contenders tell a fixed time and 3 MiB, and give a fixed value."""

    def contender(result, seconds):
        return lambda: Contender(
            lambda: Took(seconds, result, 3 << 20), lambda took: {"x": took.result}
        )

    work = Work(
        ours=contender(value, 0.001),
        truth=lambda: {"x": truth},
        floor=lambda: Took(0.0005, None),
        peers={"slow": contender(truth, 0.1)} if peers is None else peers,
    )
    options = {"goals": (Goal("faster", 80, 150, "slow"),), **options}
    return Case("fake", "", lambda n: work, "none", rule=ONCE, quick_rule=ONCE, **options)
