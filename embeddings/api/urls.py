"""Routes below /api/v1/. Each answers without the slash at its end too."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from embeddings.api.views import IndexVersionViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("index-versions", IndexVersionViewSet, basename="index-version")

urlpatterns = router.urls
