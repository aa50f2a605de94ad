"""Verbs of the shelves."""

from typing import Any

from django.db import transaction

from catalog.models import Category
from core.constraints import constraints_as
from core.errors import InvalidInput

from .shared import SLUG_TAKEN, apply, delete, free_slug, lock_until_commit, taken


@transaction.atomic
def create_category(*, name: str, slug: str = "", parent: Category | None = None) -> Category:
    """Make a category; without a slug it gets one from its name.

    Raises:
        Taken: the slug belongs to another category.
    """
    slug = slug or free_slug(Category.objects.all(), name)
    with constraints_as({"catalog_category_slug_key": taken("slug", SLUG_TAKEN)}):
        return Category.objects.create(name=name, slug=slug, parent=parent)


@transaction.atomic
def update_category(*, category_id: int, **changes: Any) -> Category:
    """Change a category's `name`, `slug` or `parent`.

    Raises:
        Taken: the slug belongs to another category.
        InvalidInput: the new parent stands below the category.
    """
    category = Category.objects.select_for_update(no_key=True).get(pk=category_id)
    # One change of the tree at a time: two moves could otherwise close a circle between them.
    # Not by locking every row: each caller of a race comes with its own row locked already.
    lock_until_commit("category tree")
    parents = dict(Category.objects.values_list("pk", "parent_id"))
    apply(category, changes)
    above = category.parent_id
    while above is not None:
        if above == category_id:
            raise InvalidInput.at(
                "parent", detail="A category cannot stand below itself.", code="circular"
            )
        above = parents.get(above)
    with constraints_as({"catalog_category_slug_key": taken("slug", SLUG_TAKEN)}):
        category.save()
    return category


def delete_category(*, category_id: int) -> None:
    """Raises `InUse` while products or other categories stand in it."""
    delete(Category, category_id, "Move its products and categories elsewhere first.")
