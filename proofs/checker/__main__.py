"""``python -m proofs.checker CERTIFICATE``: 0 valid, 1 invalid, 2 unreadable or misused."""

from __future__ import annotations

import sys

from . import check_file
from .parallel import work

USAGE = "usage: python -m proofs.checker [--jobs N] CERTIFICATE"
EXIT = {"valid": 0, "invalid": 1, "unreadable": 2}


def main(arguments: list[str]) -> int:
    if len(arguments) == 2 and arguments[0] == "--share":
        return work(arguments[1])
    jobs = None
    if len(arguments) == 3 and arguments[0] == "--jobs" and arguments[1].isdecimal():
        jobs, arguments = max(1, int(arguments[1])), arguments[2:]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    outcome = check_file(arguments[0], jobs)
    for line in outcome.words:
        print(line)
    if outcome.claim_hash:
        print(f"claim        sha256 {outcome.claim_hash}")
    if outcome.status == "valid":
        rate = f"{outcome.leaves:,} leaves rechecked in ball arithmetic, {outcome.seconds:.1f} s"
        print(f"valid: {rate}")
    else:
        print(f"{outcome.status}: {outcome.message}", file=sys.stderr)
    return EXIT[outcome.status]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
