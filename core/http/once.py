from collections.abc import Callable
from datetime import datetime

from rest_framework.request import Request
from rest_framework.response import Response

from core.http.views import credential_of
from core.idempotency import Answer, Once, check_key, request_hash, run_once


def answer_once(
    request: Request, act: Callable[[], Answer], *, now: datetime, customer_id: int = 0
) -> Response:
    """Carry out a state-changing request, once for each ``Idempotency-Key`` of its sender.

    ``customer_id`` is the customer whose rows change, or 0 where no single customer's do. Without the header
    the request is simply carried out. ``act`` runs inside the record's transaction.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        answer = act()
        return Response(answer.body, status=answer.status)
    match = request.resolver_match
    assert match is not None
    once = Once(
        customer_id=customer_id,
        credential_id=credential_of(request).key_id,
        endpoint=f"{request.method} {match.route}"[:120],
        key=check_key(key),
        request_hash=request_hash(request.path, request.query_params.dict(), request.data),
    )
    answer = run_once(once, act, now=now)
    headers = {"Idempotent-Replay": "true"} if answer.replayed else {}
    return Response(answer.body, status=answer.status, headers=headers)
