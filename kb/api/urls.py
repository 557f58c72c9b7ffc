"""Routes below /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from kb.api.views import ArticleViewSet

router = SimpleRouter()
router.register("articles", ArticleViewSet, basename="article")

urlpatterns = router.urls
