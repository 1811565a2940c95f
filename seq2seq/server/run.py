"""The process of a server: its socket, its signals, and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from seq2seq.errors import InputError, MissingPackage, Seq2SeqError
from seq2seq.server.app import App
from seq2seq.server.engines import Setup
from seq2seq.server.service import Service, Settings

CONNECTIONS = 1000  # at a time; further ones are answered with 503
HEADERS_SECONDS = 10.0  # for the arrival of a request's headers
SLACK = 5.0  # seconds after the deadline in which a stop waits for answers to be received


class _Protocol(H11Protocol):
    """HTTP that closes a connection whose headers do not arrive; without this, idle clients could take all places."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Wait for the headers of the next request, from the first byte on."""
        if self.cycle is not None and not self.cycle.response_complete:
            if self._late is not None:
                self._late.cancel()
            self._late = None
        elif self._late is None:
            self._late = self.loop.call_later(HEADERS_SECONDS, self.transport.close)


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve`."""
        yield


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises InputError for a host that is no address of this machine, and Seq2SeqError
    where the port is taken or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise InputError(
            f"--host {host}: no such host; 127.0.0.1 is this machine alone, 0.0.0.0 all networks"
        ) from None
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(CONNECTIONS)
    except OSError as error:
        found.close()
        reason = os.strerror(error.errno or 0)
        if isinstance(error, PermissionError):
            raise Seq2SeqError(f"--port {port}: {reason}; choose one above 1023") from None
        if error.errno in (98, 48):  # EADDRINUSE on Linux and macOS
            raise Seq2SeqError(f"--port {port}: another program listens there; choose another, or 0 for any") from None
        raise InputError(f"--host {host}: cannot listen there: {reason}; 127.0.0.1 is this machine alone") from None
    found.setblocking(False)
    return found


def address_of(listening: socket.socket) -> str:
    """Return the URL of a socket; that of this machine for one that listens on all addresses."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(
    setup: Setup,
    settings: Settings,
    listening: socket.socket,
    *,
    behind_proxy: bool,
    tell: Callable[[str], None],
    ready: Callable[[Service], None],
) -> int:
    """Serve until SIGTERM or Ctrl-C, and finish what was taken; return the exit code.

    SIGHUP loads models and keys again. behind_proxy: whether a proxy on this machine tells the clients' addresses.
    ready: is called once, when the models are loaded. Raises what loading them raises. A second SIGTERM or Ctrl-C ends
    the process at once.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # its words could contain a client's text
    return asyncio.run(_serve(setup, settings, listening, behind_proxy, tell, ready))


async def _serve(
    setup: Setup,
    settings: Settings,
    listening: socket.socket,
    behind_proxy: bool,
    tell: Callable[[str], None],
    ready: Callable[[Service], None],
) -> int:
    service = Service(setup, settings, tell)
    config = uvicorn.Config(
        App(service).starlette(),
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=behind_proxy,
        forwarded_allow_ips="127.0.0.1,::1",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(settings.limits.deadline + SLACK),
        h11_max_incomplete_event_size=1 << 16,
    )
    server, loop = _Uvicorn(config), asyncio.get_running_loop()
    reloads = _Reloads(service)

    def stop(number: int) -> None:
        if server.should_exit:
            os._exit(128 + number)
        server.should_exit = True
        tell("stopping: what was taken is finished; once more ends it now")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, reloads.ask)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    loading = asyncio.create_task(service.load())
    try:
        await asyncio.wait([serving, loading], return_when=asyncio.FIRST_COMPLETED)
        if loading.done() and not server.should_exit:
            loading.result()
            ready(service)
            reloads.begin()
        await serving
    finally:
        server.should_exit = True
        await asyncio.gather(serving, loading, return_exceptions=True)
        await reloads.end()
        await service.close()
    return 0


class _Reloads:
    """Loads models again, one time after the other, however often it is asked."""

    def __init__(self, service: Service) -> None:
        self._service, self._asked = service, asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Let the models be loaded again, when a load that has begun is over."""
        self._asked.set()

    def begin(self) -> None:
        """Do what is asked from now on."""
        self._task = asyncio.create_task(self._work())

    async def end(self) -> None:
        """Do no more; a load that has begun is finished."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            service = self._service
            try:
                await service.load()
            except (Seq2SeqError, MissingPackage, RuntimeError, MemoryError, OSError) as error:
                service.counters.reloads["failed"] += 1
                service.tell(f"warning: {error}; the models of before stay")
            else:
                service.counters.reloads["loaded"] += 1
                service.tell(f"loaded again: {service.models().directions.describe()}")
