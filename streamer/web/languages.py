"""The languages that a viewer reads, as their browser or player says."""

from __future__ import annotations

from aiohttp import web

MAX_CHARACTERS = 1000  # of Accept-Language that are read


def languages_of(request: web.Request) -> tuple[str, ...]:
    """Gives the languages that a viewer reads, the best first (RFC 9110, section 12.5.4)."""
    weighted: list[tuple[float, str]] = []
    for part in request.headers.get("Accept-Language", "")[:MAX_CHARACTERS].split(","):
        language, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            weight = 0.0
        if language and language != "*" and weight > 0:
            weighted.append((-weight, language))
    return tuple(language for _, language in sorted(weighted, key=lambda each: each[0]))
