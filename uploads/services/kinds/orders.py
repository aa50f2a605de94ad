"""Orders, a line a row, by their number or their reference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from catalog.models import Variant
from core.api.serializers import InputSerializer, MoneyField
from core.errors import FieldError, InvalidInput
from orders.api.serializers import NewOrderInput
from orders.models import Order
from orders.services import Wanted, place_order
from orders.states import DeliveryMethod, OrderStatus
from uploads.models import Upload, UploadRow
from uploads.states import Outcome

from .base import Batch, Cells, Column, Plan, checked, differs
from .paging import by_key
from .products import lock_variants

_ADDRESS = ("recipient", "address_line_1", "address_line_2", "city", "postcode", "country")
# Of the whole order, so the same in all its rows; the first row is enough.
_HEAD = (
    "number",
    "reference",
    "customer",
    "note",
    "delivery_method",
    *_ADDRESS,
    "status",
    "total",
    "placed_at",
)


class _Informational(InputSerializer):
    """What the shop works out by itself: looked at, not taken over."""

    unit_price = MoneyField(required=False)
    total = MoneyField(max_digits=14, required=False)
    placed_at = serializers.DateTimeField(required=False)


class Orders(Batch):
    """Neighbouring rows with the same number or reference are one order.

    One that is known must say what is known: orders are not changed by uploads. A new one has a
    reference, lest it be placed twice, and is placed now, at the present prices, from the present
    stock; its customer is not told. What it says of prices must be true.
    """

    columns = (
        Column(name="number"),
        Column(name="reference", example="WEB-1001"),
        Column(name="customer", example="C1001", required=True),
        Column(name="sku", example="CHAI-250", required=True),
        Column(name="quantity", example=2, required=True),
        Column(name="unit_price", example="180.00"),
        Column(name="note", example="Ring twice."),
        Column(name="delivery_method", example="delivery"),
        Column(name="recipient", example="Wanjiru Kamau"),
        Column(name="address_line_1", example="Moi Avenue 12"),
        Column(name="address_line_2"),
        Column(name="city", example="Nairobi"),
        Column(name="postcode", example="00100"),
        Column(name="country", example="KE"),
        Column(name="status"),
        Column(name="total"),
        Column(name="placed_at"),
    )
    grouped_by = ("number", "reference")
    # Each holds the stock of its goods, for which customers wait.
    written_at_once = 1
    # The rest of an order that was refused is not an order.
    refused_count = True

    def load(self) -> None:
        self._form, self._facts = NewOrderInput(), _Informational()
        orders = Order.objects.select_related("customer").prefetch_related("lines")
        self._by_number = {
            each.number: each for each in orders.filter(number__in=self.cells("number"))
        }
        self._by_reference = {
            each.reference: each for each in orders.filter(reference__in=self.cells("reference"))
        }
        self._goods = {
            each.sku.lower(): each for each in Variant.objects.for_sale(self.cells("sku"))
        }

    def keys(self, data: Mapping[str, str]) -> Iterable[str]:
        return [f"{name}:{data[name].strip()}" for name in ("number", "reference") if name in data]

    def plan(self, item: Sequence[UploadRow]) -> Plan:
        head = _head_of(item)
        for key in self.keys(item[0].data):
            name, _, value = key.partition(":")
            self.refuse_repeated(name, key, value)
        facts = [checked(self._facts, _only(row.data, self._facts.fields)) for row in item]
        number, reference = head.get("number", ""), head.get("reference", "")
        known = self._by_number.get(number) or self._by_reference.get(reference)
        if known:
            return self._plan_known(known, item, head, facts)
        if number:
            detail = "There is no such order. Numbers are the shop's: give a new order a reference."
            raise InvalidInput.at("number", detail=detail, code="does_not_exist")
        if not reference:
            detail = "Needed for a new order, so that it is not placed twice."
            raise InvalidInput.at("reference", detail=detail, code="required")
        return self._plan_new(item, head, facts)

    def _plan_known(
        self,
        order: Order,
        item: Sequence[UploadRow],
        head: Mapping[str, str],
        facts: Sequence[Mapping[str, Any]],
    ) -> Plan:
        present = _head_cells(order)
        errors = [
            _differs(name, f"Order {order.number} has {present[name]!r}.")
            for name, cell in head.items()
            if name not in {"total", "placed_at"} and differs(str(present[name] or ""), cell)
        ]
        told = {name: value for each in facts for name, value in each.items()}
        errors += [
            _differs(name, f"Order {order.number} has {present[name]}.")
            for name in ("total", "placed_at")
            if name in told and told[name] != getattr(order, name)
        ]
        lines = list(order.lines.all())
        prices = {line.sku.lower(): line.unit_price for line in lines}
        wanted: dict[str, str] = {}
        for row in item:
            sku = row.data.get("sku", "").strip().lower()
            quantity = row.data.get("quantity", "").strip()
            before = wanted.get(sku, "0")
            both = (before + quantity).isdecimal() and len(quantity) < 10
            wanted[sku] = str(int(before) + int(quantity)) if both else quantity
        ordered: dict[str, int] = {}
        for line in lines:
            ordered[line.sku.lower()] = ordered.get(line.sku.lower(), 0) + line.quantity
        if wanted != {sku: str(quantity) for sku, quantity in ordered.items()}:
            has = ", ".join(f"{line.quantity} × {line.sku}" for line in lines[:10])
            errors.append(_differs("sku", f"Order {order.number} has {has}."))
        errors += [
            _differs("unit_price", f"Order {order.number} has {prices[sku]} for {row.data['sku']}.")
            for row, fact in zip(item, facts, strict=True)
            if (sku := row.data.get("sku", "").strip().lower()) in prices
            and fact.get("unit_price", prices[sku]) != prices[sku]
        ]
        if errors:
            raise InvalidInput("The order is known, and is another.", errors=errors)
        return Plan(
            outcome=Outcome.UNCHANGED, subject=order.number, keys=list(self.keys(item[0].data))
        )

    def _plan_new(
        self,
        item: Sequence[UploadRow],
        head: Mapping[str, str],
        facts: Sequence[Mapping[str, Any]],
    ) -> Plan:
        errors = []
        if head.get("status", OrderStatus.PENDING) != OrderStatus.PENDING:
            detail = "A new order is pending; its life begins here."
            errors.append(FieldError(path=("status",), code="not_allowed", detail=detail))
        if "placed_at" in head:
            detail = "A new order is placed now; leave this empty."
            errors.append(FieldError(path=("placed_at",), code="not_allowed", detail=detail))
        if errors:
            raise InvalidInput("Not for a new order.", errors=errors)
        fields = checked(self._form, _as_rest(item, head))
        fields.pop("draft", None)
        lines: list[Wanted] = fields["lines"]
        fields["delivery"].check()
        self._check_goods(lines, head, facts)
        prices = {line.sku.lower(): self._goods[line.sku.lower()].price for line in lines}
        told = any("unit_price" in fact or "total" in fact for fact in facts)

        def remember() -> None:
            if not self.writing:
                for line in lines:
                    sku = line.sku.lower()
                    self.upload.memo[sku] = self.upload.memo.get(sku, 0) + line.quantity

        def write() -> str:
            order = place_order(**fields, by=self.by, prices=prices if told else None, quietly=True)
            return order.number

        return Plan(
            outcome=Outcome.CREATED,
            subject=head["reference"],
            changes={name: [None, cell] for name, cell in head.items()}
            | {f"{line.sku} quantity": [0, line.quantity] for line in lines},
            keys=list(self.keys(item[0].data)),
            write=write,
            remember=remember,
        )

    def _check_goods(
        self, lines: Sequence[Wanted], head: Mapping[str, str], facts: Sequence[Mapping[str, Any]]
    ) -> None:
        """Say what placing would say, and whether the prices that the file tells are true."""
        errors, sum_, wanted = [], Decimal(0), dict[str, int]()
        for index, (line, fact) in enumerate(zip(lines, facts, strict=True)):
            variant = self._goods.get(line.sku.lower())
            if variant is None:
                detail = f"{line.sku} is not for sale."
                errors.append(_of_line(index, "sku", "unknown_sku", detail))
                continue
            sum_ += variant.price * line.quantity
            if fact.get("unit_price", variant.price) != variant.price:
                detail = f"{line.sku} is {variant.price} now."
                errors.append(_of_line(index, "unit_price", "price_changed", detail))
            sku = line.sku.lower()
            wanted[sku] = wanted.get(sku, 0) + line.quantity
            left = variant.stock - self.upload.memo.get(sku, 0)
            if not self.writing and wanted[sku] > left:
                detail = f"{variant.display_name} ({variant.sku}): {max(left, 0)} left,"
                detail += f" {wanted[sku]} asked for."
                errors.append(_of_line(index, "quantity", "out_of_stock", detail))
        told = next((fact["total"] for fact in facts if "total" in fact), sum_)
        if not errors and told != sum_:
            errors.append(_differs("total", f"Its lines cost {sum_} now."))
        if errors:
            raise InvalidInput("A line cannot be ordered.", errors=errors)

    def locate(self, item: Sequence[UploadRow], path: Sequence[str | int]) -> tuple[UploadRow, str]:
        match list(path):
            case ["lines", int(index), *rest]:
                return item[index], "unit_price" if rest == ["price"] else str((rest or [""])[0])
            case ["delivery_address", part]:
                name = str(part)
                return item[0], f"address_{name}" if name.startswith("line_") else name
            case _:
                return super().locate(item, path)

    @classmethod
    def lock_all(cls, upload: Upload) -> None:
        lock_variants(upload)

    @classmethod
    def export(cls) -> Iterator[Cells]:
        for order in by_key(Order.objects.select_related("customer").prefetch_related("lines")):
            head = _head_cells(order)
            for line in order.lines.all():
                yield {
                    **head,
                    "sku": line.sku,
                    "quantity": line.quantity,
                    "unit_price": str(line.unit_price),
                }


def _head_of(item: Sequence[UploadRow]) -> dict[str, str]:
    """Return what the rows say of the whole order; they may not contradict each other."""
    head: dict[str, str] = {}
    for row in item:
        for name in _HEAD:
            cell = row.data.get(name, "").strip()
            if cell and head.setdefault(name, cell) != cell:
                index = list(item).index(row)
                detail = f"Row {item[0].number}, of the same order, says {head[name]!r}."
                raise InvalidInput("", errors=[_of_line(index, name, "differs", detail)])
    return head


def _head_cells(order: Order) -> Cells:
    return {
        "number": order.number,
        "reference": order.reference or "",
        "customer": order.customer.code,
        "note": order.note,
        "delivery_method": order.delivery_method,
        **{name: getattr(order, name) for name in _ADDRESS},
        "status": order.status,
        "total": str(order.total),
        "placed_at": order.placed_at.astimezone(UTC).isoformat(),
    }


def _as_rest(item: Sequence[UploadRow], head: Mapping[str, str]) -> dict[str, Any]:
    """Return an order as REST takes it."""
    address = {name.removeprefix("address_"): head[name] for name in _ADDRESS if name in head}
    delivers = head.get("delivery_method") == DeliveryMethod.DELIVERY
    return {
        **{
            name: head[name]
            for name in ("customer", "note", "reference", "delivery_method")
            if name in head
        },
        "lines": [_only(row.data, ("sku", "quantity")) for row in item],
        **({"delivery_address": address} if address or delivers else {}),
    }


def _only(data: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: data[name] for name in names if name in data}


def _differs(name: str, detail: str) -> FieldError:
    return FieldError(path=(name,), code="differs", detail=detail)


def _of_line(index: int, name: str, code: str, detail: str) -> FieldError:
    return FieldError(path=("lines", index, name), code=code, detail=detail)
