"""
What a case found: rows, the budget, and whether it holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Budget", "Table"]


@dataclass(frozen=True)
class Budget:
    """
    A promise, and what was measured.

    Args:
        promise: Who promises what, without the figure.

        measured: The figure of this run.

        limit: The most it may be; with *at_least*, the least.

        unit: Written behind both.
    """

    promise: str
    measured: float
    limit: float
    unit: str = "×"
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """
        Whether it was kept in this run.
        """
        if self.at_least:
            return self.measured >= self.limit
        return self.measured <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return (
            f"Budget: {self.promise} {sign} {self.limit:g} {self.unit};"
            f" measured {self.measured:.2f} {self.unit}: {verdict}."
        )


@dataclass
class Table:
    """
    One table of results; all cells are text.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    budgets: list[Budget] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """
        The table for a README.
        """
        lines = [
            f"### {self.title}",
            "",
            f"| {' | '.join(self.columns)} |",
            f"|---|{'--:|' * (len(self.columns) - 1)}",
            *(f"| {' | '.join(row)} |" for row in self.rows),
            "",
            *(f"* {budget}" for budget in self.budgets),
            *(f"* {note}" for note in self.notes),
        ]
        return "\n".join(lines).rstrip() + "\n"

    def show(self) -> None:
        """
        Print the table for people.
        """
        # not on top: the processes that measure load this module, not rich
        from rich.console import Console
        from rich.table import Table as Drawn

        drawn = Drawn(title=self.title, title_justify="left")
        for number, column in enumerate(self.columns):
            if number:
                drawn.add_column(column, justify="right")
            else:
                drawn.add_column(column, min_width=24)
        for name, *cells in self.rows:
            drawn.add_row(name.replace("**", ""), *cells)
        console = Console()
        if not console.is_terminal:  # a file or pipe has no width to keep to
            console.width = 240
        console.print(drawn)
        for budget in self.budgets:
            style = "green" if budget.holds else "bold red"
            console.print(str(budget), style=style, highlight=False)
        for note in self.notes:
            console.print(note, style="dim", highlight=False)
        console.print()
