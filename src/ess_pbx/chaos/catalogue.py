"""The rows of the fault list, in their order: what each is called, and what injects it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ess_pbx.chaos.faults import (
    ari_events,
    asterisk,
    clock,
    database,
    disk,
    engine,
    network,
    phones,
    soak,
    standby,
    strangers,
    surge,
)
from ess_pbx.chaos.scene import Inject


@dataclass(frozen=True)
class Fault:
    """A row. Without ``inject`` it is left out; ``why_not`` may say so at the time."""

    id: str
    title: str
    inject: Inject | None = None
    why_not: Callable[[], str | None] = lambda: None
    short: bool = False
    """Whether its short form belongs to the tests."""
    times: int = 1
    """How much longer than the load it lasts."""


def _because(reason: str) -> Callable[[], str]:
    return lambda: reason


FAULTS = (
    Fault("engine-crash", "engine crash (kill -9)", engine.crash, short=True),
    Fault("engine-frozen", "engine frozen (SIGSTOP)", engine.frozen, short=True),
    Fault("engine-watched", "engine frozen, a service manager watches", engine.watched),
    Fault("standby-crash", "engine crash, a standby there", standby.crash),
    Fault("standby-frozen", "engine frozen, a standby there", standby.frozen),
    Fault("asterisk-restart", "Asterisk restart (kill -9)", asterisk.restart, short=True),
    Fault("database-stopped", "database stopped", database.stopped, short=True),
    Fault("database-slow", "database slow (2 s each way)", database.slow),
    Fault("phone-lost", "phone lost while ringing", phones.lost_while_ringing),
    Fault("operator-lost", "operator's leg dies mid-call (kill -9)", phones.lost_while_talking),
    Fault("operator-cut-off", "operator's phone cut off mid-call", phones.cut_off_while_talking),
    Fault("ari-events", "ARI events lost, twice, reordered, 1 % each", ari_events.unreliable),
    Fault("ari-slow", "slow ARI reader (1 message/s)", ari_events.slow_reader),
    Fault("flood", "INVITE flood from a stranger", strangers.flood),
    Fault("surge", "trunk surge (20 times)", surge.trunk_surge),
    Fault("malformed", "malformed SIP (RFC 4475, fuzzer)", strangers.malformed),
    Fault("clock", "clock jump (1 h forward, back)", clock.jump),
    Fault("disk-full", "disk full for recordings", disk.full, disk.why_not),
    Fault(
        "packet-loss",
        "SIP packet loss 5 %, delay 80 ms, each way",
        network.packet_loss,
    ),
    Fault(
        "two-engines",
        "two engines, one partitioned",
        why_not=_because("needs a second machine, and a lease"),
    ),
    Fault("soak", "soak (nine times as long)", soak.soak, times=soak.ROUNDS),
)
