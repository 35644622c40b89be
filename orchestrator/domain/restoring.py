"""What becomes of each instance when a backup is restored. Pure functions.

What lives now goes on as it is: its owner, its renewals, its place. A backup can only give back
what has been lost since. What it calls alive and nobody knows of any more is compared with the
engine afterwards, as after any fault: without a container it ends as `removed_outside`.
"""

from dataclasses import replace
from datetime import datetime

from .models import Instance, Reason, Stage, State, final_state


def carried_over(alive: Instance, in_backup: Instance | None, now: datetime) -> Instance:
    """An instance that lives at `now`, as it should stand after the restoration.

    One that was adopted after a lost database gets its owner back, and its lease, unless that is
    over: then it has been renewed since the backup, and the label's end holds. One that was in the
    pool then may have been anybody's since: it stays nobody's.
    """
    adopted = not alive.owner and not alive.pooled
    if in_backup is None or not adopted or not in_backup.owner:
        return alive
    return replace(
        alive,
        owner=in_backup.owner,
        name=in_backup.name,
        password=in_backup.password,
        lifetime=in_backup.lifetime,
        created_at=in_backup.created_at,
        ready_at=in_backup.ready_at or alive.ready_at,
        expires_at=in_backup.expires_at if in_backup.expires_at > now else alive.expires_at,
        timings=in_backup.timings,
    )


def left_behind(in_backup: Instance, now: datetime) -> Instance:
    """An instance that lived when the backup was made, and that nobody knows of now.

    A launch under way is not begun again: whoever asked for it is gone. Nor is one of the pool
    handed out: it may be somebody's by now.
    """
    if in_backup.state is State.QUEUED:
        return replace(
            in_backup,
            state=final_state(Reason.REMOVED_OUTSIDE, None),
            reason=Reason.REMOVED_OUTSIDE,
            detail="It was waiting when the backup was made that has been restored.",
            ended_at=now,
        )
    left = replace(in_backup, pooled=False)
    if left.state is State.STARTING:
        return replace(
            left, state=State.READY, stage=Stage.READY, ready_at=left.ready_at or left.created_at
        )
    return left
