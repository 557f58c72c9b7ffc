"""List filters that offer nothing of another tenant."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import Field
from django.http import HttpRequest


class ScopedRelatedFilter(admin.RelatedFieldListFilter):
    """Choices are the rows that the related model's own admin would list."""

    def field_choices(
        self, field: Field[Any, Any], request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, Any]]:
        """Nothing where the related model has no admin."""
        related = model_admin.admin_site.get_model_admin(field.related_model)  # type: ignore[arg-type]
        if not related.has_view_permission(request):
            return []
        return [(str(row.pk), str(row)) for row in related.get_queryset(request)]
