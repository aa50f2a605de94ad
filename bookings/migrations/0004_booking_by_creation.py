"""What a customer's timeline finds their bookings by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bookings", "0003_default_resource")]

    operations = [
        migrations.AddIndex(
            model_name="booking",
            index=models.Index(
                fields=["customer", "-created_at", "-id"], name="booking_by_creation"
            ),
        ),
    ]
