"""What the shop's books should say, kept in Python and worked out apart from the services.

Stock is never counted up and down here: it follows from what was booked and from what each order
is. `tests/test_order_machine.py` holds the database against it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from catalog.exceptions import OutOfStock, Taken
from core.errors import Conflict, InvalidInput
from orders.exceptions import (
    CartChanged,
    CartEmpty,
    EditNotAllowed,
    MoveNotAllowed,
    NotForSale,
    NotInCart,
    PriceChanged,
    StillWithCustomer,
    UnknownGoods,
)
from orders.services import Delivery, Wanted

MOST_PIECES = 2_147_483_647
MOST_MONEY = Decimal("999999999999.99")

# What a shop's people would say, not what `orders.states` says.
MAY_BECOME = {
    "": {"draft", "pending"},
    "draft": {"pending", "cancelled"},
    "pending": {"accepted", "rejected", "cancelled"},
    "accepted": {"fulfilled", "cancelled"},
    "fulfilled": set(),
    "rejected": set(),
    "cancelled": set(),
}

# Columns.
LINE = ("sku", "name", "unit_price", "quantity", "fulfilled", "returned")
RECORD = ("verb", "from_status", "to_status", "by_id", "reason", "changes")

# What is refused: the exception's class and the (path, code) of its errors.
Refusal = tuple[type[Exception], list[tuple[tuple[str | int, ...], str]]]


@dataclass
class Product:
    pk: int
    name: str
    published: bool = True
    archived: bool = False


@dataclass
class Goods:
    """A variant. `booked` are the pieces that came or went for no order."""

    pk: int
    product: Product
    sku: str
    price: Decimal
    booked: int
    archived: bool = False

    @property
    def for_sale(self) -> bool:
        return self.product.published and not self.product.archived and not self.archived


@dataclass
class Line:
    goods: Goods
    sku: str
    name: str
    price: Decimal
    quantity: int
    fulfilled: int = 0
    returned: int = 0
    restocked: int = 0

    @property
    def outstanding(self) -> int:
        return self.quantity - self.fulfilled

    @property
    def with_customer(self) -> int:
        return self.fulfilled - self.returned

    def as_stored(self) -> tuple[Any, ...]:
        return (self.sku, self.name, self.price, self.quantity, self.fulfilled, self.returned)


@dataclass
class Order:
    pk: int
    number: str
    customer: int
    lines: list[Line]
    note: str
    delivery: Delivery
    status: str
    reference: str | None = None
    assigned_to: Any = None
    history: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        return sum((line.price * line.quantity for line in self.lines), Decimal("0.00"))

    def taken_of(self, goods: Goods) -> int:
        """Pieces that are not on the shelf because of this order."""
        return sum(self._taken(line) for line in self.lines if line.goods is goods)

    def _taken(self, line: Line) -> int:
        if self.status == "draft":
            return 0
        kept = line.fulfilled if self.status in {"rejected", "cancelled"} else line.quantity
        return kept - line.restocked

    def line(self, sku: str) -> Line | None:
        return next((line for line in self.lines if line.sku.lower() == sku.lower()), None)

    def as_stored(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "status": self.status,
            "customer_id": self.customer,
            "note": self.note,
            "reference": self.reference,
            "assigned_to_id": self.assigned_to and self.assigned_to.pk,
            "total": self.total,
            **self.delivery.as_fields(),
        }

    def change(
        self, lines: list[Line], note: str | None, delivery: Delivery | None
    ) -> dict[str, Any]:
        """Let these be its lines, note and delivery; return what of it is new."""
        changes: dict[str, Any] = {}
        for sku in {line.sku for line in [*self.lines, *lines]}:
            before, after = (
                sum(line.quantity for line in each if line.sku == sku)
                for each in (self.lines, lines)
            )
            if before != after:
                changes[f"{sku} quantity"] = [before, after]
        total, self.lines = self.total, lines
        if total != self.total:
            changes["total"] = [str(total), str(self.total)]
        if note is not None and note != self.note:
            changes["note"] = [self.note, note]
            self.note = note
        if delivery is not None:
            old, new = self.delivery.as_fields(), delivery.as_fields()
            changes |= {name: [old[name], new[name]] for name in new if old[name] != new[name]}
            self.delivery = delivery
        return changes

    def add(self, lines: list[Wanted], name: str) -> dict[str, Any]:
        """Count these pieces as fulfilled, returned or restocked; return what of it is new."""
        before = {line.sku: getattr(line, name) for line in self.lines}
        for wanted in lines:
            line = self.line(wanted.sku)
            setattr(line, name, getattr(line, name) + wanted.quantity)
        return {
            f"{line.sku} {name}": [before[line.sku], getattr(line, name)]
            for line in self.lines
            if getattr(line, name) != before[line.sku]
        }

    def write(self, verb: str, *, by: Any, to: str = "", reason: str = "", **more: Any) -> None:
        before = self.history[-1][2] if self.history else ""
        self.status = to or self.status
        self.history.append(
            (verb, before, self.status, by and by.pk, reason, more.get("changes", {}))
        )


@dataclass
class CartLine:
    goods: Goods
    quantity: int
    seen: Decimal

    @property
    def price(self) -> Decimal:
        return self.goods.price if self.goods.for_sale else self.seen


@dataclass
class Cart:
    """A shopper's, or a stranger's with a token. `kept`: there is a row of it."""

    lines: list[CartLine] = field(default_factory=list)
    kept: bool = False
    token: str = ""

    @property
    def total(self) -> Decimal:
        return sum(
            (line.price * line.quantity for line in self.lines if line.goods.for_sale),
            Decimal("0.00"),
        )

    def of(self, sku: str) -> list[CartLine]:
        """Return the lines of this SKU, which a removed variant gives free to another."""
        found = [line for line in self.lines if line.goods.sku.lower() == sku.lower()]
        return sorted(found, key=lambda line: not line.goods.for_sale)

    def left_with(self, lines: list[CartLine]) -> None:
        self.lines = lines
        self.kept = bool(lines)

    def take_over(self, other: "Cart") -> None:
        for line in other.lines:
            mine = next((each for each in self.lines if each.goods is line.goods), None)
            if mine:
                mine.quantity = min(mine.quantity + line.quantity, 1_000_000)
                mine.seen = min(mine.seen, line.seen)
            else:
                self.lines.append(line)
        self.left_with(self.lines)
        other.left_with([])


class Books:
    def __init__(self) -> None:
        self.products: list[Product] = []
        self.goods: list[Goods] = []
        self.orders: list[Order] = []

    def stock(self, goods: Goods) -> int:
        return goods.booked - sum(order.taken_of(goods) for order in self.orders)

    def stocks(self) -> dict[int, int]:
        return {goods.pk: self.stock(goods) for goods in self.goods}

    def sold_as(self, sku: str) -> Goods | None:
        """Return what a shopper gets who asks for this SKU."""
        return next(
            (each for each in self.goods if each.for_sale and each.sku.lower() == sku.lower()), None
        )

    def is_ordered(self, goods: Iterable[Goods]) -> bool:
        among = list(goods)
        return any(line.goods in among for order in self.orders for line in order.lines)

    # Why something is refused; None where it must succeed. The first reason counts.

    def why_no_order(  # noqa: PLR0911  a reason each
        self,
        lines: list[Wanted],
        delivery: Delivery,
        *,
        prices: dict[str, Decimal] | None = None,
        reference: str | None = None,
        takes_stock: bool = True,
    ) -> Refusal | None:
        if refusal := _bad_delivery(delivery) or _bad_quantities(lines):
            return refusal
        if unknown := [i for i, line in enumerate(lines) if self.sold_as(line.sku) is None]:
            return _unknown(unknown)
        found = [self.sold_as(line.sku) for line in lines]
        if prices is not None and (
            changed := [
                i
                for i, (line, goods) in enumerate(zip(lines, found, strict=True))
                if prices.get(line.sku.lower()) != goods.price
            ]
        ):
            return PriceChanged, [(("lines", i, "price"), "price_changed") for i in changed]
        pieces = [(goods, line.quantity) for goods, line in zip(found, lines, strict=True)]
        if takes_stock and (refusal := self.short(pieces)):
            return refusal
        if sum(goods.price * quantity for goods, quantity in pieces) > MOST_MONEY:
            return InvalidInput, [(("lines",), "invalid")]
        if reference and any(order.reference == reference for order in self.orders):
            return InvalidInput, [(("reference",), "taken")]
        return None

    def short(self, pieces: list[tuple[Goods, int]]) -> Refusal | None:
        """Name the first line of each variant of which there is too little."""
        wanted: dict[int, int] = {}
        first: dict[int, int] = {}
        for index, (goods, quantity) in enumerate(pieces):
            wanted[goods.pk] = wanted.get(goods.pk, 0) + quantity
            first.setdefault(goods.pk, index)
        stocks = self.stocks()
        too_few = sorted(key for key, quantity in wanted.items() if quantity > stocks[key])
        if not too_few:
            return None
        return OutOfStock, [(("lines", first[key], "quantity"), "out_of_stock") for key in too_few]

    def why_not_become(self, order: Order, status: str) -> Refusal | None:
        return None if status in MAY_BECOME[order.status] else (MoveNotAllowed, [])

    def why_not_placed(self, order: Order) -> Refusal | None:
        if refusal := self.why_not_become(order, "pending"):
            return refusal
        if gone := [i for i, line in enumerate(order.lines) if not line.goods.for_sale]:
            return _unknown(gone)
        return self.short([(line.goods, line.quantity) for line in order.lines])

    def after_edit(self, order: Order, lines: list[Wanted]) -> "list[Line] | Refusal":
        """Return the lines that an order would have, or why it cannot have them."""
        if refusal := _bad_quantities(lines):
            return refusal
        chosen: list[Goods] = []
        unknown = []
        for index, wanted in enumerate(lines):
            line = order.line(wanted.sku)
            goods = line.goods if line else self.sold_as(wanted.sku)
            if goods is None:
                unknown.append(index)
            else:
                chosen.append(goods)
        if unknown:
            return _unknown(unknown)
        wanted_of: dict[int, int] = {}
        for goods, wanted in zip(chosen, lines, strict=True):
            wanted_of[goods.pk] = wanted_of.get(goods.pk, 0) + wanted.quantity
        before = {line.goods.pk: line for line in order.lines}
        # What is sold no longer may stay or become less.
        if gone := [
            index
            for index, goods in enumerate(chosen)
            if not goods.for_sale
            and (goods.pk not in before or wanted_of[goods.pk] > before[goods.pk].quantity)
        ]:
            return _unknown(gone)
        by_key = {goods.pk: goods for goods in chosen}
        after = []
        for key, quantity in wanted_of.items():
            old, goods = before.get(key), by_key[key]
            sku, name, price = (
                (old.sku, old.name, old.price)
                if old
                else (goods.sku, goods.product.name, goods.price)
            )
            after.append(Line(goods, sku, name, price, quantity))
        if sum((line.price * line.quantity for line in after), Decimal(0)) > MOST_MONEY:
            return InvalidInput, [(("lines",), "invalid")]
        if order.status != "draft" and (refusal := self._no_stock_for(before, wanted_of, chosen)):
            return refusal
        # What was in the order stays where it stood; what is new comes last.
        stood = {key: index for index, key in enumerate(before)}
        return sorted(after, key=lambda line: stood.get(line.goods.pk, len(stood)))

    def _no_stock_for(
        self, before: dict[int, Line], wanted: dict[int, int], chosen: list[Goods]
    ) -> Refusal | None:
        stocks = self.stocks()
        left = {
            key: stocks[key] + (before[key].quantity if key in before else 0) - wanted.get(key, 0)
            for key in before.keys() | wanted.keys()
        }
        if any(stock > MOST_PIECES for stock in left.values()):
            return Conflict, []
        if too_few := sorted(key for key, stock in left.items() if stock < 0):
            keys = [goods.pk for goods in chosen]
            return OutOfStock, [
                (("lines", keys.index(key), "quantity"), "out_of_stock") for key in too_few
            ]
        return None

    def why_not_given_back(self, pieces: dict[int, int]) -> Refusal | None:
        stocks = self.stocks()
        full = any(stocks[key] + quantity > MOST_PIECES for key, quantity in pieces.items())
        return (Conflict, []) if full else None

    def why_not_ended(self, order: Order, status: str) -> Refusal | None:
        """Say why an order cannot be cancelled or rejected."""
        if refusal := self.why_not_become(order, status):
            return refusal
        if any(line.with_customer for line in order.lines):
            return StillWithCustomer, []
        if order.status == "draft":
            return None
        return self.why_not_given_back({line.goods.pk: line.outstanding for line in order.lines})

    def why_not_edited(self, order: Order, delivery: Delivery | None) -> Refusal | None:
        if order.status not in {"draft", "pending"}:
            return EditNotAllowed, []
        return _bad_delivery(delivery) if delivery else None

    def why_not_pieces(self, order: Order, lines: list[Wanted], most: str) -> Refusal | None:
        """Say why these pieces cannot be fulfilled or returned; `most` names the bound."""
        if not lines:
            return InvalidInput, [(("lines",), "empty")]
        so_far: dict[str, int] = {}
        errors: list[tuple[tuple[str | int, ...], str]] = []
        for index, wanted in enumerate(lines):
            line = order.line(wanted.sku)
            if line is None:
                errors.append((("lines", index, "sku"), "unknown_sku"))
                continue
            so_far[line.sku] = so_far.get(line.sku, 0) + wanted.quantity
            if wanted.quantity < 1 or so_far[line.sku] > getattr(line, most):
                errors.append((("lines", index, "quantity"), "out_of_bounds"))
        return (InvalidInput, errors) if errors else None

    # Carts.

    def cart_after(self, cart: Cart, lines: list[Wanted]) -> "list[CartLine] | Refusal":
        """Return what a cart has with these lines added, or why they cannot be."""
        if unknown := [i for i, line in enumerate(lines) if self.sold_as(line.sku) is None]:
            return _unknown(unknown)
        after = {
            line.goods.pk: CartLine(line.goods, line.quantity, line.seen) for line in cart.lines
        }
        first: dict[int, int] = {}
        for index, wanted in enumerate(lines):
            goods = self.sold_as(wanted.sku)
            first.setdefault(goods.pk, index)
            line = after.setdefault(goods.pk, CartLine(goods, 0, goods.price))
            line.quantity += wanted.quantity
        changed = [(key, after[key].quantity) for key in first]
        for most, kind, code in (
            (dict.fromkeys(first, 1_000_000), InvalidInput, "out_of_bounds"),
            (self.stocks(), OutOfStock, "out_of_stock"),
        ):
            if beyond := [key for key, quantity in changed if not 1 <= quantity <= most[key]]:
                return kind, [(("lines", first[key], "quantity"), code) for key in beyond]
        return list(after.values())

    def why_not_in_cart(self, cart: Cart, sku: str, quantity: int | None = None) -> Refusal | None:
        """Say why a line cannot be removed, or be of so many pieces."""
        if not (found := cart.of(sku)):
            return NotInCart, []
        if quantity is None:
            return None
        if not found[0].goods.for_sale:
            return NotForSale, []
        if not 1 <= quantity <= 1_000_000:
            return InvalidInput, [(("quantity",), "out_of_bounds")]
        if quantity > self.stock(found[0].goods):
            return OutOfStock, [(("quantity",), "out_of_stock")]
        return None

    def notices(self, cart: Cart) -> list[tuple[tuple[str | int, ...], str]]:
        """Return what a shopper must be told before this cart is placed."""
        found: list[tuple[tuple[str | int, ...], str]] = []
        for index, line in enumerate(cart.lines):
            stock = self.stock(line.goods)
            if not line.goods.for_sale:
                found.append((("lines", index), "not_for_sale"))
                continue
            if line.goods.price != line.seen:
                found.append((("lines", index), "price_changed"))
            if line.quantity > stock:
                found.append((("lines", index), "less_left" if stock else "out_of_stock"))
        return found

    def why_not_ordered(self, cart: Cart, delivery: Delivery) -> Refusal | None:
        if not cart.lines:
            return CartEmpty, []
        if notices := self.notices(cart):
            return CartChanged, notices
        wanted = [Wanted(sku=line.goods.sku, quantity=line.quantity) for line in cart.lines]
        return self.why_no_order(wanted, delivery)

    # The catalogue.

    def why_not_returned(
        self, order: Order, lines: list[Wanted], *, restock: bool
    ) -> Refusal | None:
        if order.status not in {"accepted", "fulfilled"}:
            return MoveNotAllowed, []
        refusal = self.why_not_pieces(order, lines, "with_customer")
        if refusal or not restock:
            return refusal
        pieces: dict[int, int] = {}
        for wanted in lines:
            key = order.line(wanted.sku).goods.pk
            pieces[key] = pieces.get(key, 0) + wanted.quantity
        return self.why_not_given_back(pieces)

    def why_no_sku(self, sku: str, goods: Goods | None = None) -> Refusal | None:
        taken = any(
            each is not goods and not each.archived and each.sku.lower() == sku.lower()
            for each in self.goods
        )
        path = ("sku",) if goods else ("variants", 0, "sku")
        return (Taken, [(path, "taken")]) if taken else None


def _bad_delivery(delivery: Delivery) -> Refusal | None:
    address = {
        "recipient": delivery.recipient,
        "line_1": delivery.address_line_1,
        "city": delivery.city,
    }
    if delivery.delivery_method == "delivery":
        errors = [
            (("delivery_address", name), "required") for name, text in address.items() if not text
        ]
        return (InvalidInput, errors) if errors else None
    if any(address.values()):
        return InvalidInput, [(("delivery_address",), "not_allowed")]
    return None


def _bad_quantities(lines: list[Wanted]) -> Refusal | None:
    if not lines:
        return InvalidInput, [(("lines",), "empty")]
    errors = [
        (("lines", index, "quantity"), "out_of_bounds")
        for index, line in enumerate(lines)
        if not 1 <= line.quantity <= 1_000_000
    ]
    return (InvalidInput, errors) if errors else None


def _unknown(indexes: list[int]) -> Refusal:
    return UnknownGoods, [(("lines", index, "sku"), "unknown_sku") for index in indexes]
