"""Usage as OpenTelemetry's GenAI attributes count it: whole sides of the call, whatever the provider's own API does.

The attributes are laid out in OpenAI's shape before they come here (``metering.formats.genai_spans``).
"""

from metering.formats.usage.anthropic import DEFAULT_LIFETIME
from metering.formats.usage.normalized import Reading
from metering.formats.usage.openai import read_tokens
from metering.formats.usage.reply import Reply


def read_counts(reply: Reply) -> Reading:
    """Inclusive counts; thinking beside the answer only where the total says so. Raises ``UsageError``."""
    return read_tokens(reply, place="by_total")


def read_anthropic_counts(reply: Reply) -> Reading:
    """As ``read_counts``; a cache write whose lifetime no attribute tells has the API's default one."""
    return read_tokens(reply, place="by_total", write_lifetime=DEFAULT_LIFETIME)
