"""The command `seq2seq serve`."""

from __future__ import annotations

import ipaddress
import webbrowser
from contextlib import closing
from typing import Annotated, Literal

import typer

from seq2seq.bounds import LARGEST_COUNT
from seq2seq.cli import options
from seq2seq.cli.display.console import say
from seq2seq.errors import EXTRAS, InputError, require

EXAMPLES = """
seq2seq serve runs/demo --open
seq2seq serve runs/de-en runs/en-de --port 8080
curl 127.0.0.1:8080/translate -d source=de -d target=en -d q=Hund
seq2seq serve runs/demo --host 0.0.0.0 --keys keys.txt --rate 60
"""

_LIMITS, _PROTECTION, _MACHINE = "Limits", "Who may ask", "Machine"

Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="Model directory, or OWNER/NAME\\[@REVISION] on the Hugging Face hub. Each serves the languages of its "
        "config, and of its texts with tags.",
        show_default=False,
    ),
]


def serve(
    models: Models,
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help="Address to listen on; 0.0.0.0 is all networks.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0 is any free one.")] = 8080,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    pairs: Annotated[
        str | None,
        typer.Option(
            "--pairs",
            metavar="CODE",
            help="Languages of the models, as in de-en,en-de; of one model that reads tags, de-en=TAG+de-fr=TAG.",
            show_default="those of their configs",
        ),
    ] = None,
    characters: Annotated[
        int,
        typer.Option(
            "--char-limit",
            metavar="N",
            min=1,
            max=LARGEST_COUNT,
            help="Most characters of a request; of a file 20 times as many.",
            rich_help_panel=_LIMITS,
        ),
    ] = 5000,
    texts: Annotated[
        int,
        typer.Option(
            "--list-limit",
            metavar="N",
            min=1,
            max=LARGEST_COUNT,
            help="Most texts in a list.",
            rich_help_panel=_LIMITS,
        ),
    ] = 100,
    body: Annotated[
        int,
        typer.Option(
            "--body-limit",
            metavar="KIB",
            min=1,
            max=1 << 20,
            help="Most KiB of a request, files included.",
            rich_help_panel=_LIMITS,
        ),
    ] = 1024,
    queue: Annotated[
        int,
        typer.Option(
            "--queue",
            metavar="N",
            min=1,
            max=LARGEST_COUNT,
            help="Most sentences that wait; beyond them a request gets 503 and when to come again.",
            rich_help_panel=_LIMITS,
        ),
    ] = 1000,
    deadline: Annotated[
        float,
        typer.Option(
            "--deadline",
            metavar="SECONDS",
            min=0.1,
            max=3600,
            help="Time for a request; after it 504.",
            rich_help_panel=_LIMITS,
        ),
    ] = 30,
    keys: Annotated[
        str | None,
        typer.Option(
            "--keys",
            metavar="FILE",
            help="API keys, one a line, each with its own --rate behind it if need be; others are refused.",
            show_default="no key needed",
            rich_help_panel=_PROTECTION,
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            metavar="N",
            min=1,
            max=LARGEST_COUNT,
            help="Most requests a minute of a key or an address; a list of n counts as n.",
            show_default="any number",
            rich_help_panel=_PROTECTION,
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            "--cors",
            metavar="NAME",
            help="Origin whose pages may ask, such as https://example.org, or '*'; may be repeated.",
            show_default="none",
            rich_help_panel=_PROTECTION,
        ),
    ] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy",
            help="Take clients' addresses from X-Forwarded-For, if a proxy on this machine sends it.",
            rich_help_panel=_PROTECTION,
        ),
    ] = False,
    log: Annotated[
        Literal["errors", "requests", "text"],
        typer.Option(
            "--log", help="What to tell of requests on standard error; only 'text' ever tells what people write."
        ),
    ] = "errors",
    beam_size: options.BeamSize = None,
    length_penalty: options.LengthPenalty = None,
    length_alpha: options.LengthAlpha = None,
    max_source_length: options.MaxSourceLength = None,
    shortlist: options.Shortlist = False,
    int8: options.Int8 = False,
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            metavar="N",
            min=1,
            max=LARGEST_COUNT,
            help="Most sentences that are translated together: a matter of speed, not of the result.",
            rich_help_panel=_MACHINE,
        ),
    ] = 32,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            max=1024,
            help="Processes that translate, each with a copy of the models.",
            show_default="a thread of this process",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    device: options.Device = "cpu",
    threads: Annotated[
        int,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            max=1024,
            help="CPU threads of each that translates.",
            rich_help_panel=_MACHINE,
        ),
    ] = 1,
) -> None:
    """Translate over HTTP, by the interface that LibreTranslate's clients speak.

    Several models serve several pairs of languages. GET /docs of the server
    lists the endpoints. Sentences that wait are translated together, and what
    else is in a batch changes no translation.

    SIGTERM or Ctrl-C ends the server when all that it took is answered. After
    SIGHUP it loads the models and keys again, and answers meanwhile with the
    old ones.
    """
    require("seq2seq serve", *EXTRAS["serve"])
    from seq2seq.server.engines import Setup
    from seq2seq.server.languages import read_pairs
    from seq2seq.server.limits import Limits
    from seq2seq.server.run import Server, address_of, open_socket
    from seq2seq.server.service import Service, Settings

    search = options.search_options(
        beam_size=beam_size,
        length_penalty=length_penalty,
        length_alpha=length_alpha,
        max_source_length=max_source_length,
        shortlist=shortlist or None,
        int8=int8 or None,
    )
    setup = Setup(models, read_pairs(pairs, models), device, threads, search)
    _check_origins(cors or [])
    limits = Limits(characters, texts, body << 10, queue, deadline, batch_size)
    settings = Settings(limits, workers, keys, rate, tuple(cors or ()), log)
    service = Service(setup, settings, say)
    listening = open_socket(host, port)
    url = address_of(listening)
    if not _is_loopback(listening.getsockname()[0]) and keys is None:
        say("warning: whoever reaches this machine can ask; --keys and --rate say who may, and how often")

    def ready(server: Server) -> None:
        say(f"serving {service.models().directions.describe()} at {url}; Ctrl-C stops")
        if open_page:
            webbrowser.open(url)

    with closing(listening):
        Server(service, listening, behind_proxy=behind_proxy, ready=ready).run()


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _check_origins(origins: list[str]) -> None:
    for origin in origins:
        scheme, _, rest = origin.partition("://")
        if origin != "*" and not (scheme in ("http", "https") and rest and "/" not in rest):
            raise InputError(f"--cors {origin}: no origin; write https://example.org, without a path, or '*'")
