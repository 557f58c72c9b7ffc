"""`/api/v1/index-versions/`: re-embeddings started, followed, steered and cut over to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from embeddings.access import (
    REQUEST_PATIENCE,
    access_version,
    actor_of,
    may_read_questions,
    parked_articles,
    versions_of,
    with_counts,
)
from embeddings.api.inputs import (
    CutOverInput,
    EstimateInput,
    PaceInput,
    ReasonInput,
    RetireInput,
    RollBackInput,
    ShadowInput,
    StartInput,
    pace_from,
)
from embeddings.api.serializers import (
    IndexVersionSerializer,
    IndexVersionSummarySerializer,
    ParkedSerializer,
    VersionEventSerializer,
)
from embeddings.errors import GateRefused, NeedsWaiver
from embeddings.estimates.estimating import estimate
from embeddings.models import IndexVersion
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.services.retiring import retire_version
from embeddings.services.running import (
    cancel_version,
    change_pace,
    pause_version,
    resume_version,
    retry_version,
)
from embeddings.services.shadowing import change_shadow_share
from embeddings.services.starting import start_version
from kb.access import Permission, require
from kb.api.caller import caller_of
from kb.api.throttling import QuestionThrottle

Move: TypeAlias = Callable[..., object]  # of a version, by an actor
READ, OPERATE = Permission.INDEX_READ, Permission.INDEX_OPERATE


class IndexVersionViewSet(GenericViewSet[IndexVersion]):
    """Index versions of the key's workspace. Reading needs the scope `index:read`, everything
    else `index:operate`; what a version's state does not allow is refused with 409."""

    serializer_class = IndexVersionSerializer
    queryset = IndexVersion.objects.none()
    lookup_field = "number"
    lookup_value_regex = r"\d{1,9}"

    def get_queryset(self) -> QuerySet[IndexVersion]:
        """Scoped by the key."""
        if getattr(self, "swagger_fake_view", False):
            return IndexVersion.objects.none()
        return versions_of(caller_of(self.request))

    @extend_schema(responses=IndexVersionSummarySerializer(many=True))
    def list(self, request: Request) -> Response:  # noqa: ARG002 - DRF's shape
        """The newest first, with counts of their articles."""
        page = self.paginate_queryset(with_counts(self.get_queryset()))
        return self.get_paginated_response(IndexVersionSummarySerializer(page, many=True).data)

    def retrieve(self, request: Request, number: str) -> Response:
        """Where it stands now, what was estimated, how it was judged, what happened."""
        return self._render(request, self._version(request, number, READ))

    @extend_schema(request=StartInput, responses={201: IndexVersionSerializer})
    def create(self, request: Request) -> Response:
        """Start a re-embedding beside the live version; 409 if it would give the same vectors."""
        given = _validated(StartInput, request)
        caller = caller_of(request)
        require(caller, OPERATE)
        what: dict[str, Any] = {name: given.get(name) for name in ("encoder", "strategy")}
        expected = estimate(caller.workspace, **what).as_json() if given["estimate"] else {}
        made = start_version(
            caller.workspace,
            **what,
            estimate=expected,
            actor=actor_of(caller),
            reason=given["reason"],
            pace=pace_from(given.get("pace", {})),
            cut_over=given["cut_over"],
        )
        return self._render(request, made, status.HTTP_201_CREATED)

    @extend_schema(request=EstimateInput, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"], throttle_classes=[QuestionThrottle])
    def estimate(self, request: Request) -> Response:
        """What a re-embedding would take; nothing is started."""
        given = _validated(EstimateInput, request)
        caller = caller_of(request)
        require(caller, OPERATE)
        found = estimate(caller.workspace, **given)
        return Response(found.as_json())

    @extend_schema(request=ReasonInput)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, number: str) -> Response:
        """Workers end the batch they hold and take no more."""
        given = _validated(ReasonInput, request)
        return self._moved(request, number, pause_version, **given)

    @extend_schema(request=ReasonInput)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, number: str) -> Response:
        """Go on, with what was published meanwhile."""
        given = _validated(ReasonInput, request)
        return self._moved(request, number, resume_version, **given)

    @extend_schema(request=ReasonInput)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, number: str) -> Response:
        """Give it up for good."""
        given = _validated(ReasonInput, request)
        return self._moved(request, number, cancel_version, **given)

    @extend_schema(request=ReasonInput)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, number: str) -> Response:
        """Parked articles get a fresh start, and a failed version builds again."""
        given = _validated(ReasonInput, request)
        return self._moved(request, number, retry_version, **given)

    @extend_schema(request=PaceInput)
    @action(detail=True, methods=["post"])
    def pace(self, request: Request, number: str) -> Response:
        """Limit bulk work from the next batch on; what is left out is not limited any more."""
        given = _validated(PaceInput, request)
        version = self._version(request, number, OPERATE)
        change_pace(version, pace=pace_from(given))
        return self._render(request, version)

    @extend_schema(request=ShadowInput)
    @action(detail=True, methods=["post"])
    def shadow(self, request: Request, number: str) -> Response:
        """Ask it a share of the live questions too; 0 ends it."""
        given = _validated(ShadowInput, request)
        return self._render(
            request, change_shadow_share(self._version(request, number, OPERATE), **given)
        )

    @extend_schema(request=CutOverInput)
    @action(detail=True, methods=["post"], url_path="cut-over")
    def cut_over(self, request: Request, number: str) -> Response:
        """Make it live; 409 with `Retry-After` while it cannot serve yet, and where the gate
        refuses with the `worst` questions, for keys that may read them."""
        given, caller = _validated(CutOverInput, request), caller_of(request)
        try:
            return self._moved(request, number, cut_over, patience=REQUEST_PATIENCE, **given)
        except GateRefused as error:
            if may_read_questions(caller):
                raise
            raise GateRefused(str(error)) from error
        except NeedsWaiver as error:
            if caller.include_internal:
                raise
            raise NeedsWaiver(_UNTITLED) from error

    @extend_schema(request=RollBackInput)
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, number: str) -> Response:
        """Make this version, which stands by, live again."""
        given = _validated(RollBackInput, request)
        caller, version = caller_of(request), self._version(request, number, OPERATE)
        moved = roll_back(
            caller.workspace,
            version=version,
            actor=actor_of(caller),
            patience=REQUEST_PATIENCE,
            **given,
        )
        return self._render(request, moved)

    @extend_schema(request=RetireInput)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, number: str) -> Response:
        """Nobody can go back to it any more, and its vectors are dropped."""
        given = _validated(RetireInput, request)
        at_once = given.pop("now")
        return self._moved(request, number, retire_version, at_once=at_once, **given)

    @extend_schema(responses=VersionEventSerializer(many=True))
    @action(detail=True, methods=["get"])
    def events(self, request: Request, number: str) -> Response:
        """Every move, the newest first."""
        version = self._version(request, number, READ)
        events: Any = version.events.latest_first()
        page = self.paginate_queryset(events)
        return self.get_paginated_response(VersionEventSerializer(page, many=True).data)

    @extend_schema(responses=ParkedSerializer(many=True))
    @action(detail=True, methods=["get"])
    def parked(self, request: Request, number: str) -> Response:
        """Articles that could not be embedded, and why."""
        version = self._version(request, number, READ)
        entries: Any = parked_articles(caller_of(request), version)
        page = self.paginate_queryset(entries)
        return self.get_paginated_response(ParkedSerializer(page, many=True).data)

    def _version(self, request: Request, number: str, permission: Permission) -> IndexVersion:
        return access_version(caller_of(request), int(number), permission)

    def _moved(self, request: Request, number: str, service: Move, **given: object) -> Response:
        """A move that `service` makes, and the version after it."""
        version = self._version(request, number, OPERATE)
        service(version, actor=actor_of(caller_of(request)), **given)
        return self._render(request, version)

    def _render(
        self, request: Request, version: IndexVersion, status_code: int = status.HTTP_200_OK
    ) -> Response:
        read = IndexVersion.objects.select_related("workspace", "derived_from").get(pk=version.pk)
        caller = caller_of(request)
        context = {
            "include_internal": caller.include_internal,
            "questions": may_read_questions(caller),
        }
        return Response(IndexVersionSerializer(read, context=context).data, status=status_code)


_UNTITLED = (
    "Some articles could not be embedded in this version: mend and retry them, or say in "
    "`waiver` why they may be left behind."
)


def _validated(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    body = serializer(data=request.data or {})
    body.is_valid(raise_exception=True)
    validated: dict[str, Any] = body.validated_data
    return validated
