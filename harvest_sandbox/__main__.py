"""Runs a sandbox by hand: `python -m harvest_sandbox --size demo --port 0 --token demo-token`."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date

from harvest_sandbox.build import build_account
from harvest_sandbox.delay import Delay
from harvest_sandbox.limits import Limit
from harvest_sandbox.server import Sandbox
from harvest_sandbox.sizes import SIZES, Size


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="harvest_sandbox", description="A stand-in Harvest account on 127.0.0.1."
    )
    parser.add_argument("--size", choices=sorted(SIZES), default="demo")
    for field in fields(Size):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, metavar="N")
    parser.add_argument(
        "--entries", type=int, metavar="N", dest="time_entries", help="the same as --time-entries"
    )
    parser.add_argument("--seed", type=int, action="append", help="one account for each; default 1")
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        help="the account's last day; its clock then stands still",
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="demo-token")
    parser.add_argument("--limit", choices=["sliding", "fixed"])
    parser.add_argument(
        "--delay-seconds", type=float, default=0, metavar="S", help="every answer takes so long"
    )
    parser.add_argument(
        "--delay-seconds-per-1000-rows",
        type=float,
        default=0,
        metavar="S",
        help="and so much longer the more rows it holds",
    )
    return parser.parse_args(arguments)


def make_sandbox(options: argparse.Namespace) -> Sandbox:
    """Returns the sandbox that a command line asks for; nothing listens yet."""
    changed = {
        field.name: getattr(options, field.name)
        for field in fields(Size)
        if getattr(options, field.name) is not None
    }
    size = replace(SIZES[options.size], **changed)
    accounts = [build_account(size, seed=seed, today=options.today) for seed in options.seed or [1]]
    return Sandbox(
        accounts,
        token=options.token,
        limit=Limit(options.limit) if options.limit else None,
        port=options.port,
        delay=Delay(options.delay_seconds, options.delay_seconds_per_1000_rows),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until interrupted; the two addresses and the accounts are printed first."""
    with make_sandbox(parse(arguments)) as sandbox:
        lines = [f"api_url {sandbox.api_url}", f"id_url {sandbox.id_url}"]
        lines += [f"account {account.id} {account.name}" for account in sandbox.accounts]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
