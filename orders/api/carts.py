"""REST of carts: a shopper's own, or a stranger's by its token."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import transaction
from django.utils.cache import patch_cache_control, patch_vary_headers
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers, status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle
from rest_framework.views import APIView

from core.api.serializers import InputSerializer, MoneyField, NothingInput
from core.api.throttles import one_household
from core.api.views import ResourceViewSet
from core.etags import check_if_match, etag_of
from core.outages import without_cache
from core.permissions import anybody, signed_in
from orders import services
from orders.exceptions import CartNotFound
from orders.models import Cart, CartLine, CartNotice, Order
from orders.querysets import CartQuerySet
from orders.services import COLLECTION, MAX_LINES, MAX_QUANTITY, Addition, Shopper
from orders.states import CartNoticeCode

from .serializers import DeliveryInput, LineInput, OrderSerializer, delivery_in

TOKEN_HEADER = "X-Cart-Token"  # noqa: S105  its name
_SKU = OpenApiParameter(
    "sku",
    str,
    OpenApiParameter.PATH,
    description="SKU in any case, percent-encoded (`/` as `%2F`).",
)
_NOTICES = [
    {
        "sku": "TEA-1",
        "code": "price_changed",
        "detail": "Chai (TEA-1) costs 12.50 now; it was 12.00.",
        "was": "12.00",
        "now": "12.50",
    },
    {
        "sku": "TEA-1",
        "code": "less_left",
        "detail": "Only 3 of Chai (TEA-1) left.",
        "left": 3,
    },
]
_CART = {
    "lines": [
        {
            "sku": "TEA-1",
            "name": "Chai",
            "product": {"id": 1, "slug": "chai"},
            "quantity": 4,
            "unit_price": "12.50",
            "seen_price": "12.00",
            "total": "50.00",
            "stock": 3,
            "notices": _NOTICES,
        }
    ],
    "total": "50.00",
    "currency": "KES",
    "item_count": 4,
    "notices": _NOTICES,
    "updated_at": "2026-11-21T08:00:00Z",
    "expires_at": "2026-12-21T08:00:00Z",
}


class CartNoticeSerializer(serializers.Serializer[CartNotice]):
    sku = serializers.CharField()
    code = serializers.ChoiceField(choices=CartNoticeCode.choices)
    detail = serializers.CharField(help_text="The same for people.")
    was = MoneyField(required=False, help_text="`price_changed`: the price that was seen.")
    now = MoneyField(required=False, help_text="`price_changed`: the price of now.")
    left = serializers.IntegerField(required=False, help_text="`less_left`: so many are left.")

    def to_representation(self, notice: CartNotice) -> dict[str, Any]:
        data = super().to_representation(notice)
        return {name: value for name, value in data.items() if value is not None}


class CartProductSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    slug = serializers.CharField()


class CartLineSerializer(serializers.ModelSerializer[CartLine]):
    sku = serializers.CharField(source="variant.sku")
    name = serializers.CharField(source="variant.display_name")
    product = CartProductSerializer(source="variant.product")
    unit_price = MoneyField(
        help_text="The price of now; of what is not for sale, the last that was seen."
    )
    seen_price = MoneyField(help_text="What the shopper was shown when they added or accepted it.")
    total = MoneyField(max_digits=18, help_text="0.00 for what is not for sale.")
    stock = serializers.IntegerField(source="left", help_text="Pieces that can be had.")
    notices = CartNoticeSerializer(many=True)

    class Meta:
        model = CartLine
        fields = (
            "sku",
            "name",
            "product",
            "quantity",
            "unit_price",
            "seen_price",
            "total",
            "stock",
            "notices",
        )


@extend_schema_serializer(
    examples=[
        OpenApiExample("A price rose and stock ran low meanwhile", _CART, response_only=True),
    ]
)
class CartSerializer(serializers.ModelSerializer[Cart]):
    lines = CartLineSerializer(many=True, source="contents")
    total = MoneyField(max_digits=22, help_text="At the prices of now.")
    currency = serializers.SerializerMethodField(help_text="ISO 4217.")
    item_count = serializers.IntegerField(help_text="Pieces of all lines.")
    notices = CartNoticeSerializer(
        many=True, help_text="Of all lines. While there are any, the cart cannot be placed."
    )
    updated_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="When it is forgotten, unless it is changed before."
    )

    class Meta:
        model = Cart
        fields = (
            "lines",
            "total",
            "currency",
            "item_count",
            "notices",
            "updated_at",
            "expires_at",
        )

    def get_currency(self, cart: Cart) -> str:
        return str(settings.SHOP_CURRENCY)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A stranger's first",
            {"token": "mY0x5Pp3pqXfYQm3cJw9TzB1cXH7K2s8d4nVtLr6Aeg", **_CART},
            response_only=True,
        )
    ]
)
class NewCartSerializer(CartSerializer):
    token = serializers.CharField(
        help_text=f"To be sent as `{TOKEN_HEADER}` from now on. It is shown this once."
    )

    class Meta(CartSerializer.Meta):
        fields = ("token", *CartSerializer.Meta.fields)  # type: ignore[assignment]  # one more


@extend_schema_serializer(
    examples=[
        OpenApiExample("One thing", {"sku": "TEA-1", "quantity": 2}, request_only=True),
        OpenApiExample(
            "Several at once",
            {"lines": [{"sku": "TEA-1", "quantity": 2}, {"sku": "CUP-RED", "quantity": 1}]},
            request_only=True,
        ),
    ]
)
class AddToCartInput(InputSerializer):
    """Either `sku` and `quantity`, or `lines`."""

    sku = serializers.CharField(max_length=64, required=False)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False)
    lines: Any = serializers.ListSerializer(
        child=LineInput(), allow_empty=False, max_length=MAX_LINES, required=False
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "lines" not in attrs:
            if missing := [name for name in ("sku", "quantity") if name not in attrs]:
                detail = serializers.ErrorDetail("This field is required.", code="required")
                raise serializers.ValidationError({name: [detail] for name in missing})
            return {"lines": [Addition(**attrs)]}
        if len(attrs) > 1:
            detail = serializers.ErrorDetail("Send either this or `lines`.", code="not_allowed")
            raise serializers.ValidationError(
                {name: [detail] for name in ("sku", "quantity") if name in attrs}
            )
        return {
            "lines": [
                Addition(sku=line.sku, quantity=line.quantity, at=("lines", index))
                for index, line in enumerate(attrs["lines"])
            ]
        }


@extend_schema_serializer(examples=[OpenApiExample("Three", {"quantity": 3}, request_only=True)])
class CartLineInput(InputSerializer):
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)

    ignored = (
        "sku",
        "name",
        "product",
        "unit_price",
        "seen_price",
        "total",
        "stock",
        "notices",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # In a PATCH too there is nothing else to change.
        if "quantity" not in attrs:
            raise serializers.ValidationError(
                {"quantity": [serializers.ErrorDetail("This field is required.", code="required")]}
            )
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample("To be collected", {"note": "At noon."}, request_only=True),
        OpenApiExample(
            "To be delivered",
            {
                "delivery_method": "delivery",
                "delivery_address": {
                    "recipient": "Wanjiru Kamau",
                    "line_1": "Moi Avenue 12",
                    "city": "Nairobi",
                },
            },
            request_only=True,
        ),
    ]
)
class PlaceCartInput(DeliveryInput):
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return attrs | {"delivery": delivery_in(attrs) or COLLECTION}


def shopper_of(request: Request) -> Shopper:
    """Return who asks: somebody who signed in, or whoever has the token."""
    if request.user.is_authenticated:
        return Shopper(user=request.user)
    return Shopper(token=request.headers.get(TOKEN_HEADER, ""))


def merge_carts(request: Request) -> None:
    """Put the cart that somebody filled before they signed in into their own, once."""
    token = request.headers.get(TOKEN_HEADER, "")
    if token and request.user.is_authenticated:
        services.merge_cart(user=request.user, token=token)


def key_owner(request: Request) -> str | None:
    """Return whose Idempotency-Keys count; None: nobody's, as nobody is known.

    For a stranger it is the cart they have: a first POST makes one, and its token is its key.
    """
    if request.user.is_authenticated:
        return str(request.user.pk)
    shopper = shopper_of(request)
    if not services.carts_of(shopper).exists():
        return None
    return f"cart {services.token_digest(shopper.token)}"[:64]


class NewCartThrottle(SimpleRateThrottle):
    """How many carts strangers may begin from one address."""

    scope = "new_carts"

    def allow_request(self, request: Request, view: APIView) -> bool:
        # A shop that sells is worth more than one that counts carts.
        with without_cache("new carts are not limited"):
            return super().allow_request(request, view)
        return True

    def get_cache_key(self, request: Request, view: APIView) -> str:
        ident = one_household(str(self.get_ident(request)))
        return self.cache_format % {"scope": self.scope, "ident": ident}


@extend_schema(
    parameters=[
        OpenApiParameter(
            TOKEN_HEADER,
            str,
            OpenApiParameter.HEADER,
            description="Of a stranger's cart. Sent by somebody who signed in, that cart is put"
            " into their own, once.",
        )
    ]
)
class CartViewSet(ResourceViewSet):
    """The caller's one cart; `lookup` is by who they are."""

    queryset = Cart.objects.for_display()
    serializer_class = CartSerializer
    permitted = {"place": signed_in, "*": anybody}
    inputs = {
        "add": AddToCartInput,
        "change_line": CartLineInput,
        "accept_changes": NothingInput,
        "place": PlaceCartInput,
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        merge_carts(request)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        # No proxy knows that the header says whose it is.
        patch_cache_control(answer, private=True)
        patch_vary_headers(answer, [TOKEN_HEADER])
        return answer

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        # Only strangers are refused anything here.
        raise NotAuthenticated("Sign in first; the cart comes along.")

    def get_throttles(self) -> list[BaseThrottle]:
        throttles = super().get_throttles()
        if self.action == "add" and self.shopper == Shopper():
            throttles.append(NewCartThrottle())
        return throttles

    def idempotent_caller(self) -> str | None:
        return key_owner(self.request)

    @property
    def shopper(self) -> Shopper:
        return shopper_of(self.request)

    def get_queryset(self) -> CartQuerySet:
        return services.carts_of(self.shopper)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Get the cart, with what has changed since it was filled.

        It is the caller's own where they have signed in, else that of the token. Who has none
        gets an empty one, which is not kept.
        """
        return super().retrieve(request, *args, **kwargs)

    def destroy(self, request: Request) -> Response:
        """Take everything out of the cart. A stranger's token ends with it."""
        return self.delete_locked(lambda cart: services.empty_cart(cart_id=cart.pk))

    @extend_schema(responses={200: CartSerializer, 201: NewCartSerializer})
    def add(self, request: Request) -> Response:
        """Put something into the cart, or more of it.

        Nothing is taken from stock, but what is asked for must be there (else 409
        `out_of_stock`). A stranger without a token gets a new cart and its `token` (201); such a
        request sent twice makes two carts, whatever its `Idempotency-Key`, and the one that is
        not used expires.
        """
        lines = self.input()["lines"]
        with transaction.atomic():
            if "If-Match" in request.headers:
                self._locked_object()
            cart, token = services.add_to_cart(shopper=self.shopper, lines=lines)
            if not token:
                return self.answer(cart.pk)
            response = self.answer(cart.pk, status_code=status.HTTP_201_CREATED)
        response.data = {"token": token, **response.data}
        return response

    @extend_schema(parameters=[_SKU])
    def change_line(self, request: Request, sku: str) -> Response:
        """Change how many of something are in the cart."""
        quantity = self.input()["quantity"]
        return self.change_locked(
            lambda cart: services.change_cart_line(cart_id=cart.pk, sku=sku, quantity=quantity)
        )

    @extend_schema(
        parameters=[_SKU],
        responses={200: CartSerializer},
    )
    def remove_line(self, request: Request, sku: str) -> Response:
        """Take something out of the cart; the answer is what is left in it."""
        return self.change_locked(lambda cart: services.remove_cart_line(cart_id=cart.pk, sku=sku))

    @extend_schema(responses=CartSerializer)
    def accept_changes(self, request: Request) -> Response:
        """Accept all that the notices say.

        Prices become those of now, quantities what is left; what cannot be had goes. Send the
        cart's `ETag` as `If-Match` to accept no more than was seen.
        """
        self.input()
        return self.change_locked(lambda cart: services.accept_cart_changes(cart_id=cart.pk))

    @extend_schema(responses={201: OrderSerializer})
    def place(self, request: Request) -> Response:
        """Order what is in the cart, for oneself, at the prices that were seen.

        Needs a sign-in. Where something has changed since, nothing is ordered: the answer is a
        409 `cart_changed` with the notices, to be confirmed by `accept-changes`. The cart is
        gone once it is placed.
        """
        order = services.place_cart(user=self.caller, check=self._check_seen, **self.input())
        placed = Order.objects.for_display().get(pk=order.pk)
        data = OrderSerializer(placed, context=self.get_serializer_context()).data
        return Response(
            data,
            status=status.HTTP_201_CREATED,
            headers={
                "ETag": etag_of(data),
                "Location": reverse(
                    "order-detail", kwargs={"number": order.number}, request=request
                ),
            },
        )

    def answer(self, key: Any, *, status_code: int = status.HTTP_200_OK) -> Response:
        """Render the cart as it is now; it may have gone with its last line."""
        data = self._represent(self._or_empty(Cart.objects.for_display().filter(pk=key)))
        response = Response(data, status=status_code, headers={"ETag": etag_of(data)})
        if status_code == status.HTTP_201_CREATED:
            response["Location"] = reverse("cart-detail", request=self.request)
        return response

    def _object_from(self, queryset: Any) -> Cart:
        cart = self._or_empty(queryset)
        if not cart.pk and self.shopper.token:
            raise CartNotFound(
                "There is no such cart any more. Begin another, without `X-Cart-Token`."
            )
        return cart

    def _or_empty(self, queryset: Any) -> Cart:
        return queryset.first() or Cart.empty()

    def _check_seen(self, cart: Cart) -> None:
        if "If-Match" in self.request.headers:
            check_if_match(self.request, etag_of(self._represent(cart)))
