"""Fills the metrics: from the ledger's changes as they come, the rest when it is asked for."""

from collections import Counter
from typing import Literal

from ..domain.models import SYNTHETIC, Instance, Reason, State
from ..metrics import Metrics
from .background import Background
from .consumer import Consumer
from .fair_share import FairShare
from .health import Check, Health
from .ledger import Ledger
from .pool_sizes import PoolSizes
from .synthetic import Synthetic


class Measuring:
    def __init__(
        self,
        metrics: Metrics,
        ledger: Ledger,
        sizes: PoolSizes,
        health: Health,
        consumer: Consumer,
        background: Background,
        synthetic: Synthetic,
        fair_share: FairShare,
        *,
        capacity: int,
    ) -> None:
        self._metrics = metrics
        self._ledger = ledger
        self._sizes = sizes
        self._health = health
        self._consumer = consumer
        self._background = background
        self._synthetic = synthetic
        self._fair_share = fair_share
        self._known = dict(ledger.live)  # as last heard of
        metrics.set("capacity", capacity)
        ledger.listen(self._hear)

    def _hear(self, instance: Instance) -> None:
        before = self._known.pop(instance.id, None)
        if not instance.state.ended:
            self._known[instance.id] = instance
        if _is_launch(before, instance):
            self._metrics.count("launches", instance.distribution, _origin(before, instance))
        if before is None:  # what an earlier process has done is not ours to count
            return
        if before.state.pending and instance.state is State.READY:
            for stage, seconds in instance.timings.items():
                self._metrics.observe("launch_stage_seconds", seconds, instance.distribution, stage)
        if instance.state.ended:
            self._ended(instance)

    def _ended(self, instance: Instance) -> None:
        reason = instance.reason or Reason.REMOVED_OUTSIDE
        self._metrics.count("endings", instance.distribution, reason, _holder(instance))
        if reason is Reason.EXPIRED and instance.ended_at:
            late = (instance.ended_at - instance.expires_at).total_seconds()
            self._metrics.observe("expiry_lateness_seconds", max(0.0, late))

    def exposition(self, checks: tuple[Check, ...]) -> bytes:
        """All of it, as it stands, in Prometheus' text format."""
        metrics, live = self._metrics, self._ledger.live.values()
        instances = Counter((each.distribution, each.state.value, _holder(each)) for each in live)
        metrics.set_all("instances", instances)
        pool = {}
        for stock in self._sizes.stocks():
            slug = stock.distribution.slug
            pool[slug, "ready"] = stock.ready
            pool[slug, "starting"] = stock.starting
            pool[slug, "target"] = stock.target
        metrics.set_all("pool", pool)
        metrics.set("restrained", len(self._fair_share.restrained))
        metrics.set("queue", self._ledger.counts().queued)
        metrics.set_all("check", {(check.name,): check.error is None for check in checks})
        metrics.set("engine_away", self._health.engine_away)
        metrics.set("engine_last_list_seconds", self._consumer.list_age)
        metrics.set("engine_last_word_seconds", self._consumer.word_age)
        metrics.count_up_to(self._consumer.lists, "engine_lists")
        for name, loop in self._background.loops.items():
            metrics.count_up_to(loop.failures, "loop_failures", name)
        self._tell_synthetic()
        return metrics.exposition()

    def _tell_synthetic(self) -> None:
        record, slug = self._synthetic.record, self._synthetic.slug
        for outcome, count in record.outcomes.items():
            self._metrics.count_up_to(count, "synthetic_runs", outcome)
        if record.since is not None:
            self._metrics.set_all("synthetic_up", {(slug,): bool(record.works)})
            since = record.since.timestamp()
            self._metrics.set_all("synthetic_since_timestamp_seconds", {(slug,): since})
        if run := record.latest:
            steps = {(step,): seconds for step, seconds in run.seconds.items()}
            self._metrics.set_all("synthetic_step_seconds", steps)


def _is_launch(before: Instance | None, instance: Instance) -> bool:
    """It has just become somebody's. What an earlier process began is known already, and what has
    been adopted was launched long ago."""
    if before is None:
        return instance.state is State.QUEUED
    return before.pooled and not instance.pooled and not instance.state.ended


def _origin(before: Instance | None, instance: Instance) -> str:
    if instance.owner == SYNTHETIC:
        return "synthetic"
    return "pool" if before is not None else "cold"


def _holder(instance: Instance) -> Literal["visitor", "pool", "synthetic"]:
    if instance.owner == SYNTHETIC:
        return "synthetic"
    return "pool" if instance.pooled else "visitor"
