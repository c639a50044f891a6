"""``ipybox plugins``: list the plugins that were found, and whether they work."""

from __future__ import annotations

import dataclasses
import json

import typer

from ipybox.cli.options import JsonOption
from ipybox.plugins.registry import PluginReport, registry


def plugins(
    as_json: JsonOption = False,
) -> None:
    """List the installed plugins, what each one provides, and any problems."""
    reports = registry().reports
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(report) for report in reports], indent=2))
    else:
        _print(reports)


def _print(reports: list[PluginReport]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("plugin", "distribution", "status", "provides", "problems")
    for report in reports:
        table.add_row(
            escape(report.name),
            f"{report.distribution} {report.version}",
            report.status,
            escape("\n".join(report.provides)),
            escape("\n".join(report.problems)),
        )
    Console().print(table)
