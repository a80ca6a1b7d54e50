"""Requests to a WSGI application, as a server makes them."""

import io
import json
import sys
from typing import Any


def ask(
    served: Any, path: str, method: str = "GET", query_string: str = "", sent: Any = None
) -> tuple[str, bytes]:
    """The status and the body of an answer."""
    status, _, told = answer_of(served, path, method, query_string, sent)
    return status, told


def answer_of(
    served: Any, path: str, method: str = "GET", query_string: str = "", sent: Any = None
) -> tuple[str, dict[str, str], bytes]:
    """The status, the headers and the body of an answer; a header that occurs twice has its last value."""
    said: list[tuple[str, dict[str, str]]] = []
    body = b"" if sent is None else json.dumps(sent).encode()
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query_string,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.errors": sys.stderr,
    }
    answer = served(environ, lambda status, headers, *_: said.append((status, dict(headers))))
    told = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return *said[0], told
