"""A provider's own usage made into disjoint buckets. This folder's README tells how, by surface."""

from metering.formats.usage.buckets import BUCKETS, canonical, is_bucket, is_prompt_bucket, is_token_bucket
from metering.formats.usage.fields import UsageError
from metering.formats.usage.kinds import family_of
from metering.formats.usage.normalized import MAPPING_VERSION, NormalizedUsage, UsagePart
from metering.formats.usage.surfaces import SURFACES, normalize

__all__ = [
    "BUCKETS",
    "MAPPING_VERSION",
    "SURFACES",
    "NormalizedUsage",
    "UsageError",
    "UsagePart",
    "canonical",
    "family_of",
    "is_bucket",
    "is_prompt_bucket",
    "is_token_bucket",
    "normalize",
]
