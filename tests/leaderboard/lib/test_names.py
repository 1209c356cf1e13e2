from __future__ import annotations

import pytest

from leaderboard.lib.names import fault_of, mixed_letters, normal, skeleton


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CHG\u200bNet", "U+200B (zero width space) at place 4"),
        ("CHG\u200dNet", "U+200D (zero width joiner) at place 4"),
        ("\u202egnet", "U+202E (right-to-left override) at place 1"),
        ("a\u2066b", "U+2066"),
        ("a\u200eb", "U+200E"),
        ("MACE\ufe0f", "U+FE0F (variation selector-16) at place 5"),
        ("MACE\U000e0101", "U+E0101"),
        ("MACE\U000e0041", "U+E0041 (tag latin capital letter a)"),
        ("MACE\ufeff", "U+FEFF"),
        ("MA\u00adCE", "U+00AD (soft hyphen)"),
        ("MACE\ue000", "U+E000 (no assigned character)"),
        ("MACE\u0378", "U+0378 (no assigned character)"),
        ("MACE\n", "U+000A"),
        ("MA\x00CE", "U+0000"),
        ("MA\u2028CE", "U+2028"),
        ("MACE\u3164", "U+3164 (hangul filler)"),
        ("MACE\u2800", "U+2800 (braille pattern blank)"),
        ("M\u034fACE", "U+034F (combining grapheme joiner)"),
        ("\u0301MACE", "stands on no letter"),
        ("MACE \u0301", "stands on no letter"),
        ("Z\u0335\u0336\u0337algo", "is mark 3 on one letter"),
        ("---", "needs a letter"),
        ("\u00a0", "needs a letter"),
    ],
)
def test_what_cannot_be_seen_is_refused_with_its_place(name: str, words: str) -> None:
    assert words in fault_of(name)


@pytest.mark.parametrize(
    "name",
    [
        *("α-quartz", "Müller–Plathe", "中文势", "Łukasz", "Nguyễn", "नमस्ते", "Ångström", "José"),
        *(
            "日本語モデル",
            "שלום",
            "MACE-MP-0",
            "ΔE-GNN",
            "Özgür",
            "ქართული",
            "CHGNet 0.3.0 (r²SCAN)",
        ),
    ],
)
def test_names_of_every_script_are_names(name: str) -> None:
    assert fault_of(normal(name)) == ""
    assert mixed_letters(normal(name)) == []


def test_a_name_is_kept_in_one_form() -> None:
    assert normal(" ＭＡＣＥ\u00a0 ﬁt  e\u0301 ") == "MACE fit é"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("CHGNet", "СHGNеt"),  # Cyrillic
        ("CHGNet", "chgnet"),
        ("CHGNet", "ＣＨＧＮｅｔ"),
        ("MACE-MP-0", "MACE‑MP‑O"),
        ("MACE-MP-0", "MACE_MP 0"),
        ("MACE", "rnace"),
        ("Allegro", "AIlegro"),
        ("Allegro", "A11egro"),
        ("Tersoff", "Τersoff"),  # Greek
        ("Müller", "Muller"),
        ("ЅОТ", "SOT"),  # wholly Cyrillic
        ("𝐌𝐀𝐂𝐄", "MACE"),
    ],
)
def test_look_alikes_have_one_skeleton(a: str, b: str) -> None:
    assert skeleton(a) == skeleton(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [("CHGNet", "M3GNet"), ("MACE-MP-0", "MACE-MP-0b"), ("中文", "日本"), ("A 1", "A 2")],
)
def test_different_names_have_different_skeletons(a: str, b: str) -> None:
    assert skeleton(a) != skeleton(b)


def test_letters_of_another_script_in_a_latin_word_are_told() -> None:
    assert mixed_letters("СHGNеt") == ["С", "е"]
    assert mixed_letters("Τersoff") == ["Τ"]
    assert mixed_letters("ΔEnergy") == []  # nobody takes Δ for Latin
    assert mixed_letters("Сталь MACE") == []  # a word of its own
