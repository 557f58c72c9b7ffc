"""The one base of every page of the admin: rows of other tenants do not exist here.

A role decides, through `kb.access`; Django's model permissions play no part. What is not
allowed in so many words is denied.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from django.contrib.admin.exceptions import NotRegistered
from django.db.models import Field, ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from kb.access import Permission
from kb.admin.filters import ScopedRelatedFilter
from kb.admin.scope import may_anywhere, may_in, sees_everything, within


class TenantAdmin(ModelAdmin):
    """A model whose rows belong to workspaces.

    `workspace_path` is the lookup from a row to its workspace's id; None is for rows of the
    whole installation. A permission of None is nobody's, superusers included.
    """

    workspace_path: str | None = "workspace_id"
    view_permission: Permission = Permission.WORKSPACE_MANAGE
    add_permission: Permission | None = None
    change_permission: Permission | None = None
    delete_permission: Permission | None = None
    list_filter_sheet = False
    list_fullwidth = True
    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows of the workspaces in which this person may see them."""
        rows = super().get_queryset(request)
        if self.workspace_path is None:
            return rows if may_anywhere(request, self.view_permission) else rows.none()
        return within(rows, request, self.view_permission, self.workspace_path)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether there is anything to see."""
        return may_anywhere(request, self.view_permission)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By role."""
        return self._may(request, self.view_permission, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return self._may(request, self.add_permission, None)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By role."""
        return self._may(request, self.change_permission, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By role."""
        return self._may(request, self.delete_permission, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """None that deletes by the dozen: it would ask for the permission once for all rows."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Filters by a relation offer only rows of this person's workspaces."""
        return [self._scoped_filter(each) for each in super().get_list_filter(request)]

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Choices are rows of the workspaces in which this person may write."""
        field: ModelChoiceField[Any] | None = super().formfield_for_foreignkey(
            db_field, request, **kwargs
        )
        if field is not None:
            field.queryset = self._choices(request, db_field.related_model)
        return field

    def _choices(self, request: HttpRequest, model: Any) -> QuerySet[Any]:
        try:
            related = self.admin_site.get_model_admin(model)
        except NotRegistered:
            return model._default_manager.none()  # noqa: SLF001 - Django's own name for it
        rows: QuerySet[Any] = related.get_queryset(request)
        needed = self.change_permission or self.add_permission
        if not isinstance(related, TenantAdmin) or related.workspace_path is None:
            return rows if sees_everything(request) else rows.none()
        return within(rows, request, needed, related.workspace_path) if needed else rows.none()

    def _may(self, request: HttpRequest, permission: Permission | None, obj: Model | None) -> bool:
        if permission is None:
            return False
        if obj is None or obj.pk is None or self.workspace_path is None:
            return may_anywhere(request, permission)
        return may_in(request, permission, self.workspace_id_of(obj))

    def workspace_id_of(self, obj: Model) -> int | None:
        """The tenant of a row."""
        path = self.workspace_path or "pk"
        found: int | None = attrgetter(path.replace("__", "."))(obj)
        return found

    def _scoped_filter(self, each: Any) -> Any:
        if not isinstance(each, str) or "__" in each:
            return each
        field: Field[Any, Any] = self.model._meta.get_field(each)  # noqa: SLF001
        return (each, ScopedRelatedFilter) if field.is_relation else each
