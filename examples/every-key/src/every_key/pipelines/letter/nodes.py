"""Nodes that count words."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any


def split_words(letter: str, reading: dict[str, Any]) -> list[str]:
    """Take the words of the letter one by one, in lower case.

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
    """Count how often each word comes."""
    return dict(Counter(words))


def measure_words(words: list[str]) -> dict[str, int]:
    """Find the length of the shortest and of the longest word."""
    lengths = [len(word) for word in words]
    return {"shortest": min(lengths), "longest": max(lengths)}


def write_report(
    counts: dict[str, int], lengths: dict[str, int], env: str, ds: str, prev_ds: str
) -> str:
    """Tell the most frequent word, and what Airflow said about the run.

    Args:
        counts: How often each word comes.
        lengths: The lengths of the shortest and the longest word.
        env: The Airflow variable of that name.
        ds: The day the run stands for.
        prev_ds: The day the run before stood for.
    """
    word = max(sorted(counts), key=counts.__getitem__)
    return (
        f"'{word}' comes {counts[word]} times; words have {lengths['shortest']} to "
        f"{lengths['longest']} letters.\n"
        f"Environment {env}, day {ds}, day before {prev_ds}.\n"
    )
