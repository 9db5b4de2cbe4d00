"""Nodes that convert the raw text to numbers."""

from __future__ import annotations

import pandas as pd


def _percentage(text: pd.Series) -> pd.Series:
    return text.str.rstrip("%").astype(float) / 100


def _money(text: pd.Series) -> pd.Series:
    return text.str.replace(r"[$,]", "", regex=True).astype(float)


def _flag(text: pd.Series) -> pd.Series:
    return (text == "t").astype(int)


def clean_companies(companies: pd.DataFrame) -> pd.DataFrame:
    """Convert ratings to fractions and the IATA flag to 0 or 1.

    A company that does not say whether it is approved counts as not approved.
    """
    return companies.assign(
        rating=_percentage(companies["rating"]),
        iata_approved=_flag(companies["iata_approved"]),
    )


def clean_shuttles(shuttles: pd.DataFrame) -> pd.DataFrame:
    """Convert prices to numbers and flags to 0 or 1, and drop shuttles without a price."""
    cleaned = shuttles.assign(
        price=_money(shuttles["price"]),
        d_check_complete=_flag(shuttles["d_check_complete"]),
        moon_clearance=_flag(shuttles["moon_clearance"]),
    )
    return cleaned.dropna(subset=["price"])


def clean_reviews(reviews: pd.DataFrame, min_scores: int) -> pd.DataFrame:
    """Drop duplicate reviews, and give each review one score: the mean of its scores.

    Args:
        reviews: One line a review, each score from 1 to 10.
        min_scores: Reviews with fewer scores than this are left out.
    """
    scores = ["comfort", "cleanliness", "punctuality"]
    once = reviews.drop_duplicates(subset=["id"]).dropna(subset=scores, thresh=min_scores)
    return once.assign(score=once[scores].mean(axis=1))[["id", "shuttle_id", "score"]]


def join_tables(
    shuttles: pd.DataFrame, companies: pd.DataFrame, reviews: pd.DataFrame
) -> pd.DataFrame:
    """Join each shuttle with its company and its reviews.

    A shuttle without reviews is kept, with a review count of 0 and no score.
    """
    by_shuttle = reviews.groupby("shuttle_id")["score"].agg(
        review_score="mean", review_count="count"
    )
    joined = shuttles.merge(
        companies.rename(columns={"id": "company_id", "rating": "company_rating"}),
        on="company_id",
        validate="many_to_one",
    ).merge(by_shuttle, left_on="id", right_index=True, how="left")
    return joined.fillna({"review_count": 0}).sort_values("id")
