"""Tables whose cells are never cut."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def plain_table(*titles: str) -> Table:
    """Return a table without lines, whose cells are folded where the terminal is narrow."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def print_table(table: Table, console: Console) -> None:
    """Print a table; where there is no terminal, in lines as long as it needs."""
    if not console.is_terminal:
        # Folded into 80 columns, a table in a log file could not be searched.
        wide = console.options.update(max_width=100_000)
        console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)
