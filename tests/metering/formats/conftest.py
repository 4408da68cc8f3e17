import json
from typing import Any

import pytest


@pytest.fixture
def post_traces(door):
    """Posts an export, in JSON unless told otherwise, with the operator's key unless told otherwise."""

    def send(body: Any, content_type: str = "application/json", key: str = door.key, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        given = {"Authorization": f"Bearer {key}"} | headers
        return door.client.post("/v1/traces", data=data, content_type=content_type, headers=given)

    return send
