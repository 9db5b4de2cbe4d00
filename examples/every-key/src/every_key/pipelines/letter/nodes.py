"""Nodes that count words."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any


def split_words(letter: str, reading: dict[str, Any]) -> list[str]:
    """Split the letter into words, in lower case.

    Args:
        letter: The letter.
        reading: How many letters the shortest word has, and the words to leave out.
    """
    words = re.findall(r"\w+", letter.lower())
    return [
        word
        for word in words
        if len(word) >= reading["shortest"] and word not in reading["leave_out"]
    ]


def count_words(words: list[str]) -> dict[str, int]:
    """Count how often each word occurs."""
    return dict(Counter(words))


def measure_words(words: list[str]) -> dict[str, int]:
    """Find the length of the shortest and of the longest word."""
    lengths = [len(word) for word in words]
    return {"shortest": min(lengths), "longest": max(lengths)}


def write_report(
    counts: dict[str, int], lengths: dict[str, int], env: str, ds: str, prev_ds: str
) -> str:
    """Report the most frequent word, and the parameters from Airflow.

    Args:
        counts: How often each word occurs.
        lengths: The lengths of the shortest and the longest word.
        env: The Airflow variable with this name.
        ds: The date of the run.
        prev_ds: The date of the previous run.
    """
    word = max(sorted(counts), key=counts.__getitem__)
    return (
        f"'{word}' comes {counts[word]} times; words have {lengths['shortest']} to "
        f"{lengths['longest']} letters.\n"
        f"Environment {env}, day {ds}, day before {prev_ds}.\n"
    )
