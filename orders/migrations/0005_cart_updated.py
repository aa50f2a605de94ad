from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_order_lists")]

    operations = [
        migrations.AddField(
            model_name="cart", name="updated_at", field=models.DateTimeField(db_default=Now())
        ),
    ]
