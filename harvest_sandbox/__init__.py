"""A stand-in Harvest account behind a real socket, written from the API's description."""

from harvest_sandbox.access import Caller
from harvest_sandbox.account import Account
from harvest_sandbox.build import build_account
from harvest_sandbox.clock import Clock
from harvest_sandbox.delay import Delay
from harvest_sandbox.faults import Fault
from harvest_sandbox.limits import Limit
from harvest_sandbox.oauth import OAuth
from harvest_sandbox.preferences import Preferences
from harvest_sandbox.requests import Request
from harvest_sandbox.server import Sandbox
from harvest_sandbox.sizes import SIZES, Size

__all__ = [
    "SIZES",
    "Account",
    "Caller",
    "Clock",
    "Delay",
    "Fault",
    "Limit",
    "OAuth",
    "Preferences",
    "Request",
    "Sandbox",
    "Size",
    "build_account",
]
