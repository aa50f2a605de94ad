"""Verbs of carts: what somebody means to order. A cart holds no stock; placing it takes some."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from catalog.exceptions import OutOfStock
from catalog.models import Variant
from core import jobs
from core.errors import FieldError, InvalidInput
from customers.services import ensure_customer_of
from orders.exceptions import (
    CartChanged,
    CartEmpty,
    CartNotFound,
    ContactNeeded,
    NotForSale,
    NotInCart,
    PriceChanged,
    UnknownGoods,
)
from orders.models import Cart, CartLine, Order

from .placing import COLLECTION, MAX_LINES, MAX_QUANTITY, Delivery, Wanted, place_order

if TYPE_CHECKING:
    from orders.querysets import CartQuerySet

_CHANGED = (
    "Something has changed since you saw the cart. Read it again, accept its changes"
    " (accept-changes), and place it then."
)


@dataclass(frozen=True, kw_only=True)
class Shopper:
    """Whose cart it is: somebody's who signed in, or a stranger's by its token."""

    user: User | None = None
    token: str = ""


@dataclass(frozen=True, kw_only=True)
class Addition(Wanted):
    """`at` is where it stood in the caller's input, for errors: `("lines", 0)`."""

    at: tuple[str | int, ...] = ()


def carts_of(shopper: Shopper) -> "CartQuerySet":
    """Return the shopper's one cart, or none. Nobody finds a person's cart by a token."""
    carts = Cart.objects.for_display().live()
    if shopper.user is not None:
        return carts.filter(user=shopper.user)
    if shopper.token:
        return carts.filter(token_digest=token_digest(shopper.token))
    return carts.none()


def token_digest(token: str) -> str:
    """Return what is kept of a stranger's token: it has 256 random bits, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def open_cart(*, shopper: Shopper) -> str:
    """Begin a cart with nothing in it yet; return the token of a stranger's new one.

    Raises `CartNotFound` where the stranger's token is none.
    """
    return _opened(shopper)[1]


@transaction.atomic
def add_to_cart(*, shopper: Shopper, lines: Sequence[Addition]) -> tuple[Cart, str]:
    """Put something into the cart; so much more of it, where some is there.

    Returns the cart, and the token of a new one of a stranger, which is shown this once.

    Raises:
        CartNotFound: the stranger's token is none.
        UnknownGoods: a SKU is not for sale; all such lines are named.
        OutOfStock: the cart would ask for more than there is; all such lines are named.
        InvalidInput: there would be too many lines, or pieces of one.
    """
    found = {
        variant.sku.lower(): variant
        for variant in Variant.objects.for_sale(line.sku for line in lines)
    }
    unknown = [
        _error(line, "sku", UnknownGoods.code, f"{line.sku} is not for sale.")
        for line in lines
        if line.sku.lower() not in found
    ]
    if unknown:
        raise UnknownGoods("A line names something that is not for sale.", errors=unknown)
    cart, token = _opened(shopper)
    present = {line.variant_id: line for line in cart.lines.all()}
    changed: dict[int, CartLine] = {}
    first: dict[int, Addition] = {}
    for wanted in lines:
        variant = found[wanted.sku.lower()]
        line = present.setdefault(
            variant.pk,
            CartLine(cart=cart, variant=variant, quantity=0, seen_price=variant.price),
        )
        line.variant = variant
        line.quantity += wanted.quantity
        changed[variant.pk] = line
        first.setdefault(variant.pk, wanted)
    if len(present) > MAX_LINES:
        path = lines[0].at[:1] or ("sku",)
        detail = f"A cart has at most {MAX_LINES} lines."
        raise InvalidInput.at(*path, detail=detail, code="max_length")
    _check_quantities([(line, first[key]) for key, line in changed.items()])
    CartLine.objects.bulk_update([line for line in changed.values() if line.pk], ["quantity"])
    CartLine.objects.bulk_create([line for line in changed.values() if not line.pk])
    _changed_now(cart)
    return cart, token


@transaction.atomic
def change_cart_line(*, cart_id: int | None, sku: str, quantity: int) -> None:
    """Let a line be of so many pieces. The price that was seen stays: it is not shown here.

    Raises:
        NotInCart: there is no such line.
        NotForSale: it can only be removed.
        OutOfStock, InvalidInput: as in `add_to_cart`.
    """
    cart = _held(cart_id)
    line = _lines_of(cart, sku)[0]
    if not line.is_for_sale:
        raise NotForSale(f"{line.variant.sku} is not for sale any more; remove it from the cart.")
    line.quantity = quantity
    _check_quantities([(line, Addition(sku=line.variant.sku, quantity=quantity))])
    line.save(update_fields=["quantity"])
    _changed_now(cart)


@transaction.atomic
def remove_cart_line(*, cart_id: int | None, sku: str) -> None:
    """Raises `NotInCart` where there is no such line."""
    cart = _held(cart_id)
    CartLine.objects.filter(pk__in=[line.pk for line in _lines_of(cart, sku)]).delete()
    _changed_now(cart)


@transaction.atomic
def empty_cart(*, cart_id: int | None) -> None:
    """Take everything out. An empty cart is not kept; a stranger's token ends with it."""
    Cart.objects.filter(pk=_held(cart_id).pk).delete()


