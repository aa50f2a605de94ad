"""REST of conversations; the dialects (`plain`, `extended`) say how a body is read and shown."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import models
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from conversations import documents, services
from conversations.documents import InteractionDocument
from conversations.exceptions import BadDocument, TooLarge, TooMany
from conversations.models import Client, Engagement, Interaction
from conversations.permissions import can_handle_conversations, can_see_conversations
from conversations.querysets import ClientQuerySet, EngagementQuerySet, InteractionQuerySet
from conversations.states import Outcome
from core import etags
from core.api.bodies import whole_body
from core.api.problems import MalformedId, problem_of
from core.api.views import ResourceViewSet
from core.errors import DomainError, FieldError, InvalidInput

from .filters import ClientFilter, EngagementFilter
from .finding import FindingMixin
from .openapi import ConversationSchema
from .parsers import DocumentParser, LinesParser, is_of_lines, text_of
from .renderers import DocumentRenderer, rendered
from .serializers import ConversationBulkSerializer

_WITH_BODY = {"POST", "PUT", "PATCH"}


class ConversationViewSet(ResourceViewSet):
    """What all of them share. Their `{id}` is an ObjectId, or 400; what it names is there, or 404.

    Below another resource (`nested`) it is the id of that one, and lists and creation are of what
    belongs to it.
    """

    renderer_classes = (DocumentRenderer,)
    schema = ConversationSchema()
    lookup_url_kwarg = "id"
    permitted = {
        "list": can_see_conversations,
        "counts": can_see_conversations,
        "retrieve": can_see_conversations,
        "*": can_handle_conversations,
    }
    # Given with the address.
    nested: bool = False
    # Where one of them is, in this dialect.
    detail_route: ClassVar[str]
    # What this dialect calls the fields that a service names in its errors.
    names: ClassVar[Mapping[str, str]] = {}

    def read_body(self, request: Request) -> None:
        # First what the address says: nobody sends 16 MB to what is not there.
        if "id" in self.kwargs:
            self.kwargs["id"] = id_of(self.kwargs["id"])
        if self.nested:
            get_object_or_404(self.get_parents(), pk=self.kwargs["id"])
        super().read_body(request)

    def get_parents(self) -> models.QuerySet[Any]:
        """Return what these may be nested below; clients are below nothing, and are not asked."""
        raise NotImplementedError

    @property
    def parent_id(self) -> str:
        """Whose they are by the address; "" where it does not say."""
        return str(self.kwargs["id"]) if self.nested else ""

    def answer(self, key: Any, *, status_code: int = status.HTTP_200_OK) -> Response:
        data = self._represent(get_object_or_404(self.get_queryset(), pk=key))
        response = Response(data, status=status_code, headers={"ETag": self.etag_of(data)})
        if status_code == status.HTTP_201_CREATED:
            response["Location"] = reverse(
                self.detail_route, kwargs={"id": key}, request=self.request
            )
        return response

    def etag_of(self, data: Any) -> str:
        return etags.etag_of(data, rendered)

    def _represent(self, instance: models.Model) -> Any:
        # Its `data` would have to be a dict, and may be a document's text.
        return self.get_serializer().to_representation(instance)

    def _object_from(self, queryset: models.QuerySet[Any]) -> Any:
        return get_object_or_404(queryset, pk=self.kwargs["id"])

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(self.in_words(exc))

    def in_words(self, error: Exception) -> Exception:
        """Return an error with this dialect's names of the fields."""
        if isinstance(error, DomainError):
            error.errors = tuple(map(self._in_words, error.errors))
        return error

    def _in_words(self, error: FieldError) -> FieldError:
        first = [self.names.get(str(part), part) for part in error.path[:1]]
        return replace(error, path=(*first, *error.path[1:]))

    def check_id(self, ident: str, name: str) -> None:
        """Refuse a body that names another thing than the address."""
        if ident not in {"", self.kwargs["id"]}:
            raise InvalidInput.at(name, code="fixed", detail="The id does not change.")


