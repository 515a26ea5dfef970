"""A `--help` whose options stand in groups, for a command that has dozens of them.

In: the titles and the options under each. Out: a class for `app.command(cls=…)`. Next: build.py. Typer groups options by itself only in
its rich mode, which would cost every command the import of rich.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperCommand


def grouped(groups: Mapping[str, Sequence[str]]) -> type[TyperCommand]:
    """The command class. `groups`: {title: option names without dashes}, in order; what no group names stands last, under "Options"."""

    class Grouped(TyperCommand):
        def format_options(self, ctx: Any, formatter: Any) -> None:
            """Write the arguments, then the groups."""
            titles = {name: title for title, names in groups.items() for name in names}
            sections: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Arguments", *groups, "Options")}
            for parameter in self.get_params(ctx):
                record = parameter.get_help_record(ctx)
                if record is None:
                    continue
                if parameter.param_type_name == "argument":
                    sections["Arguments"].append((parameter.metavar or record[0], record[1]))  # without the type that typer adds
                else:
                    name = max(parameter.opts, key=len).lstrip("-")
                    sections[titles.get(name, "Options")].append(record)
            for title, records in sections.items():
                if records:
                    with formatter.section(title):
                        formatter.write_dl(records)

    return Grouped


__all__ = ["grouped"]
