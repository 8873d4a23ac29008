"""The cases as tables: what is compared, at which size, over which floor, and what must be met."""

import cases_captions
import cases_corpora
import cases_labels
import cases_probe
import cases_rankings
import cases_runs
import cases_transcripts

__all__ = ["CASES", "SUBJECTS"]

SUBJECTS = {
    "Transcripts": cases_transcripts.CASES,
    "Rankings": cases_rankings.CASES,
    "Labels, scores and meters": cases_labels.CASES,
    "Timers and samplers": cases_probe.CASES,
    "Captions": cases_captions.CASES,
    "Runs and reports": cases_runs.CASES,
    "The command line and large corpora": cases_corpora.CASES,
}
CASES = [case for own in SUBJECTS.values() for case in own]
