import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_search"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="variant", name="variant_low_in_stock"),
        migrations.AddIndex(
            model_name="variant",
            index=models.Index(
                condition=models.Q(
                    ("archived_at", None), ("stock__lte", models.F("low_stock_threshold"))
                ),
                fields=["sku", "id"],
                name="variant_low_in_stock",
            ),
        ),
        migrations.AlterField(
            model_name="stockmovement",
            name="variant",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="movements",
                to="catalog.variant",
            ),
        ),
        migrations.AlterField(
            model_name="productimage",
            name="image",
            field=models.ImageField(upload_to="products/%Y/%m/"),
        ),
        migrations.AddField(
            model_name="productimage",
            name="width",
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="productimage",
            name="height",
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="productimage",
            name="widths",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.PositiveIntegerField(), default=list, editable=False, size=None
            ),
        ),
        migrations.AddIndex(
            model_name="stockmovement",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["at"], name="stock_movement_by_time"
            ),
        ),
    ]
