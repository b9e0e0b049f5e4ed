"""The program that `speed.py` measures: loads time entries, and writes how long each stage took.

Run by it: python benchmarks/speed_load.py LOADER DESTINATION FILE BEGAN_AT. LOADER is `product`, the command line, whose limits
never hold it back, or `plain`, a pipeline of dlt with its defaults. BEGAN_AT is when this program was started.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE_ROWS = 2000
START, REST = "start", "rest"  # before the first stage that follows; between stages


class Watch:
    """How long stages take, of which one within another counts for the outer one, and how long requests are waited for."""

    def __init__(self, began_at: float, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.waiting_seconds = 0.0
        self._now = now
        self._last_end = began_at
        self._is_in_stage = False
        self._lock = threading.Lock()
        self._under_way = 0
        self._waits_since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts what the main thread does within a `with`."""
        if self._is_in_stage or threading.current_thread() is not threading.main_thread():
            yield
            return
        began = self._now()
        self.seconds[START if not self.seconds.keys() - {START} else REST] += began - self._last_end
        self._is_in_stage = True
        try:
            yield
        finally:
            self._is_in_stage = False
            self._last_end = self._now()
            self.seconds[name] += self._last_end - began

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts the time in which at least one request is under way."""
        with self._lock:
            if not self._under_way:
                self._waits_since = self._now()
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                if not self._under_way:
                    self.waiting_seconds += self._now() - self._waits_since

    def follow(self, owner: Any, function: str, during: Callable[[], Any]) -> None:
        """Has all calls of a function take place within a `with`."""
        called = getattr(owner, function)

        @wraps(called)
        def followed(*args: Any, **kwargs: Any) -> Any:
            with during():
                return called(*args, **kwargs)

        setattr(owner, function, followed)

    def write(self, file: Path) -> None:
        """Writes what it knows."""
        figures = {
            "stages": self.seconds,
            "waiting_seconds": self.waiting_seconds,
            "megabytes": peak_megabytes(),
        }
        file.write_text(json.dumps(figures), encoding="utf-8")


def peak_megabytes() -> float:
    """Returns the most memory that this program had at once, 0 where the system does not tell.

    Not as `getrusage` tells it: a program inherits that from the one that starts it, which compares tables in its memory.
    """
    try:
        said = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(said.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def follow_dlt(watch: Watch) -> None:
    """Has the stages of dlt counted, and all requests."""
    import dlt  # noqa: PLC0415 - its import is a part of the start
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    for name in ("extract", "normalize", "load"):
        watch.follow(dlt.Pipeline, name, partial(watch.stage, name))
    watch.follow(HTTPAdapter, "send", watch.request)


def load_product(watch: Watch, destination: str) -> None:
    """Runs the command line."""
    sys.path.insert(0, str(ROOT))
    from harvest_source.api.limits import Budgets, Limit  # noqa: PLC0415 - as above
    from harvest_source.loading.loader import Loader  # noqa: PLC0415
    from harvest_source.loading.run import Run  # noqa: PLC0415
    from harvest_source.reading.reader import Reader  # noqa: PLC0415

    follow_dlt(watch)
    of_product = {
        (Loader, "prepare"): START,
        (Loader, "complete_tables"): START,
        (Reader, "read_lists"): "reading",
        (Run, "_compare"): "proof",
        (Loader, "write_history"): "history",
    }
    for (owner, name), stage in of_product.items():
        watch.follow(owner, name, partial(watch.stage, stage))
    Budgets.__init__.__defaults__ = (Limit(10**6, 15), Limit(10**6, 900))
    sys.argv[1:] = ["run", "--quiet", "--reports", "time_entries", "--destination", destination]
    runpy.run_path(str(ROOT / "harvest_pipeline.py"), run_name="__main__")


def load_plain(watch: Watch, destination: str) -> None:
    """Loads with dlt alone: dicts, merge by id, its defaults. It reads while it extracts."""
    follow_dlt(watch)
    import dlt  # noqa: PLC0415 - as above
    from dlt.sources.helpers import requests  # noqa: PLC0415

    api_url, id_url, token = (
        os.environ[f"SOURCES__HARVEST__{name}"] for name in ("API_URL", "ID_URL", "ACCESS_TOKEN")
    )
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "benchmark (b@example.com)"}
    accounts = requests.get(id_url + "api/v2/accounts", headers=headers).json()["accounts"]
    (account_id,) = (each["id"] for each in accounts if each["product"] == "harvest")
    headers["Harvest-Account-Id"] = str(account_id)

    @dlt.resource(name="time_entries", write_disposition="merge", primary_key="id")
    def time_entries() -> Any:
        url = f"{api_url}time_entries?per_page={PAGE_ROWS}"
        while url:
            page = requests.get(url, headers=headers).json()
            yield page["time_entries"]
            url = page["links"]["next"]

    pipeline = dlt.pipeline(
        "plain", destination=destination, dataset_name="harvest", pipelines_dir="state"
    )
    pipeline.run(time_entries())


def main() -> None:
    """Loads; however it ends, the stages are written."""
    loader, destination, file, began_at = sys.argv[1:]
    watch = Watch(float(began_at))
    load = {"product": load_product, "plain": load_plain}[loader]
    try:
        load(watch, destination)
    finally:
        watch.write(Path(file))


if __name__ == "__main__":
    main()