class ClientViewSet(ConversationViewSet):
    queryset = Client.objects.all()
    filterset_class = ClientFilter
    search_fields = ("name", "nick_name")
    ordering = "name"
    ordering_fields = ("name",)

    def get_queryset(self) -> ClientQuerySet:
        return Client.objects.visible_to(self.request.user)

    def create(self, request: Request, **kwargs: str) -> Response:
        """Take a client in; without an id it gets one."""
        return self.created(services.create_client(**self.input()).pk)

    def update(self, request: Request, **kwargs: str) -> Response:
        """Change a client."""
        changes = self.input()
        self.check_id(changes.pop("ident", ""), self.names.get("id", "id"))
        return self.change_locked(
            lambda client: services.update_client(client_id=client.pk, **changes)
        )

    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change some fields of a client."""
        return self.update(request)

    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a client; 409 `in_use` while it has engagements, or where it is the shop."""
        return self.delete_locked(lambda client: services.delete_client(client_id=client.pk))


class EngagementViewSet(ConversationViewSet):
    queryset = Engagement.objects.all()
    filterset_class = EngagementFilter
    search_fields = ("name",)
    ordering = "name"
    ordering_fields = ("name",)

    def get_queryset(self) -> EngagementQuerySet:
        rows = Engagement.objects.visible_to(self.request.user)
        return rows.filter(client_id=self.parent_id) if self.nested else rows

    def get_parents(self) -> ClientQuerySet:
        return Client.objects.visible_to(self.request.user)

    def create(self, request: Request, **kwargs: str) -> Response:
        """Take an engagement of a client in; without an id it gets one."""
        given = self.input()
        client = given.setdefault("client_id", self.parent_id)
        if not client or self.parent_id not in {"", client}:
            code, detail = "wrong_client", "It is of another client."
            if not client:
                code, detail = "required", "This field is required."
            raise InvalidInput.at("client", code=code, detail=detail)
        return self.created(services.create_engagement(**given).pk)

    def update(self, request: Request, **kwargs: str) -> Response:
        """Change an engagement; 409 `client_fixed` where another client is given."""
        changes = self.input()
        self.check_id(changes.pop("ident", ""), self.names.get("id", "id"))
        return self.change_locked(
            lambda engagement: services.update_engagement(engagement_id=engagement.pk, **changes)
        )

    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change some fields of an engagement."""
        return self.update(request)

    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete an engagement; 409 `in_use` while it has interactions, or is the shop's own."""
        return self.delete_locked(
            lambda engagement: services.delete_engagement(engagement_id=engagement.pk)
        )


