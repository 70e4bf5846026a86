"""A Blue that creates reports after a pause, as fast as one Python process can; prints its port.

The path of the address is the pause in milliseconds.  `GET` answers the seconds from the first mutation that came to
the last that was answered, and forgets them.
"""

from __future__ import annotations

import asyncio
import json
import time

_SHARED = '"config":null,"reportUsers":[],"createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-01T00:00:00Z"'
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
_span = {"first": 0.0, "last": 0.0}
_made = 0


async def serve() -> None:
    server = await asyncio.start_server(_connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            verb, path, _ = head.split(b" ", 2)
            if verb == b"GET":
                answer = json.dumps(_span["last"] - _span["first"])
                _span.update(first=0.0, last=0.0)
            else:
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                body = await reader.readexactly(int(length[15:]))
                answer = await _answer(body, float(path[1:]) / 1000)
            writer.write(f"{_HEAD}{len(answer)}\r\n\r\n{answer}".encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _answer(body: bytes, pause: float) -> str:
    global _made  # noqa: PLW0603 - one process, one counter
    if b"createReport(" not in body:
        return '{"data":{"company":{"id":"acme","slug":"acme"}}}'
    _span["first"] = _span["first"] or time.monotonic()
    await asyncio.sleep(pause)
    _made += 1
    given = json.loads(body)["variables"]["input"]
    kept = json.dumps({name: given.get(name) for name in ("title", "description", "dataSources")})
    _span["last"] = time.monotonic()
    return f'{{"data":{{"createReport":{{"id":"r{_made}",{_SHARED},{kept[1:]}}}}}'


if __name__ == "__main__":
    asyncio.run(serve())
