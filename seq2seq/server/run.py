"""The process of a server: its socket, its signals, and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.server.app import App
from seq2seq.server.service import Service

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


class Server:
    """A server on a socket. Its methods but `run` belong to the event loop's thread.

    behind_proxy: whether a proxy on this machine tells the clients' addresses. ready: is called once, when the models
    are loaded.
    """

    def __init__(
        self,
        service: Service,
        listening: socket.socket,
        *,
        behind_proxy: bool = False,
        ready: Callable[[Server], None] = lambda server: None,
    ) -> None:
        self.service, self._listening, self._ready = service, listening, ready
        self._behind_proxy = behind_proxy
        self._reloads = _Reloads(service)

    def run(self) -> None:
        """Serve until SIGTERM, Ctrl-C or `stop`, and finish what was taken; SIGHUP loads models and keys again.

        Signals are taken in the main thread alone. Raises what loading the models raises. A second SIGTERM or Ctrl-C
        ends the process at once.
        """
        for library in ("uvicorn", "python_multipart"):  # whose words could contain a client's text
            logging.getLogger(library).setLevel(logging.CRITICAL + 1)
        asyncio.run(self._run())

    async def _run(self) -> None:
        service, self.loop = self.service, asyncio.get_running_loop()
        self._uvicorn = _Uvicorn(self._config())
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self.loop.add_signal_handler(number, self._stop_by, number)
            self.loop.add_signal_handler(signal.SIGHUP, self.reload)
        serving = asyncio.create_task(self._uvicorn.serve(sockets=[self._listening]))
        loading = asyncio.create_task(service.load())
        try:
            await asyncio.wait([serving, loading], return_when=asyncio.FIRST_COMPLETED)
            if loading.done() and not self._uvicorn.should_exit:
                loading.result()
                self._reloads.begin()
                self._ready(self)
            await serving
        finally:
            self.stop()
            await asyncio.gather(serving, loading, return_exceptions=True)
            await self._reloads.end()
            await service.close()

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            App(self.service).starlette(),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=self._behind_proxy,
            forwarded_allow_ips="127.0.0.1,::1",
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=int(self.service.limits.deadline + SLACK),
            h11_max_incomplete_event_size=1 << 16,
        )

    def stop(self) -> None:
        """Take nothing more; `run` returns when all is answered."""
        self._uvicorn.should_exit = True

    def reload(self) -> None:
        """Load models and keys again, and answer meanwhile with the old ones."""
        self._reloads.ask()

    def _stop_by(self, number: int) -> None:
        if self._uvicorn.should_exit:
            os._exit(128 + number)
        self.stop()
        self.service.tell("stopping: what was taken is finished; once more ends it now")


class _Reloads:
    """Loads models again, one time after the other, however often it is asked."""

    def __init__(self, service: Service) -> None:
        self._service, self._asked = service, asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    def ask(self) -> None:
        """Let the models be loaded again, when a load that has begun is over."""
        self._asked.set()

    def begin(self) -> None:
        """Do what is asked from now on."""
        self._task = asyncio.create_task(self._work())

    async def end(self) -> None:
        """Do no more; a load that has begun is finished."""
        if self._task is not None:
            self._ending = True
            self._asked.set()
            await self._task

    async def _work(self) -> None:
        while True:
            await self._asked.wait()
            if self._ending:
                return
            self._asked.clear()
            service = self._service
            try:
                await service.load()
            except Exception as error:  # whatever it is, the server goes on
                service.counters.reloads["failed"] += 1
                service.tell(f"warning: {error or type(error).__name__}; the models of before stay")
            else:
                service.counters.reloads["loaded"] += 1
                service.tell(f"loaded again: {service.models().directions.describe()}")
