"""Exceptions with a meaning of their own: the input has to change, or the tool."""

from __future__ import annotations


class InputError(ValueError):
    """Something a user wrote (a file, a formula, a name, a number) cannot be used.

    The message is one line: where it is, what is wrong, and what would be right. The command line
    prints it and exits with code 2.
    """


class UnsupportedExpression(ValueError):  # noqa: N818, the name that callers know it by
    """A tool or format cannot take an operation: names both; nothing is dropped silently."""

    def __init__(self, operation: str, tool: str, why: str = "") -> None:
        self.operation, self.tool = operation, tool
        super().__init__(f"{tool} cannot take {operation}{': ' + why if why else ''}")
