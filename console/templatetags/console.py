"""How the console's pages write the way through it."""

from typing import Any

from django import template

from console.navigation import SECTIONS, section_of

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
