"""What a customer's timeline finds their messages by."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("notifications", "0003_messages")]

    operations = [
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(
                fields=["recipient", "-created_at", "-id"], name="message_by_recipient"
            ),
        ),
    ]
