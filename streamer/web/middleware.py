"""What every request goes through: errors become problem documents, CORS headers, one log line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from streamer.errors import (
    Conflict,
    LibraryError,
    MalformedRequest,
    NotAllowed,
    NotFound,
    SessionError,
    SessionGone,
    StoreError,
    TooLate,
    TooMany,
)
from streamer.web.keys import DRAINING, METRICS, SETTINGS

log = structlog.get_logger("branchline.requests")

# The one table from errors to status codes.
STATUS: Mapping[type[SessionError], int] = {
    MalformedRequest: 400,
    NotAllowed: 401,
    NotFound: 404,
    TooLate: 409,
    Conflict: 409,
    SessionGone: 410,
    TooMany: 429,
}
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Age, Date, ETag, Content-Encoding, Content-Length, Content-Range,"
    " Accept-Ranges, Location, Retry-After, CMSD-Static, CMSD-Dynamic",
}
SECURE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}  # pages have more of their own
PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Range, If-Range, If-None-Match,"
    " X-Playback-Session-Id, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status",
    "Access-Control-Max-Age": "86400",
}
FREQUENT = ("}.m3u8", "/m/{name}")  # routes of what players ask for every second or two
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def problem(status: int, detail: str, members: Mapping[str, object] | None = None) -> web.Response:
    """Gives a problem document (RFC 9457)."""
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail}
    return web.json_response(
        {**body, **(members or {})},
        status=status,
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )


@web.middleware
async def boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Translates errors, answers preflights, counts and writes the canonical log line."""
    started = time.perf_counter()
    if request.method == "OPTIONS":
        response: web.StreamResponse = web.Response(status=204, headers=PREFLIGHT)
    else:
        response = await answered(request, handler)
    if not response.prepared:
        response.headers.update(CORS)
        response.headers.update(SECURE)
        if request.app[DRAINING].is_set():
            response.force_close()  # the next request opens a connection, to a server that stays
    _tell(request, response, time.perf_counter() - started)
    return response


def _tell(request: web.Request, response: web.StreamResponse, seconds: float) -> None:
    """Counts, and writes a line; of players' requests only where they fail, unless all lines are asked for."""
    resource = request.match_info.route.resource
    # The path alone, and of a session's path only its kind: ids and queries are capabilities.
    route = resource.canonical if resource is not None else "-"
    metrics = request.app[METRICS]
    metrics.requests.labels(route=route, status=response.status).inc()
    if not response.prepared:  # an event stream lasts as long as somebody listens
        metrics.latency.labels(route=route).observe(seconds)
    is_usual = response.status < web.HTTPBadRequest.status_code and route.endswith(FREQUENT)
    if is_usual and not request.app[SETTINGS].server.log_every_request:
        return
    log.info("request", method=request.method, route=route, status=response.status, ms=round(seconds * 1000, 1))


async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives a handler's answer, or the problem document that its error stands for."""
    try:
        return await handler(request)
    except SessionError as error:
        return _refused(error)
    except LibraryError:
        log.exception("library")
        response = problem(503, "the story's package cannot be read; the operator's log says why")
        response.headers["Retry-After"] = "10"
        return response
    except StoreError as error:
        log.warning("store", problem=str(error))
        response = problem(503, "the session store does not answer at the moment; try again")
        response.headers["Retry-After"] = "1"
        return response
    except web.HTTPException as error:
        response = problem(error.status, _words(error))
        if isinstance(error, web.HTTPMethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted({*error.allowed_methods, "OPTIONS"}))
        return response
    except (ConnectionResetError, TimeoutError):
        raise
    except Exception:
        log.exception("bug")
        return problem(500, "the server failed; its log says why")


async def body_of(request: web.Request) -> bytes:
    """Gives a request's body.

    Raises:
        HTTPRequestTimeout: it does not come in time.
        HTTPRequestEntityTooLarge: it is too large.
    """
    try:
        async with asyncio.timeout(request.app[SETTINGS].server.body_seconds):
            return await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error


def _refused(error: SessionError) -> web.Response:
    response = problem(STATUS[type(error)], error.detail, error.members)
    if isinstance(error, NotAllowed):
        response.headers["WWW-Authenticate"] = 'Bearer realm="branchline"'
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.members.get("retry_after_seconds", 5))
    return response


def _words(error: web.HTTPException) -> str:
    match error.status:
        case 404:
            return "there is nothing at this address"
        case 405:
            return "this address does not take that method"
        case 408:
            return "the body did not come in time"
        case 413:
            return "the body is too large"
        case _:
            return error.reason
