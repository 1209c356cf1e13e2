"""Finds the best sandbox of this machine that the policy of its worker accepts."""

from __future__ import annotations

from dataclasses import dataclass

from evaluator.sandbox.base import Sandbox, SandboxUnavailable
from evaluator.sandbox.bubblewrap import BubblewrapSandbox
from evaluator.sandbox.unconfined import UnconfinedSandbox


@dataclass(frozen=True, kw_only=True)
class SandboxPolicy:
    """What this worker accepts. The default demands bubblewrap and fails closed."""

    #: Refuse where neither cgroup v2 nor v1 can bound memory. Production sets it.
    require_cgroup: bool = False
    #: Without bubblewrap, let built-in calculator kinds run unconfined (development alone).
    allow_unsandboxed_built_in: bool = False


def find_sandbox(policy: SandboxPolicy | None = None) -> Sandbox:
    """The best sandbox of this machine that the policy accepts, tried out once.

    Raises SandboxUnavailable, naming what to install; nothing untrusted runs without one.
    """
    policy = policy or SandboxPolicy()
    try:
        return BubblewrapSandbox.find(require_cgroup=policy.require_cgroup)
    except SandboxUnavailable:
        if policy.allow_unsandboxed_built_in and not policy.require_cgroup:
            return UnconfinedSandbox()
        raise
