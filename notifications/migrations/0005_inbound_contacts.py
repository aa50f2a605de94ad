"""Which of the messages that somebody wrote are contacts already."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0004_message_by_recipient")]

    operations = [
        migrations.AddField(
            model_name="inboundmessage",
            name="recorded",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether it is, or was, among the conversations.",
            ),
        ),
        migrations.AddIndex(
            model_name="inboundmessage",
            index=models.Index(
                condition=models.Q(("recorded", False)),
                fields=["id"],
                name="inbound_not_recorded",
            ),
        ),
    ]
