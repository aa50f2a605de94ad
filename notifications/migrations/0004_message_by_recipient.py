"""What a customer's timeline finds their messages by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_messages")]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                fields=["recipient", "-created_at", "-id"], name="message_by_recipient"
            ),
        ),
    ]
