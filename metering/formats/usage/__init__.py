"""A provider's own usage made into disjoint buckets. This folder's README tells how, by surface."""

from metering.formats.usage.buckets import BUCKETS, canonical, is_bucket, is_token_bucket
from metering.formats.usage.fields import UsageError
from metering.formats.usage.kinds import family_of
from metering.formats.usage.normalised import MAPPING_VERSION, NormalisedUsage, UsagePart
from metering.formats.usage.surfaces import SURFACES, normalise

__all__ = [
    "BUCKETS",
    "MAPPING_VERSION",
    "SURFACES",
    "NormalisedUsage",
    "UsageError",
    "UsagePart",
    "canonical",
    "family_of",
    "is_bucket",
    "is_token_bucket",
    "normalise",
]
