"""What each kind of upload says of itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rest_framework.serializers import Serializer

from core.errors import InvalidInput
from uploads.models import Upload, UploadKey, UploadRow
from uploads.states import Outcome

# What is a row of a table here: text, whole number or yes/no by column.
Cells = dict[str, str | int | bool | None]
Changes = dict[str, list[Any]]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a file. `example` stands in the template; a `required` one in every header."""

    name: str
    example: str | int | bool = ""
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an item (a row, or the rows of one order) will do, once `write` is called."""

    outcome: Outcome
    subject: str = ""
    changes: Changes = field(default_factory=dict)
    # What later items of the file may not say again.
    keys: Sequence[str] = ()
    # Returns the subject, which may be known only now.
    write: Callable[[], str] | None = None
    # What `Batch.write_together` needs to do the same.
    together: Any = None
    # Called once it is written, or would be: what later items of the batch must know.
    remember: Callable[[], None] | None = None


class Batch(ABC):
    """Some items of an upload that are planned together, with what they need read at once.

    `plan` only reads. With `writing`, the batch is made in the transaction that writes it.
    """

    columns: ClassVar[tuple[Column, ...]]
    # Neighbouring rows with the same of these are one item; without any each row is one.
    grouped_by: ClassVar[tuple[str, ...]] = ()
    # Items of one transaction that writes: few, where it holds locks that customers wait for.
    written_at_once: ClassVar[int] = 200
    # Whether `write_together` is there.
    quick: ClassVar[bool] = False
    # Whether what a refused item said may not be said again either.
    refused_count: ClassVar[bool] = False

    def __init__(
        self, *, upload: Upload, items: Sequence[Sequence[UploadRow]], writing: bool
    ) -> None:
        self.upload = upload
        self.by = upload.by
        self.items = items
        self.writing = writing
        self.rows = [row for item in items for row in item]
        self._said: dict[str, UploadRow] = {}
        self._new: dict[str, UploadRow] = {}
        self.load()
        self._load_said()

    @abstractmethod
    def load(self) -> None:
        """Read what the items name, in a fixed number of statements."""

    @abstractmethod
    def keys(self, data: Mapping[str, str]) -> Iterable[str]:
        """Return what the row says that other rows may have said before."""

    @abstractmethod
    def plan(self, item: Sequence[UploadRow]) -> Plan:
        """Return what the item will do.

        Raises:
            DomainError, ValidationError: it cannot be done; `locate` knows the errors' places.
        """

    @classmethod
    @abstractmethod
    def export(cls) -> Iterator[Cells]:
        """Yield all that there is as rows of such a file, a part at a time."""

    @classmethod  # noqa: B027  some have nothing to lock
    def lock_all(cls, upload: Upload) -> None:
        """Lock what the whole upload is going to write, in the order in which others do."""

    def write_together(self, plans: Sequence[Plan]) -> list[str]:
        """Do what all these plans' `write` would do, and return their subjects.

        For kinds that have a quick way for many; all plans then carry `together`. Raises
        `DomainError` where one is refused, and has then done nothing.
        """
        raise NotImplementedError  # asked of kinds that are `quick` alone

    def locate(self, item: Sequence[UploadRow], path: Sequence[str | int]) -> tuple[UploadRow, str]:
        """Return the row and the column that an error's path leads to."""
        return item[0], str(path[-1]) if path else ""

    def said_before(self, key: str) -> UploadRow | None:
        """Return the earlier row of this file that said it and was not refused."""
        return self._said.get(key)

    def remember(self, item: Sequence[UploadRow], plan: Plan) -> None:
        self._say(item[0], plan.keys)
        if plan.remember:
            plan.remember()

    def remember_refused(self, item: Sequence[UploadRow]) -> None:
        if self.refused_count:
            self._say(item[0], self.keys(item[0].data))

    def _say(self, row: UploadRow, keys: Iterable[str]) -> None:
        for key in keys:
            if key not in self._said:
                self._said[key] = self._new[key] = row

    def refuse_repeated(self, column: str, key: str, text: str) -> None:
        if earlier := self.said_before(key):
            raise InvalidInput.at(
                column,
                detail=f"{text} stands in row {earlier.number} already.",
                code="duplicate",
            )

    def _load_said(self) -> None:
        wanted = {key for row in self.rows for key in self.keys(row.data)}
        before = self.rows[0].number
        said = dict(
            UploadKey.objects.filter(
                upload=self.upload, key__in=wanted, number__lt=before
            ).values_list("key", "number")
        )
        if said:
            rows = UploadRow.objects.filter(upload=self.upload, number__in=set(said.values()))
            by_number = {row.number: row for row in rows}
            self._said = {key: by_number[number] for key, number in said.items()}

    def keep_said(self) -> None:
        """Let later batches know what this one says; where two say the same, the first one."""
        UploadKey.objects.bulk_create(
            [
                UploadKey(upload=self.upload, key=key, number=row.number)
                for key, row in self._new.items()
            ],
            ignore_conflicts=True,
        )

    def cells(self, name: str) -> set[str]:
        """Return what stands in a column of all rows."""
        return {row.data[name].strip() for row in self.rows if name in row.data}


def checked(form: Serializer[Any], cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return valid input. One form serves many rows: to make one costs more than to use it."""
    return dict(form.run_validation(dict(cells)))


def differs(before: Any, after: Any) -> bool:
    """Tell whether a cell says something else than what is there, whatever was lost on its way."""
    if isinstance(before, str) and isinstance(after, str):
        return _plain(before) != _plain(after)
    return bool(before != after)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def shown(value: Any) -> Any:
    """Return a value as it stands in the list of changes."""
    return value if isinstance(value, bool | int | None) else str(value)
