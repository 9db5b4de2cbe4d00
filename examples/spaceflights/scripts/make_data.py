"""Makes the raw data of this project: invented companies, shuttles and reviews.

The files look like something people typed into a form: percentages and prices are text, flags are
`t` and `f`, values are missing, and a few lines come twice. The same bytes come out each time.

    python scripts/make_data.py [FOLDER]
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

SEED = 20210805
COMPANIES = 240
SHUTTLES = 1_600
REVIEWS = 4_200

LOCATIONS = ("Ceres", "Europa", "Luna", "Mars", "Titan", "Vesta")
ENGINES = {"Ion": 1.0, "Plasma": 1.25, "Quantum": 1.6}
TYPES = {"Courier": 700, "Family": 950, "Freighter": 600, "Liner": 1_400, "Yacht": 2_300}

Row = Sequence[object]
Item = TypeVar("Item")


class Dice:
    """Draws from `Random.random` alone, the one method Python promises to keep reproducible."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        """Say whether something that happens with this probability happens now."""
        return self._random.random() < probability

    def number(self, low: int, high: int) -> int:
        """Draw an integer from `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, items: Sequence[Item]) -> Item:
        """Draw one of the items."""
        return items[self.number(0, len(items) - 1)]

    def noise(self, width: float) -> float:
        """Draw a number around zero, nearly bell-shaped, at most `width` away from it."""
        return width * (sum(self._random.random() for _ in range(4)) / 2 - 1)

    def or_missing(self, value: object, probability: float) -> object:
        """Lose the value with this probability."""
        return "" if self.chance(probability) else value


def flag(value: bool) -> str:
    """Write a truth value the way the form stores it."""
    return "t" if value else "f"


def make_companies(dice: Dice) -> tuple[list[Row], dict[int, int]]:
    """Make the companies, and say what each one's rating is (in percent) even if it is missing."""
    rows: list[Row] = []
    ratings: dict[int, int] = {}
    for number in range(COMPANIES):
        key = 1_000 + 7 * number
        ratings[key] = dice.number(40, 100)
        rows.append(
            (
                key,
                dice.or_missing(f"{ratings[key]}%", 0.08),
                dice.pick(LOCATIONS),
                dice.or_missing(dice.number(1, 60), 0.05),
                dice.or_missing(flag(dice.chance(0.6)), 0.1),
            )
        )
    return rows, ratings


def make_shuttles(dice: Dice, ratings: dict[int, int]) -> list[Row]:
    """Make the shuttles; their price depends on nearly all the rest, and not along a line."""
    rows: list[Row] = []
    companies = list(ratings)
    for number in range(SHUTTLES):
        company = dice.pick(companies)
        kind, engine = dice.pick(list(TYPES)), dice.pick(list(ENGINES))
        engines, seats = dice.number(1, 6), dice.number(2, 24)
        moon = dice.chance(0.4)
        price = (TYPES[kind] + 90 * engines + 42 * seats) * ENGINES[engine]
        price *= 0.7 + ratings[company] / 200 + (0.2 if moon and kind == "Yacht" else 0)
        price += dice.noise(400)
        rows.append(
            (
                50_000 + 3 * number,
                company,
                kind,
                engine,
                dice.or_missing(engines, 0.04),
                dice.or_missing(seats, 0.03),
                dice.number(1, 3) + seats // 8,
                flag(dice.chance(0.8)),
                dice.or_missing(flag(moon), 0.05),
                dice.or_missing(f"${price:,.1f}", 0.02),
            )
        )
    return rows


def make_reviews(dice: Dice, shuttles: list[Row]) -> list[Row]:
    """Make the reviews: none for some shuttles, many for others, and now and then one twice."""
    rows: list[Row] = []
    for number in range(REVIEWS):
        mood = dice.number(3, 10)
        scores = [min(10, max(1, mood + dice.number(-2, 2))) for _ in range(3)]
        row = (
            900_000 + number,
            dice.pick(shuttles)[0],
            *(dice.or_missing(score, 0.06) for score in scores),
        )
        rows.extend([row, row] if dice.chance(0.01) else [row])
    return rows


def write(path: Path, header: str, rows: Iterable[Row]) -> None:
    """Write one CSV file with the same line ends on every system."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header.split())
        writer.writerows(rows)


def main(folder: Path) -> None:
    """Write the three files to the folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = Dice(SEED)
    companies, ratings = make_companies(dice)
    shuttles = make_shuttles(dice, ratings)
    reviews = make_reviews(dice, shuttles)
    write(folder / "companies.csv", "id rating location fleet_size iata_approved", companies)
    write(
        folder / "shuttles.csv",
        "id company_id type engine engines seats crew d_check_complete moon_clearance price",
        shuttles,
    )
    write(folder / "reviews.csv", "id shuttle_id comfort cleanliness punctuality", reviews)


if __name__ == "__main__":
    raw = Path(__file__).resolve().parents[1] / "data" / "01_raw"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else raw)
