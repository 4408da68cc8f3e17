"""Links into a customer's portal: signed, expiring, and cut off together by raising its epoch."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core import signing
from django.db.models import F

from core import limits
from core.problems import NotFound
from customers.models import Customer

SALT = "burnline.portal-link"


@dataclass(frozen=True)
class PortalLink:
    url: str
    expires_at: datetime


def create_portal_link(
    customer: Customer,
    *,
    now: datetime,
    base_url: str,
    seconds: int = limits.PORTAL_LINK_SECONDS_DEFAULT,
) -> PortalLink:
    """A link that opens the customer's portal until it expires; ``base_url`` is scheme and host."""
    expires_at = (now + timedelta(seconds=seconds)).replace(microsecond=0)
    token = signing.dumps(
        [customer.id, customer.portal_epoch, int(expires_at.timestamp())], salt=SALT, compress=False
    )
    return PortalLink(f"{base_url.rstrip('/')}/portal/enter/{token}", expires_at)


def customer_of_token(token: str, *, now: datetime) -> tuple[Customer, datetime]:
    """The customer whose portal the token opens, and until when.

    Raises ``NotFound``, in the same words whatever is wrong with the token.
    """
    try:
        customer_id, epoch, expires = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise _void() from None
    expires_at = datetime.fromtimestamp(expires, UTC)
    customer = Customer.objects.filter(id=customer_id, portal_epoch=epoch).first()
    if customer is None or now >= expires_at:
        raise _void()
    return customer, expires_at


def cut_off_portal_links(customer: Customer) -> None:
    """Make every link given out so far worthless."""
    Customer.objects.filter(pk=customer.pk).update(portal_epoch=F("portal_epoch") + 1)
    customer.refresh_from_db(fields=["portal_epoch"])


def _void() -> NotFound:
    return NotFound("This link has expired or was cut off. Ask for a new one.")
