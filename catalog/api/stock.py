"""REST of the stock: what is booked on a variant, and the ledger of it all."""

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from catalog.models import StockMovement, Variant
from catalog.permissions import can_see_catalogue
from catalog.services import MAX_STOCK
from catalog.states import MovementKind
from core.api.filters import IntegerFilter, TimeFilter
from core.api.serializers import InputSerializer
from core.api.views import ResourceViewSet


class StockInput(InputSerializer):
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, help_text="Kept in the ledger."
    )


@extend_schema_serializer(
    examples=[OpenApiExample("Goods came", {"quantity": 24, "reason": "Delivery note 88"})]
)
class StockReceiptInput(StockInput):
    quantity = serializers.IntegerField(
        min_value=1, max_value=MAX_STOCK, help_text="Pieces that came."
    )


@extend_schema_serializer(
    examples=[OpenApiExample("Two broke", {"quantity": -2, "reason": "Broken"})]
)
class StockAdjustmentInput(StockInput):
    quantity = serializers.IntegerField(
        min_value=-MAX_STOCK, max_value=MAX_STOCK, help_text="Pieces booked in, or out if negative."
    )


@extend_schema_serializer(
    examples=[OpenApiExample("Counted", {"counted": 48, "reason": "Stocktaking"})]
)
class StockCountInput(StockInput):
    counted = serializers.IntegerField(
        min_value=0, max_value=MAX_STOCK, help_text="Pieces that stand on the shelf."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Sold",
            {
                "id": 7,
                "variant": 1,
                "sku": "TEA-1",
                "name": "Chai",
                "kind": "sold",
                "quantity": -2,
                "on_hand": 48,
                "order": "1001",
                "reason": "",
                "by": "Wanjiru Kamau",
                "at": "2026-11-21T08:00:00Z",
            },
        )
    ]
)
class StockMovementSerializer(serializers.ModelSerializer[StockMovement]):
    sku = serializers.CharField(source="variant.sku")
    name = serializers.CharField(source="variant.display_name")
    by = serializers.SerializerMethodField(help_text="Who did it; null: a program, or gone since.")

    class Meta:
        model = StockMovement
        fields = (
            "id",
            "variant",
            "sku",
            "name",
            "kind",
            "quantity",
            "on_hand",
            "order",
            "reason",
            "by",
            "at",
        )

    def get_by(self, movement: StockMovement) -> str | None:
        return str(movement.by) if movement.by else None


class StockMovementFilter(django_filters.FilterSet):
    variant = IntegerFilter("variant_id", help_text="Id of the variant.")
    sku = django_filters.CharFilter(
        method="of_sku",
        help_text="Its SKU, in capitals or not; of what was removed, as it was written.",
    )
    kind = django_filters.ChoiceFilter(choices=MovementKind.choices)
    order = django_filters.CharFilter(help_text="Number of the order.")
    after = TimeFilter("at", "gte", help_text="Then or later.")
    before = TimeFilter("at", "lt", help_text="Before then.")

    class Meta:
        model = StockMovement
        fields = ()

    def of_sku(
        self, queryset: QuerySet[StockMovement], name: str, sku: str
    ) -> QuerySet[StockMovement]:
        # Looked up first: of a join the planner cannot tell whether it is many movements or few.
        kept = Variant.objects.kept().with_skus_in_any_case([sku]).order_by().values("pk")
        found = kept.union(Variant.objects.filter(sku=sku).order_by().values("pk"))
        return queryset.filter(variant__in=[each["pk"] for each in found])


class StockMovementViewSet(ResourceViewSet):
    queryset = StockMovement.objects.for_display()
    serializer_class = StockMovementSerializer
    permitted = {"*": can_see_catalogue}
    filterset_class = StockMovementFilter
