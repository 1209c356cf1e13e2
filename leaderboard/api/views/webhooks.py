"""Webhooks: whom to tell when an evaluation begins or ends."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.query import NoFilter, read_query
from leaderboard.api.serializers.webhooks import (
    DeliveryRecord,
    NewWebhookRecord,
    WebhookChange,
    WebhookRecord,
    WebhookRequest,
)
from leaderboard.api.views.base import ByTime, PagedView, described, one, paged, signed_in
from leaderboard.exceptions import SubmissionError
from leaderboard.models import Team, Webhook
from leaderboard.services.accounts import webhooks as service


def own_webhooks(request: Request) -> QuerySet[Webhook]:
    """One's own and those of teams that one owns; nobody else's, whoever asks."""
    rows: QuerySet[Webhook] = Webhook.objects.all().of(signed_in(request))
    return rows.select_related("team")


def find_webhook(request: Request, pk: UUID) -> Webhook:
    return one(own_webhooks(request), f"webhook {pk}", pk=pk)


class WebhookList(PagedView):
    permission_classes = (IsAuthenticated,)
    pagination_class = ByTime

    @described("webhooks", "Your webhooks", WebhookRecord(many=True), operation_id="webhooks_list")
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        return paged(self, own_webhooks(request), WebhookRecord)

    @described(
        "webhooks",
        "Be told when an evaluation of yours begins or ends",
        {201: NewWebhookRecord},
        request=WebhookRequest,
    )
    def post(self, request: Request) -> Response:
        form = WebhookRequest(data=request.data)
        form.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(form.validated_data)
        if (slug := given.pop("team", None)) is not None:
            given["team"] = _team(request, slug)
        hook = service.create_webhook(signed_in(request), **given)
        data = NewWebhookRecord(hook, context={"request": request}).data
        headers = {"Location": data["address"], "Cache-Control": "no-store"}
        return Response(data, status=201, headers=headers)


class WebhookDetail(APIView):
    permission_classes = (IsAuthenticated,)

    @described("webhooks", "A webhook", WebhookRecord, operation_id="webhooks_read")
    def get(self, request: Request, pk: UUID) -> Response:
        hook = find_webhook(request, pk)
        return Response(WebhookRecord(hook, context={"request": request}).data)

    @described(
        "webhooks",
        "Change a webhook, or switch it on again",
        WebhookRecord,
        request=WebhookChange,
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        hook = find_webhook(request, pk)
        form = WebhookChange(data=request.data)
        form.is_valid(raise_exception=True)
        hook = service.update_webhook(hook, **form.validated_data)
        return Response(WebhookRecord(hook, context={"request": request}).data)

    @described("webhooks", "Delete a webhook with its deliveries", {204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        find_webhook(request, pk).delete()
        return Response(status=204)


class WebhookPing(APIView):
    permission_classes = (IsAuthenticated,)

    @described(
        "webhooks",
        "Have a ping sent; what came of it stands at the address in Location",
        {202: DeliveryRecord},
        request=None,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        delivery = service.ping(find_webhook(request, pk))
        address = reverse("api:webhook-delivery", args=[pk, delivery.pk])
        headers = {"Location": request.build_absolute_uri(address), "Retry-After": "2"}
        return Response(DeliveryRecord(delivery).data, status=202, headers=headers)


class WebhookDeliveries(PagedView):
    permission_classes = (IsAuthenticated,)
    pagination_class = ByTime

    @described(
        "webhooks",
        "What was delivered, and what was not",
        DeliveryRecord(many=True),
        operation_id="webhooks_deliveries",
    )
    def get(self, request: Request, pk: UUID) -> Response:
        read_query(request, NoFilter)
        return paged(self, find_webhook(request, pk).deliveries.all(), DeliveryRecord)


class WebhookDeliveryDetail(APIView):
    permission_classes = (IsAuthenticated,)

    @described(
        "webhooks",
        "One delivery: whether it arrived",
        DeliveryRecord,
        operation_id="webhooks_delivery",
    )
    def get(self, request: Request, pk: UUID, delivery: UUID) -> Response:
        rows = find_webhook(request, pk).deliveries.all()
        return Response(DeliveryRecord(one(rows, f"delivery {delivery}", pk=delivery)).data)


def _team(request: Request, slug: str) -> Team:
    team = Team.objects.filter(memberships__user=signed_in(request), slug=slug).first()
    if team is None:
        raise SubmissionError({"team": f"You are in no team {slug!r}."})
    return team
