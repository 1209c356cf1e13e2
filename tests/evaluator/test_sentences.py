from __future__ import annotations

from evaluator.sentences import in_one_text


def test_sentences_stand_side_by_side_and_what_is_none_is_parted_by_a_semicolon() -> None:
    complaints = ["Give a name.", "--version: is too long", "Why?", "It is empty."]
    assert in_one_text(complaints) == "Give a name. --version: is too long; Why? It is empty."
    assert in_one_text([]) == ""
