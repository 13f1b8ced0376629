"""``stableproof gate``: every claim of a file, for CI."""

from __future__ import annotations

import click

from cli.options import common


@click.command("gate")
@click.argument("file", type=click.Path())
@click.option(
    "--update-baseline",
    is_flag=True,
    help="Write the certificates of proved claims over their baselines; compare with none.",
)
@common
def command(file: str, as_json: bool, update_baseline: bool) -> int:
    """Prove the claims of FILE (TOML), or re-check their certificates.

    An unchanged claim is re-checked in seconds. Leaves certificates, JUnit XML, SARIF and a summary
    in the folder that FILE names. Exit codes: 0 all proved; 2 something could not be read; 1 a
    claim is refuted, its certificate rejected, or its region too small; 3 a claim is unknown.
    """
    from cli.gate.file import read_gate
    from cli.gate.run import run_gate

    return run_gate(read_gate(file), as_json=as_json, updating=update_baseline)
