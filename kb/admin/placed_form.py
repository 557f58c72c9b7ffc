"""Forms of what belongs to a workspace."""

from __future__ import annotations

from typing import Any

from django import forms

from kb.models import Workspace


class PlacedForm(forms.ModelForm[Any]):
    """Of a row with a `workspace`, which is chosen once, when the row is made."""

    @property
    def place(self) -> Workspace | None:
        """The workspace: of the row, or as chosen for a new one."""
        if self.instance.pk:
            workspace: Workspace = self.instance.workspace
            return workspace
        chosen: Workspace | None = self.cleaned_data.get("workspace")
        return chosen
