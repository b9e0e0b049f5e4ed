"""Builds an account worth looking at: a made-up agency with fourteen months of work."""

from harvest_sandbox.build.build import build_account

__all__ = ["build_account"]
