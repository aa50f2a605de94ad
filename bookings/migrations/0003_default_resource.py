from datetime import time

from django.conf import settings
from django.db import migrations


def make(apps, schema_editor):
    resource = apps.get_model("bookings", "Resource").objects.create(
        code="default", name=settings.SHOP_NAME, is_default=True, gap=settings.BOOKING_GAP
    )
    hours = apps.get_model("bookings", "OpeningHours").objects
    for weekday in range(6):
        hours.create(resource=resource, weekday=weekday, opens=time(8), closes=time(18))


class Migration(migrations.Migration):
    """What is booked in a shop that has nothing to choose from: Monday to Saturday, 8 to 18."""

    dependencies = [("bookings", "0002_ids")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
