"""What one request may ask, worked out from its document before anything is executed."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from graphql import (
    ExecutionContext,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from graphql.type import GraphQLField, GraphQLNamedType

# How many of a list that has no page are taken to be there.
USUAL_LENGTH = 5
# So many times the limit of cost may really be there.
TIMES_EXPECTED = 2
# A field of Query or Mutation, or a page elsewhere: some statements, whatever comes of them.
COST_OF_READ_OR_CHANGE = 100
COST_OF_SCHEMA = 1000
# A list that is searched looks at most of what there is; counting what was found is most of it.
COST_OF_SEARCH = 500
# Counting a list looks at all of it.
COST_OF_COUNTING = 100
# What is given in a list is looked up, checked and written.
COST_OF_INPUT = 3
# Fields without fields of their own that count as much as an object. Uncounted, thirty aliases
# would make a cheap object ten times as much work.
PLAIN_FIELDS = 10
# A type's fields, their types' fields, …: each further step multiplies the answer. What the usual
# tools ask to read a schema has two.
MOST_STEPS_IN_SCHEMA = 2
MOST_DEPTH_IN_SCHEMA = 20
_STEPS_IN_SCHEMA = {"fields", "inputFields", "interfaces", "possibleTypes"}

Fragments = Mapping[str, FragmentDefinitionNode]


def refused(code: str, message: str, *, requested: int, limit: int) -> GraphQLError:
    """Return the error of a limit, with its figures."""
    return GraphQLError(message, extensions={"code": code, "requested": requested, "limit": limit})


class Shape:
    """Holds the form of a document against the limits; of its types it knows nothing.

    Each fragment is looked at once, so that this costs no more than the document is long.
    """

    def __init__(self, fragments: Fragments) -> None:
        self._fragments = fragments
        self._of_fragments: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()
        self._repeated = 0

    def check(self, operations: Iterable[OperationDefinitionNode]) -> None:
        """Raise where it is too deep, repeats too much or goes in circles, used or not."""
        depth = max((self._measure(each.selection_set)[0] for each in operations), default=0)
        for name in self._fragments:
            self._measure_fragment(name)
        _hold(
            "too_deep",
            depth,
            settings.GRAPHQL_MAX_DEPTH,
            "Fields are nested {requested} deep; at most {limit} are answered.",
        )
        _hold(
            "too_many_aliases",
            self._repeated,
            settings.GRAPHQL_MAX_ALIASES,
            "{requested} fields are aliases or repeated; at most {limit} are answered.",
        )

    def _measure(self, selections: SelectionSetNode | None) -> tuple[int, int]:
        """Return how deep fields are nested, and how many lists deep the schema is read."""
        depth = steps = 0
        asked: Counter[str] = Counter()
        for each in selections.selections if selections else ():
            if isinstance(each, FragmentSpreadNode):
                asked[f"...{each.name.value}"] += 1
                below = self._measure_fragment(each.name.value)
            elif isinstance(each, InlineFragmentNode):
                # Counted too: thousands of them would be compared with each other.
                asked["..."] += 1
                below = self._measure(each.selection_set)
            elif isinstance(each, FieldNode):
                if each.alias is None:
                    asked[each.name.value] += 1
                else:
                    self._repeated += 1
                below = self._below(each)
            depth, steps = max(depth, below[0]), max(steps, below[1])
        self._repeated += sum(count - 1 for count in asked.values())
        return depth, steps

    def _below(self, field: FieldNode) -> tuple[int, int]:
        depth, steps = self._measure(field.selection_set)
        steps += field.name.value in _STEPS_IN_SCHEMA
        if not field.name.value.startswith("__"):
            return depth + 1, steps
        _hold(
            "too_deep",
            depth,
            MOST_DEPTH_IN_SCHEMA,
            "Fields of the schema are nested {requested} deep; at most {limit} are answered.",
        )
        _hold(
            "too_deep",
            steps,
            MOST_STEPS_IN_SCHEMA,
            "The schema is read {requested} lists deep; at most {limit} are answered.",
        )
        return 1, 0

    def _measure_fragment(self, name: str) -> tuple[int, int]:
        if name in self._open:
            raise GraphQLError(
                f"Fragment {name} is spread in itself.", extensions={"code": "circle"}
            )
        if name not in self._of_fragments:
            fragment = self._fragments.get(name)
            self._open.add(name)
            self._of_fragments[name] = self._measure(fragment.selection_set if fragment else None)
            self._open.remove(name)
        return self._of_fragments[name]


class Cost:
    """How many objects an answer may hold, by its document, its variables and the schema.

    An object counts one, and so do ten plain fields; of a page so many objects as are asked for, of
    a list that has no pages `USUAL_LENGTH`. Each field of the operation itself, and each page of
    what an object has, counts `COST_OF_READ_OR_CHANGE`, a search, counting a list, what is given in
    a list and reading the schema what their constants say.
    """

    def __init__(
        self, schema: GraphQLSchema, fragments: Fragments, variables: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._of_fragments: dict[tuple[str, str, int], int] = {}

    def of(self, operation: OperationDefinitionNode) -> int:
        """Return the cost of a valid operation, or raise where a page has no size or too large."""
        kind = self._schema.get_root_type(operation.operation)
        assert kind is not None  # noqa: S101  it is valid
        return math.ceil(self._of_selections(operation.selection_set, kind, 1) / PLAIN_FIELDS)

    # From here on, a plain field counts one.

    def _of_selections(
        self, selections: SelectionSetNode, kind: GraphQLNamedType, size: int
    ) -> int:
        cost = 0
        for each in selections.selections:
            match each:
                case FieldNode():
                    cost += self._of_field(each, kind, size)
                case InlineFragmentNode():
                    inner = each.type_condition
                    on = self._schema.type_map[inner.name.value] if inner else kind
                    cost += self._of_selections(each.selection_set, on, size)
                case FragmentSpreadNode():
                    cost += self._of_fragment(each.name.value, size)
        return cost

    def _of_fragment(self, name: str, size: int) -> int:
        fragment = self._fragments[name]
        key = (name, fragment.type_condition.name.value, size)
        if key not in self._of_fragments:
            kind = self._schema.type_map[fragment.type_condition.name.value]
            self._of_fragments[key] = self._of_selections(fragment.selection_set, kind, size)
        return self._of_fragments[key]

    def _of_field(self, node: FieldNode, parent: GraphQLNamedType, size: int) -> int:
        name = node.name.value
        if name in {"__schema", "__type"}:
            return COST_OF_SCHEMA * PLAIN_FIELDS
        fields: Mapping[str, GraphQLField] = getattr(parent, "fields", {})
        if name not in fields:  # __typename
            return 1
        field = fields[name]
        own = self._of_itself(node, parent) * PLAIN_FIELDS
        kind = get_named_type(field.type)
        if node.selection_set is None or not is_composite_type(kind):
            return own + 1
        one = PLAIN_FIELDS
        if "first" in field.args:
            # Of an empty page too, what is asked of its rows is looked at.
            size = max(self._page(node), 1)
            return own + one + self._of_selections(node.selection_set, kind, size)
        kind_of_list: Any = field.type
        if not is_list_type(get_nullable_type(kind_of_list)):
            return own + one + self._of_selections(node.selection_set, kind, size)
        # A page's own list is as long as the page, any other as such lists usually are.
        length = size if parent.name.endswith("Connection") else USUAL_LENGTH
        return own + length * (one + self._of_selections(node.selection_set, kind, 1))

    def _of_itself(self, node: FieldNode, parent: GraphQLNamedType) -> int:
        """Return what a field costs whatever is asked of it, in objects."""
        cost = COST_OF_INPUT * sum(self._given(each.value) for each in node.arguments)
        fields: Mapping[str, GraphQLField] = getattr(parent, "fields", {})
        if (
            parent in {self._schema.query_type, self._schema.mutation_type}
            or "first" in fields[node.name.value].args
        ):
            cost += COST_OF_READ_OR_CHANGE
        if node.name.value == "totalCount":
            cost += COST_OF_COUNTING
        if any(each.name.value == "search" for each in node.arguments):
            cost += COST_OF_SEARCH
        return cost

    def _page(self, node: FieldNode) -> int:
        given: dict[str, Any] = {
            each.name.value: self._number(each.value) for each in node.arguments
        }
        sizes = [given[name] for name in ("first", "last") if given.get(name) is not None]
        limit = settings.GRAPHQL_MAX_PAGE_SIZE
        if len(sizes) != 1:
            raise GraphQLError(
                f"Ask for `first` or `last` so many of {node.name.value}, at most {limit}.",
                node,
                extensions={"code": "page_size_needed", "limit": limit},
            )
        size = int(sizes[0])
        if not 0 <= size <= limit:
            raise refused(
                "page_too_large",
                f"{node.name.value} has pages of 0 to {limit}, not {size}.",
                requested=size,
                limit=limit,
            )
        return size

    def _given(self, value: Any) -> int:
        """Return how many things stand in the lists of an argument, of the document or not."""
        match value:
            case VariableNode():
                return self._given(self._variables.get(value.name.value))
            case ListValueNode() | list():
                items = value if isinstance(value, list) else value.values
                return len(items) + sum(map(self._given, items))
            case ObjectValueNode():
                return sum(self._given(each.value) for each in value.fields)
            case dict():
                return sum(map(self._given, value.values()))
        return 0

    def _number(self, value: Any) -> Any:
        if isinstance(value, VariableNode):
            return self._variables.get(value.name.value)
        return int(value.value) if isinstance(value, IntValueNode) else None


class TooMuch(GraphQLError):
    """More is there than an operation was taken to read."""


class Counted(ExecutionContext):
    """Counts what is read, as `Cost` does, and stops where it is far more than that expected.

    Lists without pages can be far longer than `USUAL_LENGTH`, and each in another multiplies it:
    `variants { product { variants { … } } }` of a product with a hundred.
    """

    def complete_object_value(
        self, return_type: Any, field_nodes: Any, info: Any, path: Any, result: Any
    ) -> Any:
        """Answer an object, if it is not one too many of its request."""
        if not return_type.name.startswith("__"):
            asked = len(self.collect_subfields(return_type, field_nodes))
            request = self.context_value
            read = getattr(request, "graphql_read", 0) + PLAIN_FIELDS + asked
            request.graphql_read = read
            limit = settings.GRAPHQL_MAX_COST * TIMES_EXPECTED
            if read > limit * PLAIN_FIELDS:
                figures = {"requested": math.ceil(read / PLAIN_FIELDS), "limit": limit}
                raise TooMuch(
                    f"More is there than was expected: over {limit}. Ask for smaller pages, or for"
                    " fewer lists in lists.",
                    extensions={"code": "too_expensive", "cost": figures},
                )
        return super().complete_object_value(return_type, field_nodes, info, path, result)


def hold_cost(cost: int, *, spent: int) -> None:
    """Raise where an operation costs too much, after `spent` by those before it in a list."""
    cost, limit = cost + spent, settings.GRAPHQL_MAX_COST
    if cost > limit:
        message = f"This costs {cost}; at most {limit} is answered. Ask for fewer rows or fields."
        figures = {"requested": cost, "limit": limit}
        raise GraphQLError(message, extensions={"code": "too_expensive", "cost": figures})


def _hold(code: str, requested: int, limit: int, message: str) -> None:
    if requested > limit:
        words = message.format(requested=requested, limit=limit)
        raise refused(code, words, requested=requested, limit=limit)
