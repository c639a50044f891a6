"""The ``ipybox`` application, with all its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from ipybox import __version__
from ipybox.cli import build, cleanup, doctor, images, logs, plugins, ps, rm, run, shell

app = typer.Typer(
    help="Run untrusted Python statefully, wherever there is a container engine.",
    no_args_is_help=True,
    add_completion=False,
    # Local variables hold tokens and values of environment variables.
    pretty_exceptions_show_locals=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"ipybox {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version of ipybox and exit.",
        ),
    ] = False,
) -> None:
    """Declare the options that come before the command."""


app.command("run")(run.run)
app.command("shell")(shell.shell)
app.command("doctor")(doctor.doctor)
app.command("plugins")(plugins.plugins)
app.command("build")(build.build)
app.command("images")(images.images)
app.command("ps")(ps.ps)
app.command("logs")(logs.logs)
app.command("rm")(rm.rm)
app.command("cleanup")(cleanup.cleanup)