class InteractionViewSet(FindingMixin, ConversationViewSet):
    queryset = Interaction.objects.for_display()
    # 200 where it is stored already.
    stores_once = True
    # Read here: as text.
    parser_classes = (DocumentParser,)

    @abstractmethod
    def read(self, text: str) -> InteractionDocument:
        """Read a body that is a whole document, of `parent_id` where it does not say whose."""

    @abstractmethod
    def read_changes(self, text: str) -> dict[str, str | None]:
        """Read a body that is some members of a document."""

    def get_queryset(self) -> InteractionQuerySet:
        rows = Interaction.objects.for_display().visible_to(self.request.user)
        return rows.filter(engagement_id=self.parent_id) if self.nested else rows

    def get_parents(self) -> EngagementQuerySet:
        return Engagement.objects.visible_to(self.request.user)

    def read_body(self, request: Request) -> None:
        if request.method in _WITH_BODY:
            # Before the body is read: whether it is of a kind that is taken.
            request.data  # noqa: B018  asking is what it is for
            most = self.most_bytes()
            try:
                whole_body(request._request, most=most)
            except RequestDataTooBig:
                what = "One request may bring" if self.action == "bulk" else "A document may have"
                raise TooLarge(f"{what} {most // 1024**2} MB at most.") from None
        super().read_body(request)

    def most_bytes(self) -> int:
        if self.action == "bulk":
            return int(settings.CONVERSATIONS_BULK_BYTES)
        # How large the document in it is `read` tells.
        return documents.LARGEST + documents.SPARE

    def text(self) -> str:
        return text_of(self.request.body)

    def create(self, request: Request, **kwargs: str) -> Response:
        """Store an interaction; 200 where the very same is stored already.

        Without an id it gets one. 409 `id_taken` where another document has its id, or its
        source's name for it in the same engagement.
        """
        interaction, is_new = services.create_interaction(document=self.read(self.text()))
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return self.answer(interaction.pk, status_code=code)

    def update(self, request: Request, **kwargs: str) -> Response:
        """Store another document in the place of an interaction's."""
        document = self.read(self.text())
        return self.change_locked(
            lambda row: services.replace_interaction(interaction_id=row.pk, document=document)
        )

    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change some fields of an interaction; all else of its document stays as it was written.

        `null` takes a field away. `custom` is changed as a whole.
        """
        changes = self.read_changes(self.text())
        return self.change_locked(
            lambda row: services.change_interaction(interaction_id=row.pk, changes=changes)
        )

    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete an interaction."""
        return self.delete_locked(lambda row: services.delete_interaction(interaction_id=row.pk))

    @extend_schema(responses=ConversationBulkSerializer)
    @action(
        detail=False,
        methods=["post"],
        pagination_class=None,
        filterset_class=None,
        parser_classes=(DocumentParser, LinesParser),
    )
    def bulk(self, request: Request, **kwargs: str) -> Response:
        """Store many interactions: a JSON array of them, or one in each line.

        Each is stored or fails by itself; the answer is 200 and says what became of each, in
        their order. Sent again, what is stored already is `unchanged`: by its id, or by its
        source's name for it in its engagement. `pointer` leads from the whole body to what is
        wrong: `/17/engagementId` is of the eighteenth document. 413 `too_many` where there are
        more than 10000; nothing is stored then.
        """
        results: dict[int, Mapping[str, Any]] = {}
        read: dict[int, InteractionDocument] = {}
        for index, body in enumerate(self._pieces()):
            try:
                # Its text is kept, what it was parsed to is not.
                read[index] = self.read(text_of(body))
            except (DomainError, ParseError, ValidationError) as error:
                results[index] = self._result(index, "", Outcome.FAILED, error)
        stored = services.create_interactions(documents=list(read.values()))
        for index, each in zip(read, stored, strict=True):
            results[index] = self._result(index, each.id, each.outcome, each.error)
        ordered = [results[index] for index in range(len(results))]
        counts = {
            outcome.value: sum(each["outcome"] == outcome for each in ordered)
            for outcome in Outcome
        }
        return Response({**counts, "results": ordered})

    def _pieces(self) -> Iterator[bytes]:
        body = self.request.body
        lines = is_of_lines(self.request.content_type)
        found: Iterable[tuple[int, int]] = (
            documents.lines_of(body) if lines else documents.elements_of(body)
        )
        most = settings.CONVERSATIONS_BULK_DOCUMENTS
        # Counted before any is read.
        spans = list(islice(found, most + 1))
        if len(spans) > most:
            raise TooMany(f"One request may bring {most} documents at most.")
        if not spans and lines and not body.strip():
            raise BadDocument("There are no documents.")
        return (body[begins:ends] for begins, ends in spans)

    def _result(
        self, index: int, ident: str, outcome: Outcome, error: Exception | None
    ) -> dict[str, Any]:
        errors: list[dict[str, str]] = []
        if error is not None:
            problem = problem_of(self.in_words(error))
            assert problem is not None  # noqa: S101  each of these kinds has one
            whole = {"pointer": "", "code": problem["code"], "detail": problem["detail"]}
            errors = [
                {**each, "pointer": f"/{index}{each['pointer']}"}
                for each in problem["errors"] or [whole]
            ]
        return {"index": index, "id": ident, "outcome": outcome.value, "errors": errors}


def id_of(text: str) -> str:
    """Return the id that stands in an address, or raise what is answered with a 400."""
    try:
        return documents.read_hex(text)
    except ValueError as error:
        raise MalformedId({"id": [ErrorDetail(str(error), code=MalformedId.code)]}) from None
