"""How the API's published schema is made, for drf-spectacular."""

from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Burnline API",
    "DESCRIPTION": "Usage in, cost and price out: events, plans, credits, invoices.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Generated clients call their types so. A set of values without a name of its own would be called by a hash of them,
    # and by another with each value that is added.
    "ENUM_NAME_OVERRIDES": {
        "BackfillStateEnum": [
            *("created", "checking", "ready", "closing", "closed"),
            *("reverting", "reverted", "failed", "discarded"),
        ],
        "PlanMoveStepStatusEnum": ["waiting", "planned", "moved", "refused", "cancelled"],
        "PlanVersionStatusEnum": ["draft", "published", "retired"],
        "PriceSnapshotStatusEnum": ["staged", "applied", "refused"],
        "ReRatingStateEnum": ["counting", "ready", "applying", "applied"],
        "RejectedEventOutcomeEnum": [
            "accepted",
            "duplicate",
            "conflict",
            "unmatched",
            "rejected",
            "discarded",
        ],
        "RunStatusEnum": ["ok", "failed"],
    },
}
