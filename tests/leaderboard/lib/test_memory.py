from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from leaderboard.lib.memory import Remembered


def test_what_was_used_longest_ago_goes_first() -> None:
    values = Remembered(2)
    values.put("a", 1)
    values.put("b", 2)
    assert values.get("a") == 1
    values.put("c", 3)
    assert [values.get(key) for key in "abc"] == [1, None, 3]
    values.clear()
    assert values.get("a") is None


def test_many_threads_share_one_without_growing_it() -> None:
    values = Remembered(8)

    def use(start: int) -> bool:
        for key in range(start, start + 2000):
            values.put(key % 16, key % 16)
            # Another thread may have pushed it out meanwhile.
            if values.get(key % 16) not in (key % 16, None):
                return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(use, range(4)))
    assert sum(values.get(key) is not None for key in range(16)) == 8


def test_what_was_computed_is_not_computed_again_even_if_it_is_nothing() -> None:
    values = Remembered(2)
    computed: list[str] = []

    def compute() -> None:
        computed.append("once")

    assert values.value("a", compute) is None
    assert values.value("a", compute) is None
    assert computed == ["once"]
