"""What the lists of orders are found and ordered by."""

from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_selling")]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["-total", "-id"], name="order_by_total"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["status"], name="order_counts"),
        ),
        migrations.AddIndex(
            model_name="orderline",
            index=models.Index(Lower("sku"), "order", name="order_line_by_sku"),
        ),
    ]
