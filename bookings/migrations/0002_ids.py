from django.db import migrations


class Migration(migrations.Migration):
    """The sequences of the ids that are made here; those that are given may lie anywhere."""

    dependencies = [("bookings", "0001_initial")]

    operations = [
        migrations.RunSQL(f"CREATE SEQUENCE {name} AS bigint START 1001", f"DROP SEQUENCE {name}")
        for name in ("booking_id", "service_id")
    ]
