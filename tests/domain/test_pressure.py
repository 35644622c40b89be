from orchestrator.domain.pressure import Reserves, Room, disk_shortage, memory_shortage

GIB = 1024**3
RESERVES = Reserves(disk=2 * GIB, memory=GIB // 2)


def test_with_all_that_is_reserved_there_is_room() -> None:
    room = Room(disks=[2 * GIB, 9 * GIB], memory=GIB // 2)
    assert disk_shortage(room, RESERVES) is None
    assert memory_shortage(room, RESERVES) is None


def test_the_fullest_disk_decides() -> None:
    room = Room(disks=[9 * GIB, GIB + GIB // 2], memory=GIB)
    assert disk_shortage(room, RESERVES) == (
        "The disk is almost full: 1.5 GiB free, 2 GiB are kept; running sites go on."
    )


def test_little_memory_is_told_in_fitting_units() -> None:
    room = Room(disks=[], memory=100 * 1024**2)
    assert disk_shortage(room, RESERVES) is None
    assert memory_shortage(room, RESERVES) == (
        "The memory is almost used up: 100 MiB free, 512 MiB are kept; running sites go on."
    )


def test_without_a_reserve_nothing_is_short() -> None:
    assert disk_shortage(Room(disks=[0], memory=0), Reserves(0, 0)) is None
    assert memory_shortage(Room(disks=[0], memory=0), Reserves(0, 0)) is None
