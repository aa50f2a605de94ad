from django.db import migrations


class Migration(migrations.Migration):
    """The sequence that `orders.services` numbers by; four digits from the first one on."""

    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE order_number AS bigint START 1001",
            "DROP SEQUENCE order_number",
        )
    ]