@transaction.atomic
def accept_cart_changes(*, cart_id: int | None) -> None:
    """Let the cart be what can be had now, at the prices of now, as the shopper confirmed it."""
    cart = _held(cart_id)
    if not cart.notices:
        return
    lines = cart.contents
    for line in lines:
        line.seen_price = line.unit_price
        line.quantity = min(line.quantity, line.left)
    kept = [line for line in lines if line.quantity]
    CartLine.objects.bulk_update(kept, ["quantity", "seen_price"])
    cart.lines.exclude(pk__in=[line.pk for line in kept]).delete()
    _changed_now(cart)


@transaction.atomic
def place_cart(
    *,
    user: User,
    delivery: Delivery = COLLECTION,
    note: str = "",
    check: Callable[[Cart], object] | None = None,
) -> Order:
    """Order what is in somebody's cart, for themselves, at the prices that they saw.

    Args:
        check: refuses, by an exception, a cart that is not what the caller saw.

    Raises:
        CartEmpty: nothing is in it; it may just have been placed.
        CartChanged: it has notices, each named by its line's place in the cart.
        ContactNeeded: neither a phone number nor an e-mail address is known of them.
        InvalidInput: as in `place_order`.
    """
    # The account first, then its cart: as where an account is deleted.
    try:
        customer = ensure_customer_of(user=user)
    except User.DoesNotExist:
        raise CartEmpty("There is nothing in the cart.") from None
    cart = carts_of(Shopper(user=user)).select_for_update(of=("self",), no_key=True).first()
    if cart is None or not cart.contents:
        raise CartEmpty("There is nothing in the cart.")
    if check is not None:
        check(cart)
    if customer is None:
        raise ContactNeeded(
            "The shop needs a phone number or an e-mail address to reach you. Add one to your"
            " account, then place the cart."
        )
    _refuse_changed(cart)
    lines = [Wanted(sku=line.variant.sku, quantity=line.quantity) for line in cart.contents]
    try:
        with transaction.atomic():
            order = place_order(
                customer=customer,
                lines=lines,
                by=user,
                note=note,
                delivery=delivery,
                prices={line.variant.sku.lower(): line.seen_price for line in cart.contents},
            )
            _refuse_others(cart, order)
    except (PriceChanged, OutOfStock, UnknownGoods) as error:
        # Something came in between: say it as the cart does.
        _refuse_changed(Cart.objects.for_display().get(pk=cart.pk))
        raise CartChanged(_CHANGED, errors=error.errors) from None
    # After the stock, in the order of locks of whoever deletes a variant.
    cart.delete()
    return order


@transaction.atomic
def merge_cart(*, user: User, token: str) -> None:
    """Put what a stranger's cart holds into the cart of who they turned out to be, once.

    Quantities add up, within bounds; where both know a price, the lower one was seen. Lines
    beyond the most that a cart has are left out. The token ends; one that is none is no error.
    """
    # First the stranger's: of two who bring the same token, one waits here and finds nothing.
    theirs = carts_of(Shopper(token=token)).select_for_update(of=("self",), no_key=True).first()
    if theirs is None:
        return
    own, _ = _opened(Shopper(user=user))
    lines = {line.variant_id: line for line in own.lines.all()}
    for line in theirs.contents:
        if mine := lines.get(line.variant_id):
            mine.quantity = min(mine.quantity + line.quantity, MAX_QUANTITY)
            mine.seen_price = min(mine.seen_price, line.seen_price)
        elif len(lines) < MAX_LINES:
            lines[line.variant_id] = CartLine(
                cart=own,
                variant=line.variant,
                quantity=line.quantity,
                seen_price=line.seen_price,
            )
    CartLine.objects.bulk_update(
        [line for line in lines.values() if line.pk], ["quantity", "seen_price"]
    )
    CartLine.objects.bulk_create([line for line in lines.values() if not line.pk])
    theirs.delete()
    _changed_now(own)


