"""REST of the pictures of a product."""

from typing import Any, ClassVar

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from catalog import services
from catalog.models import Product, ProductImage
from catalog.permissions import can_manage_catalogue, can_see_catalogue
from catalog.services import MAX_IMAGE_BYTES, MAX_IMAGES, Picture
from core.api.parsers import JSONParser
from core.api.serializers import InputSerializer
from core.api.views import ResourceViewSet
from core.errors import InvalidInput

# The picture, and what a form has around it.
_MAX_BODY = MAX_IMAGE_BYTES + 64 * 1024
_MEDIA = "https://shop.example/media/products/2026/11/4f1d"
_IMAGE = {
    "id": 3,
    "url": f"{_MEDIA}.webp",
    "alt": "A cup of chai",
    "position": 0,
    "width": 2560,
    "height": 1920,
    "sizes": [
        {"width": 320, "url": f"{_MEDIA}-320.webp"},
        {"width": 640, "url": f"{_MEDIA}-640.webp"},
        {"width": 1280, "url": f"{_MEDIA}-1280.webp"},
    ],
}


class ImageSizeSerializer(serializers.Serializer[Any]):
    width = serializers.IntegerField()
    url = serializers.URLField()


@extend_schema_serializer(examples=[OpenApiExample("An image", _IMAGE)])
class ImageSerializer(serializers.ModelSerializer[ProductImage]):
    url = serializers.ImageField(source="image")
    sizes = serializers.SerializerMethodField(help_text="Narrower ones of the same picture.")

    class Meta:
        model = ProductImage
        fields = ("id", "url", "alt", "position", "width", "height", "sizes")

    @extend_schema_field(ImageSizeSerializer(many=True))
    def get_sizes(self, image: ProductImage) -> list[dict[str, Any]]:
        request = self.context["request"]
        return [
            {"width": width, "url": request.build_absolute_uri(url)} for width, url in image.sizes
        ]


@extend_schema_serializer(examples=[OpenApiExample("In this order", {"images": [_IMAGE]})])
class ImageOrderSerializer(serializers.Serializer[Any]):
    images = ImageSerializer(many=True)


class PictureField(serializers.FileField):
    def to_internal_value(self, data: Any) -> Picture:  # type: ignore[override]  # the stub is too narrow
        try:
            return services.read_picture(super().to_internal_value(data))
        except InvalidInput as refused:
            (error,) = refused.errors
            raise serializers.ValidationError(error.detail, code=error.code) from None


class ImageChangeInput(InputSerializer):
    alt = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="For those who cannot see it."
    )
    position = serializers.IntegerField(
        min_value=0,
        max_value=MAX_IMAGES,
        required=False,
        help_text="Place among the product's images, from 0; beyond the last it is the last.",
    )

    ignored: ClassVar[tuple[str, ...]] = ("id", "url", "width", "height", "sizes")


class NewImageInput(ImageChangeInput):
    image = PictureField(
        help_text="JPEG, PNG, WebP or GIF, at most 10 MB and 50 million pixels. It is turned"
        " upright and kept as WebP without what a camera notes in it; of one that moves, the first"
        " frame."
    )

    ignored: ClassVar[tuple[str, ...]] = ()


@extend_schema_serializer(examples=[OpenApiExample("In this order", {"images": [3, 1, 2]})])
class ImageOrderInput(InputSerializer):
    images = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        max_length=MAX_IMAGES,
        help_text="Ids of all images of the product.",
    )


class ProductImageViewSet(ResourceViewSet):
    queryset = ProductImage.objects.filter(product__archived_at=None)
    serializer_class = ImageSerializer
    inputs = {
        "create": NewImageInput,
        "partial_update": ImageChangeInput,
        "order": ImageOrderInput,
    }
    permitted = {
        "list": can_see_catalogue,
        "retrieve": can_see_catalogue,
        "*": can_manage_catalogue,
    }
    ordering = "position"
    lookup_url_kwarg = "image_id"
    lookup_value_regex = "[0-9]{1,18}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before anything looks into the form, such as the check of a session's CSRF token.
        if self._takes_a_file() and int(request.META.get("CONTENT_LENGTH") or 0) > _MAX_BODY:
            raise RequestDataTooBig
        super().initial(request, *args, **kwargs)

    def read_body(self, request: Request) -> None:
        # A file is larger than other bodies may be.
        if not self._takes_a_file():
            super().read_body(request)

    def get_parsers(self) -> list[BaseParser]:
        return [MultiPartParser() if self._takes_a_file() else JSONParser()]

    def _takes_a_file(self) -> bool:
        # Where the API is described there is an action and no request, before a parser the reverse.
        asked = self.request.method if self.request else None
        return asked == "POST" or getattr(self, "action", None) == "create"

    def get_queryset(self) -> QuerySet[ProductImage]:
        return super().get_queryset().filter(product_id=self.kwargs.get("product_id"))

    def list(self, request: Request, product_id: str) -> Response:
        """List the images of a product."""
        get_object_or_404(self._products())
        return super().list(request)

    def create(self, request: Request, product_id: str) -> Response:
        """Add an image to a product."""
        fields = self.input()
        picture = fields.pop("image")
        with transaction.atomic():
            product = self._locked_product()
            return self.created(
                services.add_image(product_id=product.pk, picture=picture, **fields).pk
            )

    def partial_update(self, request: Request, product_id: str, image_id: str) -> Response:
        """Change an image's words or its place among the others."""
        changes = self.input()
        return self.change_locked(lambda image: services.update_image(image_id=image.pk, **changes))

    def destroy(self, request: Request, product_id: str, image_id: str) -> Response:
        """Delete an image and its files."""
        return self.delete_locked(lambda image: services.remove_image(image_id=image.pk))

    @extend_schema(responses=ImageOrderSerializer)
    @action(detail=False, methods=["put"])
    def order(self, request: Request, product_id: str) -> Response:
        """Put the images of a product in order."""
        images = self.input()["images"]
        with transaction.atomic():
            product = self._locked_product()
            services.order_images(product_id=product.pk, images=images)
            rows = ImageSerializer(
                self.get_queryset().order_by("position", "pk"),
                many=True,
                context=self.get_serializer_context(),
            )
            return Response({"images": rows.data})

    def _products(self) -> QuerySet[Product]:
        return Product.objects.filter(pk=self.kwargs["product_id"], archived_at=None)

    def _locked_product(self) -> Product:
        return get_object_or_404(self._products().select_for_update(no_key=True))

    def _locked_object(self) -> Any:
        # The product first, as the services do: two changes of its images wait for each other.
        self._locked_product()
        return super()._locked_object()

    def _address_of(self, data: dict[str, Any]) -> str:
        return reverse(
            "product-image-detail",
            kwargs={"product_id": self.kwargs["product_id"], "image_id": data["id"]},
            request=self.request,
        )
