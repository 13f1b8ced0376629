"""The one exception that means: the user's input has to change."""

from __future__ import annotations


class InputError(ValueError):
    """Something a user wrote (a file, a formula, a name, a number) cannot be used.

    The message is one line: where it is, what is wrong, and what would be right. The command line
    prints it and exits with code 2.
    """
