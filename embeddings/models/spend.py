"""What paid models cost a workspace, in their own unit."""

from __future__ import annotations

from django.db import models

from kb.models import Workspace


class TokenSpend(models.Model):
    """Tokens that one encoder behind a paid API counted for one workspace on one day (UTC)."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="token_spend")
    encoder = models.CharField(max_length=63)
    day = models.DateField()
    tokens = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "token spend"
        ordering = ["-day", "encoder"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "encoder", "day"], name="one_spend_per_day_and_encoder"
            )
        ]

    def __str__(self) -> str:
        return f"{self.encoder}, {self.day}: {self.tokens:,} tokens"
