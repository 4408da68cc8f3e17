"""Static files under names that carry their content's hash, so that browsers may keep them forever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    # A page must not fail because one picture is missing from the manifest; the plain name still answers 404.
    manifest_strict = False
