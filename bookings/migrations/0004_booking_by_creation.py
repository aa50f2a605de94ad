"""What a customer's timeline finds their bookings by."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0003_default_resource")]

    operations = [
        AddIndexConcurrently(
            model_name="booking",
            index=models.Index(
                fields=["customer", "-created_at", "-id"], name="booking_by_creation"
            ),
        ),
    ]
