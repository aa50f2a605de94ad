from django.db import migrations


class Migration(migrations.Migration):
    """The sequence that `customers.services` numbers by; four digits from the first one on."""

    dependencies = [("customers", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE customer_code AS bigint START 1001",
            "DROP SEQUENCE customer_code",
        )
    ]
