"""Objects with what hangs on them, in a fixed number of statements however many there are.

graphene-django's own fields of relations ask the database for each object. Here a relation is a
`Related` field: it reads what `fetch` has brought along, by what the document asks for, and fails
where nobody did. Why not DataLoaders: docs/decisions/0009-graphql-look-ahead.md.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import graphene
from django.db.models import Model, Prefetch, QuerySet
from graphene.utils.str_converters import to_snake_case
from graphene_django import DjangoObjectType
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLResolveInfo,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionSetNode,
)
from graphql.execution.values import get_directive_values
from graphql_relay import from_global_id

from core.api.views import ResourceViewSet
from core.errors import InvalidInput

from .rest import bare, view_for

# What is asked of an object: by field, what is asked of it in turn.
Selection = dict[str, "Selection"]


def selection_of(info: GraphQLResolveInfo, *path: str) -> Selection:
    """Return what is asked below the field that is being resolved, further down by a path."""
    selection: Selection = {}
    for node in info.field_nodes:
        _add(info, node.selection_set, selection, set())
    for name in path:
        selection = selection.get(name, {})
    return selection


def _add(
    info: GraphQLResolveInfo,
    selections: SelectionSetNode | None,
    found: Selection,
    seen: set[str],
) -> None:
    for each in selections.selections if selections else ():
        if not _is_included(info, each):
            continue
        match each:
            case FieldNode():
                below = found.setdefault(to_snake_case(each.name.value), {})
                _add(info, each.selection_set, below, set())
            case InlineFragmentNode():
                _add(info, each.selection_set, found, seen)
            case FragmentSpreadNode() if each.name.value not in seen:
                seen.add(each.name.value)
                _add(info, info.fragments[each.name.value].selection_set, found, seen)


def _is_included(info: GraphQLResolveInfo, node: Any) -> bool:
    if not node.directives:
        return True
    skip = get_directive_values(GraphQLSkipDirective, node, info.variable_values)
    include = get_directive_values(GraphQLIncludeDirective, node, info.variable_values)
    return not (skip and skip["if"]) and not (include and not include["if"])


class Related(graphene.Field):
    """An object that another points to, or all that point to it, as `fetch` brought them along.

    Args:
        kind: its type; of several, all of them.
        of: the relation's name at the model.
        many: whether there are several.
        rows: which of them, where not all.
        keep: which of them who asks may see, where not all.
    """

    def __init__(
        self,
        kind: Any,
        *,
        of: str,
        many: bool = False,
        rows: Callable[[], QuerySet[Any]] | None = None,
        keep: Callable[[Any, Any], bool] = lambda user, each: True,
        **options: Any,
    ) -> None:
        self.of, self.many, self.rows, self.kind, self.keep = of, many, rows, kind, keep
        # A list of its own: a related manager for each object costs a third of the page.
        self.attribute = f"brought_{of}"
        shape = graphene.NonNull(graphene.List(graphene.NonNull(kind))) if many else kind
        super().__init__(shape, resolver=self._read, **options)

    def _read(self, instance: Model, info: GraphQLResolveInfo) -> Any:
        user = info.context.user
        if self.many:
            brought: Any = instance.__dict__[self.attribute]
            return [each for each in brought if self.keep(user, each)]
        relation: Any = instance._meta.get_field(self.of)
        if getattr(instance, relation.attname) is None:
            return None
        one = instance._state.fields_cache[self.of]
        return one if self.keep(user, one) else None


@dataclass
class _Plan:
    joins: list[str] = field(default_factory=list)
    prefetches: list[Any] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    known: str = ""


class ModelType(DjangoObjectType):
    """A type of objects in the database.

    `view` is the REST view whose rows and permissions it has, where it can be asked for by id.
    `needs` names relations that a field reads without showing them, by the field ("*": by any);
    `heavy` columns that are read only where they are asked for.
    """

    class Meta:
        abstract = True

    view: ClassVar[type[ResourceViewSet] | None] = None
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    heavy: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def fetch(
        cls, queryset: QuerySet[Any], selection: Selection, *, known: str = ""
    ) -> QuerySet[Any]:
        """Let a queryset bring along what is asked of its objects, and no more.

        `known` is a relation to the object that these are fetched for: Django sets it.
        """
        plan = _Plan(known=known)
        cls._plan(plan, selection, "")
        if plan.joins:
            queryset = queryset.select_related(*plan.joins)
        return queryset.prefetch_related(*plan.prefetches).defer(*plan.left_out)

    @classmethod
    def _plan(cls, plan: _Plan, selection: Selection, prefix: str) -> None:
        plan.left_out += [prefix + name for name in cls.heavy if name not in selection]
        for name in ("*", *selection):
            for need in cls.needs.get(name, ()):
                if prefix + need == plan.known:
                    continue
                relation: Any = cls._meta.model._meta.get_field(need.partition("__")[0])
                joined = not (relation.one_to_many or relation.many_to_many)
                (plan.joins if joined else plan.prefetches).append(prefix + need)
        for each, below in cls._asked(selection):
            if not each.many:
                plan.joins.append(prefix + each.of)
                _kind(each)._plan(plan, below, f"{prefix}{each.of}__")
                continue
            rows = each.rows() if each.rows else _kind(each)._meta.model._default_manager.all()
            back: Any = cls._meta.model._meta.get_field(each.of)
            known = back.remote_field.name if back.one_to_many else ""
            children = _kind(each).fetch(rows, below, known=known)
            plan.prefetches.append(Prefetch(prefix + each.of, children, to_attr=each.attribute))

    @classmethod
    def _asked(cls, selection: Selection) -> Iterator[tuple[Related, Selection]]:
        for name, below in selection.items():
            each = cls._meta.fields.get(name)
            if isinstance(each, Related):
                yield each, below

    @classmethod
    def key_in(cls, text: str) -> Any:
        """Return the primary key that an id holds; None: it can be none."""
        # A bigint at most, in plain digits.
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None

    @classmethod
    def visible(cls, info: GraphQLResolveInfo) -> QuerySet[Any]:
        """Return those that REST would show to who asks; nothing is brought along yet."""
        assert cls.view is not None  # noqa: S101  else it is no node
        return bare(view_for(cls.view, info, "retrieve").get_queryset())

    @classmethod
    def found(cls, info: GraphQLResolveInfo, selection: Selection, **lookup: Any) -> Self | None:
        """Return the one that is meant, with what is asked of it, if there is one to be seen."""
        rows = cls.visible(info)
        if any(isinstance(value, str) and "\0" in value for value in lookup.values()):
            # The database has no such text, and refuses to look for it.
            return None
        found: Self | None = cls.fetch(rows, selection).filter(**lookup).first()
        return found

    @classmethod
    def named(cls, info: GraphQLResolveInfo, names: Mapping[str, str | None], **among: Any) -> Any:
        """Return the one that a caller means by its `id`, or by a name `among` those that have one.

        Raises:
            InvalidInput: not exactly one of the names is given.
        """
        given = {name: value for name, value in names.items() if value is not None}
        if len(given) != 1:
            known = info.parent_type.fields[info.field_name].args
            either = " or ".join(f"`{name}`" for name in known)
            raise InvalidInput(f"Say which one you mean: by {either}, one of them alone.")
        asked = selection_of(info)
        if "id" not in given:
            return cls.found(info, asked, **given, **among)
        kind, key = parsed_id(info, given["id"])
        return cls.found(info, asked, pk=key if kind is cls else 0)


def _kind(related: Related) -> type[ModelType]:
    kind: Any = related.kind
    return kind if isinstance(kind, type) else kind()


class Node(graphene.relay.Node):
    """Whatever has an id that means it alone, of all types."""

    @classmethod
    def get_node_from_global_id(
        cls, info: GraphQLResolveInfo, global_id: str, only_type: Any = None
    ) -> Any:
        """Return what an id means, with what is asked of it; null where nobody may see it."""
        kind, key = parsed_id(info, global_id)
        return kind.found(info, selection_of(info), pk=key) if kind else None


def parsed_id(info: GraphQLResolveInfo, global_id: str) -> tuple[type[ModelType] | None, Any]:
    """Return the type and the primary key that an id means; (None, 0): it means nothing."""
    try:
        name, key = from_global_id(global_id)
        found: Any = info.schema.get_type(name)
    except (ValueError, UnicodeError):
        return None, 0
    kind = getattr(found, "graphene_type", None)
    fits = isinstance(kind, type) and issubclass(kind, ModelType) and kind.view is not None
    found_key = kind.key_in(key) if fits and kind is not None else None
    return (None, 0) if found_key is None else (kind, found_key)
