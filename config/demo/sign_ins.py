"""Who may look at the demo: an operator, and one customer's owner. Passwords are made anew each time."""

import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from customers.api_keys import create_api_key
from customers.models import Customer, Member, User

OPERATOR = "operator@larkspur.example"


@dataclass(frozen=True)
class SignIn:
    email: str
    password: str

    def as_json(self) -> dict[str, str]:
        return {"email": self.email, "password": self.password}


def create_sign_ins(customer: Customer, *, now: datetime) -> dict[str, Any]:
    """Make an operator, an owner of the customer's portal and a key of the API; what ``make up`` prints of them."""
    operator, owner = _new(OPERATOR), _new(f"owner@{customer.key}.example")
    User.objects.create_user(operator.email, operator.password, is_staff=True)
    member = User.objects.create_user(owner.email, owner.password)
    Member.objects.create(customer=customer, user=member, role=Member.Role.OWNER, created_at=now)
    _, api_key = create_api_key(name="Demo", scopes=["ingest", "read", "write"], now=now)
    return {
        "console": operator.as_json(),
        "portal": owner.as_json(),
        "customer": customer.key,
        "api_key": api_key,
    }


def keep_sign_ins(sign_ins: dict[str, Any], path: Path) -> None:
    """Write them down for their owner alone, so that each start can print them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(sign_ins, file, indent=1)


def _new(email: str) -> SignIn:
    return SignIn(email, secrets.token_urlsafe(9))
