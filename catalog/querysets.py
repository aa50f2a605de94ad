"""Named reads of the catalogue."""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, cast

from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramWordSimilarity
from django.db.models import F, IntegerField, Prefetch, Q, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Concat, Lower

from .permissions import can_see_catalogue

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    from .models import Category, Product, StockMovement, Variant


# The category itself and all that stand below it; UNION ends even in a circle.
_WITHIN = """
WITH RECURSIVE within AS (
    SELECT id FROM catalog_category WHERE slug = %s
    UNION
    SELECT below.id FROM catalog_category AS below JOIN within ON below.parent_id = within.id
)
SELECT id FROM within
"""


class CategoryQuerySet(QuerySet["Category"]):
    def for_display(self) -> Self:
        return self.select_related("parent")


class ProductQuerySet(QuerySet["Product"]):
    def kept(self) -> Self:
        """Those that were not removed."""
        return self.filter(archived_at=None)

    def archived(self) -> Self:
        """Those that were removed after they had been ordered."""
        return self.exclude(archived_at=None)

    def published(self) -> Self:
        return self.kept().filter(is_published=True)

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who work here, the archived too; for everybody else what is for sale."""
        return self if can_see_catalogue(user) else self.published()

    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("category").prefetch_related(
            Prefetch("variants", self._variants().of_the_product_as_it_stands()), "images"
        )

    def in_category(self, slug: str) -> Self:
        """Those that stand in a category or anywhere below it."""
        return self.filter(category__in=RawSQL(_WITHIN, [slug]))  # noqa: S611  a parameter

    def priced(self, *, lowest: Decimal | None = None, highest: Decimal | None = None) -> Self:
        """Those with a variant that costs so much."""
        bounds = {"price__gte": lowest, "price__lte": highest}
        return self._with_a_variant(
            **{name: bound for name, bound in bounds.items() if bound is not None}
        )

    def in_stock(self) -> Self:
        return self._with_a_variant(stock__gt=0)

    def out_of_stock(self) -> Self:
        return self.exclude(pk__in=self._keys_with_a_variant(stock__gt=0))

    def _with_a_variant(self, **conditions: Any) -> Self:
        return self.filter(pk__in=self._keys_with_a_variant(**conditions))

    def _keys_with_a_variant(self, **conditions: Any) -> "QuerySet[Any, Any]":
        return self._variants().kept().filter(**conditions).values("product")

    def _variants(self) -> "VariantQuerySet":
        # By way of the model, which imports this module.
        variants: Any = self.model._meta.get_field("variants").related_model
        return cast("VariantQuerySet", variants.objects.all())

    def search(self, text: str) -> Self:
        """Those that have all the words, with their `relevance`; `-relevance` puts the best first.

        The last word may be the beginning of one. Where nothing is found as it is written, one
        slip is forgiven in each word: a letter too many, too few, wrong, or two swapped.
        It asks the database at once which of the two it is to be.
        """
        words = _words_of(text)
        if not words:
            return self.none()
        query = SearchQuery(
            " & ".join(f"'{word}'" for word in words) + ":*", config="duka", search_type="raw"
        )
        found = self.filter(search_entry__vector=query)
        if found.exists():
            rank = SearchRank(F("search_entry__vector"), query)
            return found.annotate(relevance=_in_millionths(rank))
        if len(words) > _MOST_SLIPS or max(map(len, words)) > _LONGEST_WORD:
            return self.none()
        # Joined to nothing it is no column with an index: the planner would try in vain.
        slips = self.alias(
            all_words=Concat("search_entry__words", Value(""), output_field=TextField())
        )
        for word in words:
            likely, pattern = _with_one_slip(word)
            slips = slips.filter(likely, all_words__regex=pattern)
        likeness = TrigramWordSimilarity(" ".join(words), "search_entry__words")
        return slips.annotate(relevance=_in_millionths(likeness))


# More words than that are no search for one thing.
_MOST_SLIPS = 5
# From so many letters on a word can be mistyped and still be told from another.
_SHORTEST_SLIP = 3
_LONGEST_SLIP = 20
# Beyond, nothing is spelt wrong: its trigrams alone are a quarter of a second's work, and some
# characters stand for four letters or more.
_LONGEST_WORD = 64


def _words_of(text: str) -> list[str]:
    """Split at all but letters, marks and digits, so that nothing of it can be an operator.

    Of what stands in the catalogue, the database's `catalog_search_vector` does the same.
    """
    return "".join(
        each if unicodedata.category(each)[0] in "LMN" else " "
        for each in unicodedata.normalize("NFKC", text)
    ).split()


def _with_one_slip(word: str) -> tuple[Q, str]:
    """Return PostgreSQL's pattern of the word, right or mistyped in one place.

    It has too many branches for the index of trigrams. What comes with it is for that index: one
    slip leaves the word's beginning or its end as it is.
    """
    word = "".join(
        each
        for each in unicodedata.normalize("NFKD", word.casefold())
        if not unicodedata.combining(each)
    )
    slips = {word}
    if _SHORTEST_SLIP <= len(word) <= _LONGEST_SLIP:
        for at in range(len(word) + 1):
            before, after = word[:at], word[at:]
            slips |= {
                f"{before}.{after}",
                before + after[1:],
                f"{before}.{after[1:]}" if after else word,
                before + after[1::-1] + after[2:],
            }
    start, end = word[: len(word) // 2], word[len(word) // 2 :]
    # Two letters swapped across the middle are in neither.
    across = start[:-1] + end[:1] + start[-1:] + end[1:]
    likely = Q(search_entry__words__contains=f" {start}")
    likely |= Q(search_entry__words__contains=f"{end} ")
    likely |= Q(search_entry__words__contains=f" {across} ")
    return likely, rf"\m({'|'.join(sorted(slips))})\M"


def _in_millionths(rank: Any) -> Cast:
    """Return a rank as a whole number, which a page's cursor can hold exactly."""
    return Cast(rank * 1_000_000, IntegerField())


