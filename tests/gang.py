"""Train several configs, each in so many processes, after one import of torch: what torchrun does, without its start.

python tests/gang.py JOBS.json      [{"config": {...}, "output": "DIR", "processes": 2, "resume": false}, ...]
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # as in crash.py
from torch.nn.parallel import DistributedDataParallel

from seq2seq.config_file import parse_config
from seq2seq.training.trainer import train


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def watch_the_end() -> None:
    """The group of processes has to end while DDP's wrapper is gone: with the last of it, it may wait for ever."""
    destroy = torch.distributed.destroy_process_group

    def checked(group: Any = None) -> None:
        assert not [one for one in gc.get_objects() if type(one) is DistributedDataParallel], "a wrapper is left"
        destroy(group)

    torch.distributed.destroy_process_group = checked


def member(job: dict[str, Any], rank: int, port: int) -> None:
    """One process of a job; never returns."""
    if job["processes"] > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(job["processes"])}
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        watch_the_end()
    code = 1
    try:
        train(parse_config(job["config"], "job"), Path(job["output"]), resume=job.get("resume", False))
        code = 0
    except Exception as error:  # as in crash.py: this process is a fork and must end here
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    codes = []
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        port, children = free_port(), []
        for rank in range(job["processes"]):
            child = os.fork()
            if not child:
                member(job, rank, port)
            children.append(child)
        codes.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    print(json.dumps(codes))


if __name__ == "__main__":
    main()
