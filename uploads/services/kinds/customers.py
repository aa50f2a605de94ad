"""Customers, by their code."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from core.errors import InvalidInput
from core.phones import parse_phone
from customers.api.serializers import CustomerInput
from customers.models import Customer
from customers.services import check_customer, create_customer, create_customers, update_customer
from uploads.models import UploadRow
from uploads.states import Outcome

from .base import Batch, Cells, Changes, Column, Plan, checked, differs
from .paging import by_key

_FIELDS = ("name", "phone", "email", "language")


class Customers(Batch):
    """One row is one customer.

    With a code: the one of this code, made if there is none. Without: a new one, unless somebody
    has the phone or e-mail already. Then the row is either about them, word for word, or an error:
    two people may share a phone, so they are never merged by it.
    """

    columns = (
        Column(name="code", example="C-17"),
        Column(name="name", example="Wanjiru Kamau", required=True),
        Column(name="phone", example="0722 000 000"),
        Column(name="email", example="wanjiru@example.com"),
        Column(name="language", example="sw"),
    )

    quick = True

    def load(self) -> None:
        self._new_form, self._change_form = CustomerInput(), CustomerInput(partial=True)
        self._by_code = {
            each.code: each for each in Customer.objects.filter(code__in=self.cells("code"))
        }
        without_code = [row.data for row in self.rows if "code" not in row.data]
        self._alike: dict[str, list[Customer]] = {}
        for name in ("phone", "email"):
            wanted = {value for data in without_code if (value := _reached(data, name))}
            for each in Customer.objects.filter(**{f"{name}__in": wanted}) if wanted else ():
                self._alike.setdefault(f"{name}:{getattr(each, name)}", []).append(each)

    def keys(self, data: Mapping[str, str]) -> Iterable[str]:
        if "code" in data:
            return [f"code:{data['code'].strip()}"]
        return [f"{name}:{value}" for name in ("phone", "email") if (value := _reached(data, name))]

    def plan(self, item: Sequence[UploadRow]) -> Plan:
        [row] = item
        code = row.data.get("code", "").strip()
        known = self._by_code.get(code)
        fields = checked(self._change_form if known else self._new_form, row.data)
        for key in self.keys(row.data):
            self.refuse_repeated(key.partition(":")[0], key, key.partition(":")[2])
        if known is None:
            return self._plan_new(row, fields)
        return self._plan_change(known, fields)

    def _plan_new(self, row: UploadRow, fields: dict[str, Any]) -> Plan:
        wanted = Customer(**fields)
        check_customer(wanted)
        if not wanted.code:
            alike = {
                each.pk: each for key in self.keys(row.data) for each in self._alike.get(key, ())
            }
            for each in alike.values():
                if not _changes(each, wanted, fields):
                    return Plan(outcome=Outcome.UNCHANGED, subject=each.code, keys=_keys_of(wanted))
            if alike:
                codes = ", ".join(each.code for each in alike.values())
                raise InvalidInput.at(
                    "code",
                    detail=f"{codes} has this phone number or e-mail address. Write the code to"
                    " change them, or a new one if this is somebody else.",
                    code="exists",
                )
        return Plan(
            outcome=Outcome.CREATED,
            subject=wanted.code,
            changes={
                name: [None, getattr(wanted, name)] for name in fields if getattr(wanted, name)
            },
            keys=_keys_of(wanted),
            write=lambda: create_customer(**fields).code,
            together=fields,
        )

    def _plan_change(self, known: Customer, fields: dict[str, Any]) -> Plan:
        wanted = Customer(
            forgotten_at=known.forgotten_at,
            **{name: getattr(known, name) for name in ("code", *_FIELDS)} | fields,
        )
        check_customer(wanted)
        changes = _changes(known, wanted, fields)

        def write() -> str:
            after = {name: getattr(wanted, name) for name in changes}
            return update_customer(customer_id=known.pk, **after).code

        return Plan(
            outcome=Outcome.CHANGED if changes else Outcome.UNCHANGED,
            subject=known.code,
            changes=changes,
            keys=_keys_of(wanted),
            write=write if changes else None,
        )

    def write_together(self, plans: Sequence[Plan]) -> list[str]:
        made = iter(create_customers(wanted=[each.together for each in plans if each.together]))
        return [
            next(made).code if each.together else each.write() if each.write else each.subject
            for each in plans
        ]

    @classmethod
    def export(cls) -> Iterator[Cells]:
        for each in by_key(Customer.objects.only("code", *_FIELDS)):
            yield {name: getattr(each, name) for name in ("code", *_FIELDS)}


def _reached(data: Mapping[str, str], name: str) -> str:
    """Return the phone or e-mail of a row in the form in which it is stored, if it is one."""
    text = data.get(name, "").strip()
    if name == "email":
        return text.lower()
    with suppress(InvalidInput):
        return parse_phone(text) if text else ""
    return ""


def _keys_of(customer: Customer) -> list[str]:
    return [
        f"{name}:{value}"
        for name in ("code", "phone", "email")
        if (value := getattr(customer, name))
    ]


def _changes(before: Customer, after: Customer, fields: Mapping[str, Any]) -> Changes:
    return {
        name: [getattr(before, name), getattr(after, name)]
        for name in _FIELDS
        if name in fields and differs(getattr(before, name), getattr(after, name))
    }
