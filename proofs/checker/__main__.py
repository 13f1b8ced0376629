"""``python -m proofs.checker CERTIFICATE``: 0 valid, 1 invalid, 2 unreadable or misused."""

from __future__ import annotations

import sys

from . import check_file
from .parallel import work

USAGE = """usage: python -m proofs.checker [--jobs N] CERTIFICATE
exit 0 valid, 1 invalid, 2 unreadable"""
EXIT = {"valid": 0, "invalid": 1, "unreadable": 2}


def main(arguments: list[str]) -> int:
    if len(arguments) == 2 and arguments[0] == "--share":
        return work(arguments[1])
    if arguments in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    jobs = None
    if len(arguments) == 3 and arguments[0] == "--jobs" and arguments[1].isdecimal():
        jobs, arguments = int(arguments[1]), arguments[2:]
    if len(arguments) != 1 or arguments[0].startswith("-") or jobs == 0:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        outcome = check_file(arguments[0], jobs)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    for line in outcome.words:
        print(line)
    if outcome.words:
        print(f"claim        sha256 {outcome.claim_hash}")
    if outcome.status == "valid":
        rate = f"{outcome.leaves:,} leaves rechecked in ball arithmetic, {outcome.seconds:.1f} s"
        print(f"valid: {rate}")
    else:
        print(f"{outcome.status}: {outcome.message}", file=sys.stderr)
    return EXIT[outcome.status]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
