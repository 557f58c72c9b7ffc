"""Indexes for what searches narrow by."""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kb", "0003_revisions_are_immutable")]

    operations = [
        migrations.AddIndex(
            model_name="article",
            index=GinIndex(fields=["tags"], name="article_by_tag"),
        ),
        migrations.AddIndex(
            model_name="article",
            index=models.Index(fields=["workspace", "source"], name="article_by_source"),
        ),
        migrations.AddIndex(
            model_name="article",
            index=models.Index(fields=["workspace", "published_at"], name="article_by_published"),
        ),
        migrations.AddIndex(
            model_name="revision",
            index=models.Index(
                fields=["language", "audience", "workspace"], name="revision_by_language"
            ),
        ),
    ]
