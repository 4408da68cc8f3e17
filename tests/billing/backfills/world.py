"""Backfills through the API, and the due work that carries them out."""

from datetime import datetime
from typing import Any

from core.due_work import run_due

KINDS = ["backfill.check", "backfill.look", "backfill.close", "backfill.revert"]
HEAD = "id,customer,type,time,provider,model,input,properties.feature"


def csv_of(*rows: str, head: str = HEAD) -> bytes:
    return "\n".join([head, *rows, ""]).encode()


def row(
    event_id: str, at: str, *, customer: str = "acme", tokens: object = 1000, feature: str = "chat"
) -> str:
    return f"{event_id},{customer},llm.call,{at},acme-ai,m-1,{tokens},{feature}"


def create(api: Any, **body: Any) -> str:
    answer = api.post("/v1/backfills", body)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def send(api: Any, id: str, content: bytes, now: datetime | None = None) -> dict[str, Any]:
    """Send the whole file and have it checked; the backfill as it stands then."""
    answer = api.send("PUT", f"/v1/backfills/{id}/file", content, content_type="text/csv")
    assert answer.status_code == 200, answer.content
    return work(api, id, now)


def work(api: Any, id: str, now: datetime | None = None) -> dict[str, Any]:
    """Do what is due until nothing is, and read the backfill."""
    from core.clock import now as present

    for _ in range(20):
        if not run_due(now or present(), kinds=KINDS):
            break
    body: dict[str, Any] = api.get(f"/v1/backfills/{id}").json()
    return body


def act(api: Any, id: str, verb: str, body: Any = None) -> dict[str, Any]:
    answer = api.post(f"/v1/backfills/{id}/{verb}", body)
    assert answer.status_code == 200, answer.content
    return work(api, id)