class VariantQuerySet(QuerySet["Variant"]):
    def for_display(self) -> Self:
        return self.select_related("product")

    def kept(self) -> Self:
        """Those that were not removed."""
        return self.filter(archived_at=None)

    def archived(self) -> Self:
        """Those that were removed after they had been ordered."""
        return self.exclude(archived_at=None)

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who work here, the archived too; for everybody else what is for sale."""
        if can_see_catalogue(user):
            return self
        return self.kept().filter(product__is_published=True, product__archived_at=None)

    def of_the_product_as_it_stands(self) -> Self:
        """Those that were not removed; of a removed product those that were removed with it."""
        return self.filter(Q(archived_at=None) | Q(archived_at=F("product__archived_at")))

    def low_in_stock(self) -> Self:
        """Those to buy more of; few, found by an index of their own."""
        return self.kept().filter(stock__lte=F("low_stock_threshold"))

    def not_low_in_stock(self) -> Self:
        return self.filter(Q(low_stock_threshold=None) | Q(stock__gt=F("low_stock_threshold")))

    def with_skus_in_any_case(self, skus: Iterable[str]) -> Self:
        skus = list(skus)
        # As written too: a database in the plain C locale knows no case beyond ASCII.
        return self.annotate(lower_sku=Lower("sku")).filter(
            Q(lower_sku__in=[sku.lower() for sku in skus]) | Q(sku__in=skus)
        )

    def for_sale(self, skus: Iterable[str]) -> Self:
        """Those of the SKUs that can be ordered now: of a product that is published."""
        return (
            self.kept()
            .for_display()
            .with_skus_in_any_case(skus)
            .filter(product__is_published=True, product__archived_at=None)
        )


class StockMovementQuerySet(QuerySet["StockMovement"]):
    def for_display(self) -> Self:
        return self.select_related("variant__product", "by")
