"""Reading settings from the environment, strictly: a bad value stops the start with one clear sentence."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})
SECRET_KEY_CHARACTERS_MIN = 32


@dataclass(frozen=True)
class Environment:
    """The process environment, read by typed getters that name the variable when its value is wrong."""

    values: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, default).strip()

    def flag(self, name: str, default: bool) -> bool:
        if name not in self.values:
            return default
        word = self.text(name).lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        raise ImproperlyConfigured(f"{name} is {word!r}; it must be 1 or 0.")

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        text = self.text(name) or str(default)
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ImproperlyConfigured(
                f"{name} is {text!r}; it must be a whole number from {least} to {most}."
            )
        return int(text)

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        word = self.text(name) or default
        if word not in allowed:
            raise ImproperlyConfigured(f"{name} is {word!r}; it must be one of {', '.join(allowed)}.")
        return word

    def words(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """A comma-separated list; blanks are dropped."""
        text = self.text(name)
        return [word.strip() for word in text.split(",") if word.strip()] if text else list(default)

    def url(self, name: str, schemes: tuple[str, ...], default: str = "") -> SplitResult | None:
        """The URL split into parts, or None when neither the variable nor a default is set."""
        text = self.text(name) or default
        if not text:
            return None
        expected = f"{name} must be a URL starting with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise ImproperlyConfigured(f"{expected}: {error}.") from None
        if parts.scheme not in schemes:
            raise ImproperlyConfigured(f"{expected}; it starts with {parts.scheme or 'no scheme'!r}.")
        return parts

    def addresses(self, name: str, known: tuple[str, ...]) -> dict[str, str]:
        """``name=https://…`` pairs, separated by commas, each name one of those known."""
        found: dict[str, str] = {}
        for word in self.words(name):
            key, _, url = word.partition("=")
            if key not in known or not url.startswith("https://") or key in found:
                raise ImproperlyConfigured(
                    f"{name} has {word!r}; write SOURCE=https://…, each source once, of: {', '.join(known)}."
                )
            found[key] = url
        return found

    def folder(self, name: str, default: Path) -> Path:
        return Path(self.text(name) or default).expanduser().absolute()


def process_environment() -> Environment:
    return Environment(os.environ)


def database_from_url(parts: SplitResult) -> dict[str, str | int]:
    """Django's connection fields from `postgres://user:password@host:port/name`.

    Raises ImproperlyConfigured when the database's name is missing.
    """
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise ImproperlyConfigured("DATABASE_URL names no database; it must end in /NAME.")
    return {
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": parts.port or "",
    }


def secret_key(environment: Environment, var: Path) -> str:
    """SECRET_KEY, or one made at the first start and kept in `var/secret_key` for its owner alone."""
    given = environment.text("SECRET_KEY")
    if given:
        if len(given) < SECRET_KEY_CHARACTERS_MIN:
            raise ImproperlyConfigured(
                f"SECRET_KEY has {len(given)} characters; it needs at least {SECRET_KEY_CHARACTERS_MIN}."
            )
        return given
    path = var / "secret_key"
    try:
        return path.read_text().strip() or _keep_new_key(path)
    except FileNotFoundError:
        return _keep_new_key(path)
    except OSError as error:
        raise ImproperlyConfigured(
            f"SECRET_KEY is not set and {path} cannot be read: {error.strerror}."
        ) from None


def _keep_new_key(path: Path) -> str:
    # Written aside and linked into place: of several processes starting at once, one key wins for all.
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret_key.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    try:
        draft.write_text(secrets.token_urlsafe(64))
        if path.exists() and not path.read_text().strip():
            draft.replace(path)
        else:
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
    finally:
        draft.unlink(missing_ok=True)
    return path.read_text().strip()
