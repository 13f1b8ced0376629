"""Changes of what is claimed: constants, regions, the ellipsoid, names."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from benchmarks.mutators import Mutator, Subject, last_bit, near_one, need, number_of, spelled
from systems.json_data import quotient

FACTORS = (1 + Fraction(1, 2**52), Fraction(1001, 1000), Fraction(21, 20), Fraction(3))
MOVES = (Fraction(1, 2**60), Fraction(1, 10**6), Fraction(1, 50), Fraction(1, 3))


def _constant(name: str, raised: bool) -> Mutator:
    def change(s: Subject) -> str:
        old = s.statement["constants"][name]
        need(old is not None)
        factor = s.random.choice(FACTORS) if s.random.random() < 0.5 else near_one(s.random)
        factor = factor if raised else 1 / factor
        s.statement["constants"][name] = quotient(Fraction(old) * factor)
        return f"{name} times {float(factor):.6g}"

    return change


def _constant_dropped(s: Subject) -> str:
    there = [k for k, v in s.statement["constants"].items() if v is not None]
    name = s.random.choice(there)
    s.statement["constants"][name] = None
    return f"{name} is null"


def _constant_added(s: Subject) -> str:
    missing = [k for k, v in s.statement["constants"].items() if v is None]
    need(missing)
    name = s.random.choice(missing)
    s.statement["constants"][name] = s.random.choice(["1/10", "1/1000", "1/1"])
    return f"{name} is there"


def _constants_swapped(s: Subject) -> str:
    there = [k for k, v in s.statement["constants"].items() if v is not None]
    a, b = s.random.sample(there, 2)
    table = s.statement["constants"]
    table[a], table[b] = table[b], table[a]
    return f"{a} and {b} swapped"


def _equilibrium_moved(s: Subject) -> str:
    axis = s.random.randrange(len(s.statement["equilibrium"]))
    low, high = map(Fraction, s.statement["domain"][axis])
    move = s.random.choice(MOVES) * (high - low) * s.random.choice((1, -1))
    s.statement["equilibrium"][axis] = quotient(Fraction(s.statement["equilibrium"][axis]) + move)
    return f"x*_{axis + 1} moved by {float(move):.3g}"


def _side(outwards: bool, sides: Callable[[Subject], list[list[str]]]) -> Mutator:
    def change(s: Subject) -> str:
        found = sides(s)
        need(found)
        axis, end = s.random.randrange(len(found)), s.random.randrange(2)
        low, high = map(Fraction, found[axis])
        move = s.random.choice(MOVES) * (high - low)
        if outwards == (end == 0):
            move = -move
        found[axis][end] = quotient(Fraction(found[axis][end]) + move)
        return f"end {end} of side {axis + 1} moved by {float(move):.3g}"

    return change


def _disturbance_sides(s: Subject) -> list[list[str]]:
    return [d["range"] for d in s.statement["system"]["disturbances"]]


def _ellipsoid(name: str, change: Callable[[Subject, list[list[str]]], str]) -> Mutator:
    def mutate(s: Subject) -> str:
        need(s.statement["ellipsoid"])
        return change(s, s.statement["ellipsoid"][name])

    return mutate


def _entry(s: Subject, M: list[list[str]], symmetric: bool, factor: Fraction | None) -> str:
    i, j = s.random.randrange(len(M)), s.random.randrange(len(M))
    old = number_of(M[i][j])
    new = last_bit(old, s.random.random() < 0.5) if factor is None else _as_float(old * factor)
    M[i][j] = spelled(new)
    if symmetric:
        M[j][i] = M[i][j]
    return f"entry {i + 1}, {j + 1}: {float(old):.6g} -> {float(new):.6g}"


def _as_float(value: Fraction) -> Fraction:
    return Fraction(float(value))


def _indefinite(s: Subject, P: list[list[str]]) -> str:
    i = s.random.randrange(len(P))
    if len(P) > 1 and s.random.random() < 0.5:
        j = (i + 1) % len(P)
        P[i][j] = P[j][i] = float(2 * (number_of(P[i][i]) + number_of(P[j][j]))).hex()
        return f"entry {i + 1}, {j + 1} larger than the diagonal allows"
    P[i][i] = float(-number_of(P[i][i])).hex()
    return f"the sign of entry {i + 1}, {i + 1}"


def _asymmetric(s: Subject, P: list[list[str]]) -> str:
    need(len(P) > 1)
    P[0][1] = spelled(last_bit(number_of(P[0][1]), True))
    return "one of two equal entries, last bit"


def _row_zero(s: Subject, R: list[list[str]]) -> str:
    i = s.random.randrange(len(R))
    R[i] = [(0.0).hex()] * len(R)
    return f"row {i + 1} is zero"


def _theorem(s: Subject) -> str:
    names = {"asymptotic stability", "exponential stability", "practical stability"}
    names |= {"local stability", "set-point convergence"}
    s.statement["theorem"] = s.random.choice(sorted(names - {s.statement["theorem"]}))
    return str(s.statement["theorem"])


def _time(s: Subject) -> str:
    system = s.statement["system"]
    system["time"] = "discrete" if system["time"] == "continuous" else "continuous"
    return str(system["time"])


def _renamed(s: Subject) -> str:
    kind = s.random.choice(["states", "inputs", "disturbances"])
    rows = s.statement["system"][kind]
    need(rows)
    row, key = s.random.choice(rows), s.random.choice(["name", "unit"])
    row[key] += s.random.choice(["2", "'", " x"])
    return f"{kind}: {key} {row[key]!r}"


def _signal_dropped(s: Subject) -> str:
    kind = s.random.choice(["states", "inputs", "disturbances"])
    rows = s.statement["system"][kind]
    need(rows)
    rows.pop(s.random.randrange(len(rows)))
    return f"{kind}: one fewer"


def _unsafe_dropped(s: Subject) -> str:
    need(s.statement["unsafe"])
    s.statement["unsafe"].pop()
    return "the last unsafe set is gone"


def _unsafe_added(s: Subject) -> str:
    others = [u for b in s.others for u in b.document["statement"]["unsafe"]]
    need(others)
    chosen = s.random.choice(others)
    programs = {k: v for b in s.others for k, v in b.document["programs"].items()}
    s.document["programs"][chosen["tape"]["program"]] = programs[chosen["tape"]["program"]]
    s.statement["unsafe"].append({**chosen, "name": f"another {len(s.statement['unsafe'])}"})
    return "one more unsafe set"


STATEMENT: dict[str, Mutator] = {
    **{
        f"{name} {'raised' if raised else 'lowered'}": _constant(name, raised)
        for name in ("c1", "c2", "mu", "alpha", "epsilon", "core", "c_q")
        for raised in (True, False)
    },
    "a constant dropped": _constant_dropped,
    "a constant added": _constant_added,
    "two constants swapped": _constants_swapped,
    "equilibrium moved": _equilibrium_moved,
    "domain enlarged": _side(True, lambda s: s.statement["domain"]),
    "domain shrunk": _side(False, lambda s: s.statement["domain"]),
    "disturbance range enlarged": _side(True, _disturbance_sides),
    "disturbance range shrunk": _side(False, _disturbance_sides),
    "P, last bit": _ellipsoid("P", lambda s, M: _entry(s, M, True, None)),
    "P, an entry": _ellipsoid(
        "P", lambda s, M: _entry(s, M, True, s.random.choice((Fraction(9, 10), Fraction(3, 2))))
    ),
    "P made indefinite": _ellipsoid("P", _indefinite),
    "P made asymmetric": _ellipsoid("P", _asymmetric),
    "R, an entry": _ellipsoid(
        "R", lambda s, M: _entry(s, M, False, s.random.choice((Fraction(-1), Fraction(9, 10))))
    ),
    "R, a row of zeros": _ellipsoid("R", _row_zero),
    "theorem renamed": _theorem,
    "time renamed": _time,
    "a state, input or disturbance renamed": _renamed,
    "a state, input or disturbance dropped": _signal_dropped,
    "an unsafe set dropped": _unsafe_dropped,
    "an unsafe set added": _unsafe_added,
}  # fmt: skip
