"""What a process remembers of the database is asked for once, and again after it was told to forget."""

from core.remembered import forget_everything, remembered


def test_an_answer_is_kept_until_everything_is_forgotten() -> None:
    asked: list[int] = []

    @remembered(2)
    def square(number: int) -> int:
        asked.append(number)
        return number * number

    assert [square(3), square(3)] == [9, 9]
    assert asked == [3]
    forget_everything()
    assert square(3) == 9
    assert asked == [3, 3]
    assert [square(4), square(5), square(3)] == [16, 25, 9]
    assert asked == [3, 3, 4, 5, 3], "the oldest of more than two is asked for again"