def remove_expired_carts(*, batch: int = 1000) -> int:
    """Delete carts that were left alone for too long; return how many."""
    removed = 0
    while not jobs.stopping():
        with transaction.atomic():
            # Locked elsewhere: somebody is just coming back to it.
            found = list(
                Cart.objects.expired()
                .order_by("expires_at")
                .select_for_update(skip_locked=True)
                .values_list("pk", flat=True)[:batch]
            )
            Cart.objects.filter(pk__in=found).delete()
        removed += len(found)
        if len(found) < batch:
            break
    return removed


def personal_cart(*, user: User) -> dict[str, Any] | None:
    """Return what is kept of somebody's cart."""
    cart = carts_of(Shopper(user=user)).first()
    if cart is None:
        return None
    return {
        "updated_at": cart.updated_at,
        "lines": [
            {
                "sku": line.variant.sku,
                "name": line.variant.display_name,
                "quantity": line.quantity,
                "seen_price": str(line.seen_price),
            }
            for line in cart.contents
        ],
    }


def _opened(shopper: Shopper) -> tuple[Cart, str]:
    """Return the shopper's cart, locked, made where they have none; and the token of a new one."""
    if shopper.user is None:
        if shopper.token:
            cart = carts_of(shopper).select_for_update(of=("self",), no_key=True).first()
            if cart is None:
                raise CartNotFound(
                    "There is no such cart any more. Begin another, without `X-Cart-Token`."
                )
            return cart, ""
        token = secrets.token_urlsafe(32)
        digest = token_digest(token)
        return Cart.objects.create(token_digest=digest, expires_at=_expiry(None)), token
    while True:
        carts: QuerySet[Cart] = Cart.objects.filter(user=shopper.user)
        cart = carts.select_for_update(no_key=True).first()
        if cart is not None:
            if cart.expires_at <= timezone.now():
                cart.lines.all().delete()
            return cart, ""
        # Two requests at once make one; the other waits here for it.
        made = Cart(user=shopper.user, expires_at=_expiry(shopper.user.pk))
        Cart.objects.bulk_create([made], ignore_conflicts=True)


def _held(cart_id: int | None) -> Cart:
    """Return the cart as it is now, nobody else's to change before the transaction ends."""
    if cart_id is None:
        return Cart.empty()
    carts = Cart.objects.for_display().filter(pk=cart_id)
    return carts.select_for_update(of=("self",), no_key=True).first() or Cart.empty()


def _changed_now(cart: Cart) -> None:
    """Note that the cart was changed; without lines it is not kept."""
    if not CartLine.objects.filter(cart=cart).exists():
        cart.delete()
        return
    cart.updated_at = timezone.now()
    cart.expires_at = _expiry(cart.user_id)
    cart.save(update_fields=["updated_at", "expires_at"])


def _expiry(user_id: int | None) -> datetime:
    days = settings.STRANGER_CART_DAYS if user_id is None else settings.CART_DAYS
    return timezone.now() + timedelta(days=days)


def _lines_of(cart: Cart, sku: str) -> list[CartLine]:
    """Return the lines of this SKU, first what is for sale: a removed variant's is free again."""
    found = [line for line in cart.contents if line.variant.sku.lower() == sku.lower()]
    if not found:
        raise NotInCart(f"{sku} is not in the cart.")
    return sorted(found, key=lambda line: not line.is_for_sale)


def _check_quantities(lines: Sequence[tuple[CartLine, Addition]]) -> None:
    """Hold lines against bounds and against what there is; an error names what was added."""
    beyond = [
        _error(wanted, "quantity", "out_of_bounds", f"Must be 1 to {MAX_QUANTITY}, with the rest.")
        for line, wanted in lines
        if not 1 <= line.quantity <= MAX_QUANTITY
    ]
    if beyond:
        raise InvalidInput("A quantity is out of bounds.", errors=beyond)
    short = [
        _error(
            wanted,
            "quantity",
            OutOfStock.code,
            f"{line.variant.display_name} ({line.variant.sku}): {line.left} left,"
            f" {line.quantity} asked for.",
        )
        for line, wanted in lines
        if line.quantity > line.left
    ]
    if short:
        raise OutOfStock("There is not enough in stock.", errors=short)


def _error(line: Addition, field: str, code: str, detail: str) -> FieldError:
    return FieldError(path=(*line.at, field), code=code, detail=detail)


def _refuse_changed(cart: Cart) -> None:
    errors = [
        FieldError(path=("lines", index), code=notice.code, detail=notice.detail)
        for index, line in enumerate(cart.contents)
        for notice in line.notices
    ]
    if errors:
        raise CartChanged(_CHANGED, errors=errors)


def _refuse_others(cart: Cart, order: Order) -> None:
    """Raise where a SKU has gone to another variant while the order was made."""
    ordered = set(order.lines.values_list("variant_id", flat=True))
    if ordered != {line.variant_id for line in cart.contents}:
        raise UnknownGoods("Something in the cart is not what it was.")
