"""The base of every REST view: four things only, authorize, parse, call one service, render."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.db import models, transaction
from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from core import idempotency
from core.etags import check_if_match, etag_of, matches_if_none_match
from core.permissions import Predicate

from .serializers import InputSerializer

if TYPE_CHECKING:
    from accounts.models import User


class ResourceViewSet(GenericViewSet[Any]):
    """Lists, single resources and verbs over one model, by `design/api.md`'s conventions.

    A subclass names its `queryset`, the `serializer_class` of its answers,
    the `inputs` of its actions, the predicates that permit them (`permitted`),
    and calls services in `create`, `change` and its verbs.
    """

    # What the OpenAPI document calls several of them, where an "s" is not enough.
    plural: ClassVar[str] = ""
    inputs: ClassVar[Mapping[str, type[InputSerializer]]] = {}
    permitted: ClassVar[Mapping[str, Predicate]] = {}
    ordering: ClassVar[str] = "-pk"
    ordering_fields: ClassVar[tuple[str, ...]] = ()
    # Keeps NUL and other oddities of a path away from the database.
    lookup_value_regex = r"[A-Za-z0-9_.~-]{1,64}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.read_body(request)
        handler = getattr(self, "post", None)
        if (
            request.method == "POST"
            and handler
            and idempotency.HEADER in request.headers
            and (caller := self.idempotent_caller())
        ):
            # DRF looks the handler up after this, so the wrapped one is what it finds.
            self.post = partial(self._run_once, handler, caller)

    def read_body(self, request: Request) -> None:
        # Whole and now: over the limit it is a 413, and the parser gets a copy.
        request.body  # noqa: B018  reading is what it is for

    def idempotent_caller(self) -> str | None:
        """Return whose Idempotency-Keys count here; None: nobody's, as nobody is known."""
        return str(self.request.user.pk) if self.request.user.is_authenticated else None

    def _run_once(
        self,
        handler: Callable[..., Response],
        caller: str,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponseBase:
        return idempotency.run_once(
            request,
            caller=caller,
            handle=partial(handler, request, *args, **kwargs),
            on_error=self.handle_exception,
        )

    @property
    def caller(self) -> "User":
        """Who asks; the permissions let nobody through who has not signed in."""
        return cast("User", self.request.user)

    def input(self) -> dict[str, Any]:
        """Return the valid input of this action, or raise with all its failures."""
        serializer = self.inputs[self.action](
            data=self.request.data,
            context=self.get_serializer_context(),
            partial=self.request.method == "PATCH",
        )
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def answer(self, key: Any, *, status_code: int = status.HTTP_200_OK) -> Response:
        """Render the object with this primary key as it stands in the database now."""
        data = self._represent(get_object_or_404(self.get_queryset(), pk=key))
        response = Response(data, status=status_code, headers={"ETag": self.etag_of(data)})
        if status_code == status.HTTP_201_CREATED:
            response["Location"] = self._address_of(data)
        return response

    def created(self, key: Any) -> Response:
        return self.answer(key, status_code=status.HTTP_201_CREATED)

    def created_once(self, key: Any, **secrets: str) -> Response:
        """Answer a new object with what nobody is shown again."""
        response = self.created(key)
        response.data = {**secrets, **response.data}
        return self.shown_once(response, *secrets)

    def shown_once(self, response: Response, *names: str) -> Response:
        """Keep these fields out of what an Idempotency-Key would replay."""
        response.shown_once = names  # type: ignore[attr-defined]  # for core.idempotency
        return response

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        queryset = self.filter_queryset(self.get_queryset())
        page = self.paginate_queryset(queryset)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = self._represent(self.get_object())
        etag = self.etag_of(data)
        if matches_if_none_match(request, etag):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
        return Response(data, headers={"ETag": etag})

    def change_locked(self, change: Callable[[Any], object]) -> Response:
        """Run a change of the addressed object if `If-Match` allows it; answer what it became."""
        with transaction.atomic():
            instance = self._locked_object()
            change(instance)
            return self.answer(instance.pk)

    def delete_locked(self, delete: Callable[[Any], object]) -> Response:
        """Run the deletion of the addressed object if `If-Match` allows it."""
        with transaction.atomic():
            delete(self._locked_object())
            return Response(status=status.HTTP_204_NO_CONTENT)

    def _locked_object(self) -> Any:
        # Locked first, so that what If-Match is held against stays so until the change.
        instance = self._object_from(
            self.get_queryset().select_for_update(of=("self",), no_key=True)
        )
        if "If-Match" in self.request.headers:
            check_if_match(self.request, self.etag_of(self._represent(instance)))
        return instance

    def etag_of(self, data: dict[str, Any]) -> str:
        """Return the ETag of what is answered; a view may leave out what changes by itself."""
        return etag_of(data)

    def get_object(self) -> Any:
        return self._object_from(self.get_queryset())

    def _object_from(self, queryset: models.QuerySet[Any]) -> Any:
        lookup = self.kwargs[self.lookup_url_kwarg or self.lookup_field]
        return get_object_or_404(queryset, **{self.lookup_field: lookup})

    def _represent(self, instance: models.Model) -> Any:
        serializer: BaseSerializer[Any] = self.get_serializer(instance)
        return serializer.data

    def _address_of(self, data: dict[str, Any]) -> str:
        lookup = self.lookup_field if self.lookup_field != "pk" else "id"
        return reverse(
            f"{self.basename}-detail",
            kwargs={self.lookup_url_kwarg or self.lookup_field: data[lookup]},
            request=self.request,
        )
