"""A small load generator: keep-alive connections, each asks again as soon as it has its answer."""

import asyncio
import time

CONNECTIONS = 8


class _Asking(asyncio.Protocol):
    """One connection; counts whole answers by their Content-Length."""

    def __init__(self, request: bytes) -> None:
        self.answers = 0
        self.wrong = ""
        self._request = request
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lengths = [
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ]
        if not head.startswith(b"HTTP/1.1 200") or not lengths:
            self.wrong = head.decode(errors="replace")
            return
        if len(body) >= int(lengths[0].partition(b":")[2]):
            self.answers += 1
            self._buffer = b""
            assert self._transport
            self._transport.write(self._request)

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def requests_per_second(
    address: str, port: int, path: str, seconds: float, **headers: str
) -> float:
    """Raises where an answer is not 200 with a Content-Length."""
    lines = {"Host": address, "Accept": "*/*"} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    request = f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
    return asyncio.run(_measure(address, port, request, seconds))


async def _measure(address: str, port: int, request: bytes, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    asking = []
    started = time.perf_counter()
    for _ in range(CONNECTIONS):
        _, protocol = await loop.create_connection(lambda: _Asking(request), address, port)
        asking.append(protocol)
    await asyncio.sleep(seconds)
    answers = sum(each.answers for each in asking)
    took = time.perf_counter() - started
    for each in asking:
        each.close()
        if each.wrong or not each.answers:
            raise RuntimeError(f"the load met: {each.wrong or 'silence'}")
    return answers / took
