"""HEAD as the server sees it: headers, no body, and the answer closed."""

from __future__ import annotations

import pytest

from leaderboard.wsgi import BodilessHead


class Answer(list[bytes]):
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(("method", "body"), [("HEAD", []), ("GET", [b"page"])])
def test_the_answer_to_head_has_no_body_and_is_closed(method: str, body: list[bytes]) -> None:
    answer = Answer([b"page"])
    started: list[str] = []

    def page(environ: dict[str, str], start_response: object) -> Answer:
        started.append(environ["REQUEST_METHOD"])
        return answer

    assert list(BodilessHead(page)({"REQUEST_METHOD": method}, None)) == body
    assert started == [method]
    assert answer.is_closed is (method == "HEAD")
