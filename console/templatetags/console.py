"""How the console's pages write the way through it, and what their forms carry."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.backfills.summary import PREFIX
from billing.models import CreditGrant, PlanMove, ReRating
from console.acts import MARK
from console.navigation import SECTIONS, section_of
from core.ids import public_id
from metering.models import Backfill
from pricing.burn_rates import BurnRate

register = template.Library()


@register.inclusion_tag("console/parts/sections.html", takes_context=True)
def sections(context: dict[str, Any]) -> dict[str, Any]:
    """The links of the masthead, and below them the pages of the section that the reader is in."""
    match = getattr(context.get("request"), "resolver_match", None)
    name = match.url_name if match and match.app_name == "console" else ""
    current = section_of(name)
    pages = current.pages if current and len(current.pages) > 1 else ()
    return {
        "sections": [(section, section is current) for section in SECTIONS],
        "pages": [(page, page.holds(name)) for page in pages],
    }


@register.simple_tag
def once() -> SafeString:
    """Makes a form's act happen once, however often its button is pressed: see ``console.acts.carry_out``."""
    return format_html('<input type="hidden" name="{}" value="{}">', MARK, uuid4())


@register.simple_tag
def sandbox() -> bool:
    """Whether this installation's clock is moved by hand."""
    return bool(settings.SANDBOX)


@register.filter
def backfill_id(row: Backfill) -> str:
    """A backfill's id as addresses carry it."""
    return public_id(PREFIX, row.id)


@register.filter
def re_rating_id(row: ReRating) -> str:
    """A re-rating's id as addresses carry it."""
    return public_id("rerate", row.id)


@register.filter
def move_id(row: PlanMove) -> str:
    """A plan move's id as addresses carry it."""
    return public_id("move", row.id)


@register.filter
def subscription_id(id: UUID) -> str:
    """A subscription's id as addresses carry it."""
    return public_id("sub", id)


@register.filter
def grant_id(grant: CreditGrant) -> str:
    """A grant's id as addresses carry it."""
    return public_id("grant", grant.id)


@register.filter
def rate_words(rate: BurnRate) -> str:
    """What a rate is for: ``family opus, output``."""
    parts = [f"{name.rpartition('.')[2]} {' or '.join(wanted)}" for name, wanted in rate.match.items()]
    parts += [" and ".join(kind.replace("_", " ") for kind in rate.token_kind)] if rate.token_kind else []
    return ", ".join(parts) or "everything else"


@register.filter
def seconds(span: timedelta) -> str:
    """A short time.

    >>> [seconds(timedelta(seconds=count)) for count in (0, 0.42, 12.3, 200)]
    ['0.0 s', '0.4 s', '12 s', '3 min']
    """
    count = span.total_seconds()
    if count < 10:
        return f"{count:.1f} s"
    return f"{count:.0f} s" if count < 120 else f"{count / 60:.0f} min"
