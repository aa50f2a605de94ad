"""Changes: REST's form and permission, one call of a service, the object as it is then."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import graphene
from django.db import transaction
from django.http import Http404
from graphene.utils.str_converters import to_snake_case
from graphql import GraphQLResolveInfo

from core.api.serializers import InputSerializer
from core.api.views import ResourceViewSet

from .errors import UserError, errors_in, mendable
from .inputs import input_of, plain
from .relations import ModelType, Selection, parsed_id, selection_of
from .rest import bare, view_for

_PAYLOADS: dict[str, Any] = {}


def payload_of(kind: Any, **more: Any) -> Any:
    """Return the type of what a verb answers: the object by its name, `more`, and `errors`."""
    name = kind._meta.name
    if name not in _PAYLOADS:
        one = name[0].lower() + name[1:]
        _PAYLOADS[name] = type(
            f"{name}Payload",
            (graphene.ObjectType,),
            {
                "__doc__": f"What a mutation answers: its `{one}`, or `errors`.",
                one: graphene.Field(
                    kind, description="As it is now; null where there are errors, or it is gone."
                ),
                **more,
                "errors": graphene.NonNull(
                    graphene.List(graphene.NonNull(UserError)),
                    description="What stood in the way; empty: it is done.",
                ),
            },
        )
    return _PAYLOADS[name]


class Verb(graphene.Field):
    """An action of a REST view, by its form and its permission.

    Args:
        do: calls a service with who asks (`by`), the form's fields and, with a target, its
            primary key (`key`); returns the changed object's primary key.
        view: whose form, rows and permission count, for its `action`.
        kind: the type of the object that it answers.
        of: the type whose `id` says what it is about; None: it makes something.
        form: its input, where that is not the action's; `input_name` and `partial` as in
            `input_of`.
        show: returns the object of what `do` returned, with what is asked of it; without it, the
            one of this primary key, if who asks may see it.
        whole: all that it does is undone where it fails.
    """

    def __init__(
        self,
        do: Callable[..., Any],
        *,
        view: type[ResourceViewSet],
        action: str,
        kind: Any,
        of: type[ModelType] | None = None,
        form: type[InputSerializer] | None = None,
        input_name: str = "",
        partial: bool = False,
        show: Callable[[GraphQLResolveInfo, Selection, Any], Any] | None = None,
        whole: bool = True,
        description: str,
    ) -> None:
        self._show = show or (lambda info, asked, key: key and kind.found(info, asked, pk=key))
        self._do, self._view, self._action, self._kind, self._of = do, view, action, kind, of
        self._form = form or view.inputs.get(action)
        self._partial, self._whole = partial, whole
        self.name_of_object = kind._meta.name[0].lower() + kind._meta.name[1:]
        super().__init__(
            # Null where it may not be done: what else the document did is answered.
            self.payload(),
            args=dict(self._arguments(input_name)),
            resolver=self._resolve,
            description=description,
        )

    def payload(self) -> Any:
        return payload_of(self._kind)

    def _arguments(self, input_name: str) -> Any:
        if self._of is not None:
            noun = self._of._meta.name.lower()
            yield "id", graphene.ID(required=True, description=f"The `id` of the {noun}.")
        if self._form is None or not (fields := self._form().fields):
            return
        kind = input_of(self._form, name=input_name, partial=self._partial)
        needed = not self._partial and any(each.required for each in fields.values())
        yield "input", graphene.Argument(kind, required=needed, description="What is wanted.")

    def _resolve(self, root: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
        view = view_for(self._view, info, self._action)
        try:
            with transaction.atomic() if self._whole else nullcontext():
                return {**self._done(view, info, arguments), "errors": []}
        except Exception as error:
            found = mendable(error)
            if found is None:
                raise
            return {"errors": errors_in(found)}

    def _done(
        self, view: ResourceViewSet, info: GraphQLResolveInfo, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        target = {} if self._of is None else {"key": self._key(view, info, arguments["id"])}
        data = self._valid(view, arguments.get("input") or {})
        done = self._do(by=info.context.user, **target, **data)
        asked = selection_of(info, to_snake_case(self.name_of_object))
        return {self.name_of_object: self._show(info, asked, done)}

    def _key(self, view: ResourceViewSet, info: GraphQLResolveInfo, ident: str) -> Any:
        kind, key = parsed_id(info, ident)
        if kind is not self._of or not bare(view.get_queryset()).filter(pk=key).exists():
            raise Http404
        return key

    def _valid(self, view: ResourceViewSet, given: dict[str, Any]) -> dict[str, Any]:
        if self._form is None:
            return {}
        context = view.get_serializer_context()
        form = self._form(data=plain(given), partial=self._partial, context=context)
        form.is_valid(raise_exception=True)
        return dict(form.validated_data)
