"""The default of `recorded` for those who applied 0005 before it had one.

Without it, the version of before 0005 could store nothing on this schema.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0005_inbound_contacts")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE notifications_inboundmessage ALTER COLUMN recorded SET DEFAULT false",
            migrations.RunSQL.noop,
        ),
    ]
