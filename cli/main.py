"""``stableproof``: the commands by name, imported when they are called, and how errors end."""

from __future__ import annotations

import difflib
import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from cli.errors import INTERRUPTED, USAGE, OutputLostError, StoppedByUserError
from cli.output import note, survive_any_encoding
from cli.wording import in_options

COMMANDS = {
    "systems": ("cli.commands.systems", "List the systems of the zoo, or tell about one."),
    "train": ("cli.commands.train", "Train a controller; nothing is proved yet."),
    "certify": ("cli.commands.certify", "Prove a trained candidate, or refute it."),
    "run": ("cli.commands.run", "Train, prove, repair by counterexamples; leave a certificate."),
    "simulate": ("cli.commands.simulate", "Close the loop with a candidate and simulate."),
    "show": ("cli.commands.show", "Tell what a run, candidate or certificate holds."),
    "check": ("cli.commands.check", "Recheck a certificate, trusting nothing of the prover."),
    "gate": ("cli.commands.gate", "Prove or re-check the claims of a file, for CI."),
    "report": ("cli.commands.report", "Write the report of a finished run anew."),
    "export": ("cli.commands.export", "Write files for other tools: SMT-LIB, ONNX, C and more."),
    "region": ("cli.commands.region", "Measure a proved region, beside the simulated one."),
    "backends": (
        "cli.commands.backends",
        "List the solvers: versions, soundness, what is missing.",
    ),
    "import": ("cli.commands.import_network", "Make a candidate of networks trained elsewhere."),
}
"""Name → (module, short help). The short help stands here so that listing imports nothing."""


class Commands(click.Group):
    """A group whose commands are imported one at a time, when they are wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command '{cmd_name}' ({hint})", ctx)
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise StoppedByUserError("interrupted") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from cli.output import say
        from cli.version import version

        say(f"stableproof {version()}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def cli() -> None:
    """Train controllers with Lyapunov functions, and prove that the closed loop is stable.

    Exit codes of run and certify: 0 proved, 1 refuted, 3 unknown. Of every command: 2 usage or
    input error, 130 Ctrl-C.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code. Errors become one line on standard error."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    survive_any_encoding()
    with warnings.catch_warnings():
        if not debug and not sys.warnoptions:
            warnings.simplefilter("ignore")  # a library's remark is no line for the user
        try:
            if not [a for a in arguments if a != "--debug"]:
                return _no_command()
            result = cli.main(
                arguments, prog_name="stableproof", standalone_mode=False, obj=arguments
            )
            return result if isinstance(result, int) else 0
        except Exception as error:
            return _ended(error, debug)
        except KeyboardInterrupt:
            return _ended(StoppedByUserError("interrupted"), debug)
        except SystemExit as error:  # click leaves so when its own output is cut off
            return 0 if error.code in (0, None) else USAGE


def _no_command() -> int:
    """Nothing was asked for: the help, on standard error, since standard output is for results."""
    with cli.make_context("stableproof", [], resilient_parsing=True) as context:
        note(cli.get_help(context))
    note("error: no command was given")
    return USAGE


def _ended(error: Exception, debug: bool) -> int:
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, StoppedByUserError | click.Abort):
        note(str(error) or "interrupted")
        return INTERRUPTED
    if debug:
        import traceback

        traceback.print_exception(error)
    note(f"error: {_message(error)}")
    return USAGE


def _message(error: Exception) -> str:
    """One line for the user: what is wrong, or that the program is."""
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message()) + _help_hint(error)
    from systems.errors import InputError

    if isinstance(error, InputError | OutputLostError):
        return in_options(_one_line(str(error)))
    name = type(error).__name__
    return f"unexpected {name}: {_one_line(str(error))} (a bug; --debug shows where it arose)"


def _help_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f" (try '{context.command_path} --help')" if context is not None else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main() -> NoReturn:
    """The console script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
