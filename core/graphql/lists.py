"""Lists in pages: REST's filters, search and ordering, Relay's connections."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar

import graphene
from django.db.models import QuerySet
from graphql import GraphQLResolveInfo

from core.api.filters import LONGEST_SEARCH
from core.api.problems import UnknownParameter
from core.api.views import ResourceViewSet
from core.keyset import BadCursor, Keyset

from .inputs import filter_argument, parameters_of
from .relations import ModelType, selection_of
from .rest import bare, view_for


class PageInfo(graphene.ObjectType):
    """Where a page begins and ends, and whether there are others."""

    has_next_page = graphene.NonNull(
        graphene.Boolean, description="Whether there are rows after it."
    )
    has_previous_page = graphene.NonNull(
        graphene.Boolean, description="Whether there are rows before it."
    )
    start_cursor = graphene.String(description="Cursor of its first row; null: it has none.")
    end_cursor = graphene.String(description="Cursor of its last row; null: it has none.")


class Page:
    """Some rows of a list; each of its parts is worked out where it is asked for."""

    def __init__(
        self, queryset: QuerySet[Any], rows: list[Any], *, keyset: Keyset, before: bool, after: bool
    ) -> None:
        self._queryset, self._rows, self._keyset = queryset, rows, keyset
        self._before, self._after = before, after

    @cached_property
    def total_count(self) -> int:
        return self._queryset.order_by().count()

    @property
    def nodes(self) -> list[Any]:
        return self._rows

    @property
    def edges(self) -> list[dict[str, Any]]:
        return [{"node": row, "cursor": self._keyset.cursor(row)} for row in self._rows]

    @property
    def page_info(self) -> dict[str, Any]:
        ends = [self._keyset.cursor(row) for row in (self._rows[:1] + self._rows[-1:])]
        return {
            "has_next_page": self._after,
            "has_previous_page": self._before,
            "start_cursor": ends[0] if ends else None,
            "end_cursor": ends[-1] if ends else None,
        }


def connection_of(kind: type[ModelType]) -> Any:
    """Return the type of pages of a type."""
    name = kind._meta.name
    one = name[0].lower() + name[1:]
    edge = type(
        f"{name}Edge",
        (graphene.ObjectType,),
        {
            "__doc__": "A row of a page, and where it stands.",
            "node": graphene.NonNull(kind, description=f"The {one}."),
            "cursor": graphene.NonNull(
                graphene.String, description="For `after` and `before`; of this ordering alone."
            ),
        },
    )
    return type(
        f"{name}Connection",
        (graphene.ObjectType,),
        {
            "__doc__": f"A page of a list of {one}s.",
            "edges": graphene.NonNull(
                graphene.List(graphene.NonNull(edge)), description="Its rows with their cursors."
            ),
            "nodes": graphene.NonNull(
                graphene.List(graphene.NonNull(kind)), description="Its rows alone."
            ),
            "page_info": graphene.NonNull(PageInfo, description="What is before and after it."),
            "total_count": graphene.NonNull(
                graphene.Int, description="Rows of the whole list; counted only if it is asked for."
            ),
        },
    )


class ListField(graphene.Field):
    """The list of a REST view, with its filters, search, ordering and permission."""

    keyset_class: ClassVar[type[Keyset]] = Keyset

    def __init__(
        self, kind: type[ModelType], *, view: type[ResourceViewSet], **options: Any
    ) -> None:
        self.kind, self.view = kind, view
        arguments = {
            "first": graphene.Int(description="So many from the front, or after `after`."),
            "after": graphene.String(description="A cursor: the page starts after it."),
            "last": graphene.Int(description="So many from the end, or before `before`."),
            "before": graphene.String(description="A cursor: the page ends before it."),
            **dict(self._filters()),
        }
        super().__init__(
            # Null where who asks may not see it, or a filter is wrong: the rest is answered.
            connection_of(kind),
            args=arguments,
            resolver=self._read,
            **options,
        )

    def _filters(self) -> Iterable[tuple[str, Any]]:
        view: Any = self.view
        if view.search_fields:
            description = f"Words to look for, at most {LONGEST_SEARCH} characters."
            yield "search", graphene.String(description=description)
        orderings = {
            view.ordering,
            *(sign + each for each in view.ordering_fields for sign in ("", "-")),
        }
        self._orderings = graphene.Enum(
            f"{self.kind._meta.name}Ordering",
            sorted((_constant(each), each) for each in orderings),
            description=lambda each: (
                f"{_words(each.value)}."
                if each
                else f"Orders of a list of {self.kind._meta.name}s."
            ),
        )
        yield (
            "ordering",
            graphene.Argument(
                self._orderings,
                description="Order of the list; without it, what a search found best comes first.",
            ),
        )
        filters: dict[str, Any] = view.filterset_class.base_filters
        for name, each in filters.items():
            yield name, filter_argument(each)

    def _parameters(self, arguments: dict[str, Any]) -> dict[str, str | list[str]]:
        """Return what is asked as REST's parameters."""
        return parameters_of(arguments)

    def _read(
        self,
        root: Any,
        info: GraphQLResolveInfo,
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        ordering: Any = None,
        **filters: Any,
    ) -> Page:
        if ordering is not None:
            filters["ordering"] = ordering.value
        view: Any = view_for(self.view, info, "list", self._parameters(filters))
        try:
            queryset = bare(view.filter_queryset(view.get_queryset()))
        except UnknownParameter:
            # What stands in the schema is unknown to REST only where it is not for who asks.
            known = view.filterset_class(request=view.request).filters
            kept = view.filterset_class.base_filters.keys() - known.keys()
            if reserved := sorted(kept & filters.keys()):
                said = ["Only the shop's staff may ask for this."]
                raise UnknownParameter(dict.fromkeys(reserved, said)) from None
            raise
        keyset = self.keyset_class(self.kind.fetch(queryset, _of_rows(info)))
        backwards = last is not None
        name, cursor = ("before", before) if backwards else ("after", after)
        other = after if backwards else before
        if other is not None:
            raise UnknownParameter(
                {
                    "before" if name == "after" else "after": [
                        "`first` goes with `after`, `last` with `before`."
                    ]
                }
            )
        beyond = None
        if cursor is not None:
            try:
                _, *position = keyset.read(cursor)
            except BadCursor:
                detail = "Not a cursor of this list in this ordering; start at the first page."
                raise UnknownParameter({name: [detail]}) from None
            beyond = (position[0], position[1])
        # That one of the two is there, and how large it is, was held against the limits.
        size = last if last is not None else first or 0
        rows: list[Any] = []
        further = False
        if selection_of(info).keys() - {"total_count"}:
            rows, further = keyset.rows(size, beyond=beyond, backwards=backwards)
        elsewhere = beyond is not None
        return Page(
            queryset,
            rows,
            keyset=keyset,
            before=further if backwards else elsewhere,
            after=elsewhere if backwards else further,
        )


def _of_rows(info: GraphQLResolveInfo) -> Any:
    """Return what is asked of the rows, as `nodes` and as nodes of `edges` alike."""
    asked = selection_of(info)
    return _merged(asked.get("nodes", {}), asked.get("edges", {}).get("node", {}))


def _merged(one: Any, other: Any) -> Any:
    return {name: _merged(one.get(name, {}), other.get(name, {})) for name in {**one, **other}}


def _constant(ordering: str) -> str:
    name = ordering.removeprefix("-").upper()
    return f"{name}_DESC" if ordering.startswith("-") else name


def _words(ordering: str) -> str:
    words = "By " + ordering.removeprefix("-").replace("_", " ")
    return f"{words}, the other way round" if ordering.startswith("-") else words
