"""Your own system, from a TOML file: train a controller, prove it stable, keep the certificate.

Usage: python examples/own_system.py [FILE.toml [CERTIFICATE.json]]
"""

from __future__ import annotations

import sys
from pathlib import Path

from certify import Budget, Proved, Refuted, Unknown
from learners import ElmPolicyIteration, refine
from proofs.certificate import certificate_of, save_certificate
from systems import InputError, read_system

DEFAULT = Path(__file__).with_name("magnetic_levitation.toml")


def main(path: Path, certificate: Path | None) -> int:
    system = read_system(path)
    print(f"{system.name}: {system.description}")
    learner = ElmPolicyIteration(neurons=100, seed=0)
    for attempt in refine(system, learner, rounds=10, budget=Budget(seconds=60)):
        print(f"  round {attempt.round}: {attempt.neurons} neurons, {attempt.result.boxes} boxes")
    match attempt.conclusion:
        case Proved():
            result = attempt.result
            assert result.theorem is not None and result.paving is not None
            c2, volume = float(result.theorem.constants.c2), result.paving.volume
            print(f"  proved for every start with V(x) <= {c2:g}, a region of volume {volume:.4g}")
            if certificate is not None:
                save_certificate(certificate_of(result), certificate)
                print(f"  certificate: {certificate}")
            return 0
        case Refuted(counterexample):
            print(f'  refuted: "{counterexample.condition}" fails at {counterexample.point}')
            return 1
        case Unknown(reason):
            print(f"  open: {reason}")
            return 3
    raise AssertionError("the last round has a conclusion")


if __name__ == "__main__":
    arguments = [Path(a) for a in sys.argv[1:]] or [DEFAULT]
    try:
        sys.exit(main(arguments[0], arguments[1] if len(arguments) > 1 else None))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
