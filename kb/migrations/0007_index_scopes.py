import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kb", "0006_webhooks")]

    operations = [
        migrations.AlterField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("articles:read", "Read articles"),
                        ("articles:write", "Write and delete articles"),
                        ("articles:publish", "Publish and unpublish articles"),
                        ("retrieve", "Retrieve context"),
                        ("chat", "Hold conversations"),
                        ("traces:read", "Read traces"),
                        ("index:read", "See index versions"),
                        ("index:operate", "Re-embed, cut over and roll back"),
                        ("internal", "See internal articles"),
                    ],
                    max_length=32,
                ),
                size=None,
            ),
        ),
    ]
