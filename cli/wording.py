"""Messages of the library, in the words of the command line."""

from __future__ import annotations

OPTIONS = "--initial-gain or --initial-policy"

WORDS = (
    ('use activation="tanh"', "use --activation tanh"),
    ('use optimizer="lbfgs"', "use --optimizer lbfgs"),
    ("give initial_gain or initial_policy, not both", f"give {OPTIONS}, not both"),
    ("give an initial policy", f"give an initial policy ({OPTIONS}, of all learners but lqr)"),
    ("give another initial policy", f"give another initial policy ({OPTIONS})"),
    ("stabilising policy to start from", f"stabilising policy to start from ({OPTIONS})"),
    ("the initial gain must", "the gain of --initial-gain must"),
)
"""What a learner says of its arguments, and what a user of the commands can do instead."""


def in_options(message: str) -> str:
    """A message with the arguments in it replaced by the options that set them."""
    for said, meant in WORDS:
        message = message.replace(said, meant)
    return message
