from django.db import migrations


class Migration(migrations.Migration):
    """The sequences of their numbers."""

    dependencies = [("shipping", "0001_initial")]

    operations = [
        migrations.RunSQL(f"CREATE SEQUENCE {name} AS bigint START 1001", f"DROP SEQUENCE {name}")
        for name in ("shipment_number", "standing_order_number")
    ]
