"""jiwer's command line: `python -m assay.compat.jiwer.cli -r reference.txt -h hypothesis.txt`.

Options, output and exit codes (2 for a wrong command, 1 with the traceback for what fails later)
are jiwer's, the surprising part included: lines of fewer than two characters, once stripped, are
dropped in each file on its own, so one-character lines vanish and pairs may shift.
`assay score transcripts` keeps every line.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from assay.compat import jiwer

__all__ = ["cli"]


def cli(args: Sequence[str] | None = None, prog_name: str | None = None) -> NoReturn:
    """Print the error rate, or the alignment, of two text files with one sentence a line.

    args: instead of the command line's. Ends the process, as jiwer's does.
    """
    parser = argparse.ArgumentParser(
        prog_name,
        description="Word or character error rate of two text files with one sentence a line.",
        epilog="Both files need the same number of lines unless -g is given.",
        add_help=False,  # -h is the hypothesis
        allow_abbrev=False,
    )
    parser.add_argument(
        "-r", "--reference", type=Path, required=True, metavar="PATH", help="file of references"
    )
    parser.add_argument(
        "-h", "--hypothesis", type=Path, required=True, metavar="PATH", help="file of hypotheses"
    )
    parser.add_argument("-c", "--cer", action="store_true", help="characters instead of words")
    parser.add_argument("-a", "--align", action="store_true", help="print every alignment")
    parser.add_argument(
        "-g",
        "--global",
        dest="contiguous",
        action="store_true",
        help="align each file as one sentence",
    )
    parser.add_argument("--help", action="help", help="show this message and exit")
    options = parser.parse_args(args)
    output = _compare(options.reference, options.hypothesis, options.cer, options.contiguous)
    if options.align:
        print(jiwer.visualize_alignment(output), end="")
    else:
        print(output.cer if isinstance(output, jiwer.CharacterOutput) else output.wer)
    parser.exit()


def _compare(
    reference_file: Path, hypothesis_file: Path, chars: bool, contiguous: bool
) -> jiwer.WordOutput | jiwer.CharacterOutput:
    references, hypotheses = _lines(reference_file), _lines(hypothesis_file)
    if not contiguous and len(references) != len(hypotheses):
        raise ValueError(
            f"Number of reference sentences ({len(references)} in '{reference_file}') and "
            f"hypothesis sentences ({len(hypotheses)} in '{hypothesis_file}') do not match! "
            "Use the `--global` flag to compute the measures over a global alignment of the "
            "reference and hypothesis sentences."
        )
    if chars:
        chain = jiwer.cer_contiguous if contiguous else jiwer.cer_default
        return jiwer.process_characters(references, hypotheses, chain, chain)
    chain = jiwer.wer_contiguous if contiguous else jiwer.wer_default
    return jiwer.process_words(references, hypotheses, chain, chain)


def _lines(path: Path) -> list[str]:
    with path.open() as file:
        return [line for line in map(str.strip, file) if len(line) > 1]


if __name__ == "__main__":
    cli()
