"""Growth: what a claim, a cold start and their engine calls cost with more instances alive.

The first byte of a claim is compared with the same run's at the first level: *quiet*, when the pool
is full and nothing starts, and *refilling*, while those claimed before are being replaced (see
`claim.py`). Engine calls must be the very same.
"""

import time
from collections.abc import Iterator

from benchmarks.calls import SETTLES, counted
from benchmarks.claim import claim, refilling
from benchmarks.cold_start import cold_start
from benchmarks.figures import Figure, median
from benchmarks.laboratory import Laboratory

CLAIM_BAR, CALLS_BAR = 1.5, 1
CLAIMS, STARTS = 5, 5  # for each round; of rounds there are `ROUNDS`
ROUNDS = 3


class Growth:
    """Keeps what was measured at the first level."""

    def __init__(self) -> None:
        self.first_claim: dict[str, float] = {}
        self.first_calls = 0.0

    def at(self, lab: Laboratory) -> Iterator[Figure]:
        rounds = ROUNDS if lab.runs >= 10 else 2
        claims: dict[str, list[float]] = {"quiet": [], "refilling": []}
        with counted(lab) as of_claims:
            for _ in range(rounds):
                lab.until_stocked()
                # The last start has left nothing to do; Traefik looks at every instance after each.
                time.sleep(SETTLES + lab.live / 40)
                found = [claim(lab, "hello") for _ in range(CLAIMS)]
                claims["quiet"] += [each.seconds for each in found]
                lab.delete(*(each.id for each in found))
            lab.until_stocked()
        claims["refilling"] += refilling(lab, "hello", rounds * CLAIMS)
        lab.until_stocked()
        distribution = lab.catalog.get("cold-hello")
        with counted(lab) as of_starts:
            ours = [cold_start(lab, "cold-hello")[0] for _ in range(STARTS)]
        bare = [lab.bare_start(distribution) for _ in range(STARTS)]
        for when, sample in claims.items():
            yield Figure(
                "growth",
                f"claim, {when}, median",
                median(sample),
                "s",
                self.first_claim.setdefault(when, median(sample)),
                "the same at first",
                CLAIM_BAR,
                live=lab.live,
            )
        yield Figure(
            "growth",
            "cold start, median",
            median(ours),
            "s",
            median(bare),
            "bare engine",
            live=lab.live,
            details={"traefik_calls": of_starts.traefik / STARTS},
        )
        total = sum(of_starts.launches.values()) / STARTS
        self.first_calls = self.first_calls or total
        yield Figure(
            "growth",
            "engine calls, launch and removal",
            total,
            "",
            self.first_calls,
            "the same at first",
            CALLS_BAR,
            live=lab.live,
            details={
                "each": {call: n / STARTS for call, n in of_starts.launches.items()},
                "each_claimed_and_replaced": {
                    call: n / (rounds * CLAIMS) for call, n in of_claims.launches.items()
                },
                "not_of_launches": of_starts.anyway,
            },
        )
