"""What is written to the terminal: answers, and what there is to say of them."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def tell_warnings(file: str, count: int) -> None:
    """Says that a file has warnings, and how to see them."""
    words = f"{count} {'warning' if count == 1 else 'warnings'}"
    err.print(f"{file}: {words}; 'branchline check' tells them", markup=False)
