"""What templates ask beside numbers: words, items and the links of citations."""

from __future__ import annotations

from leaderboard.templatetags import touchstone as tags


def test_identifiers_become_words_and_what_is_lacking_is_none() -> None:
    assert tags.words("out_of_memory_gpu") == "out of memory gpu"
    assert tags.get(None, "key") is None


def test_dois_arxiv_numbers_and_addresses_of_citations_are_links() -> None:
    text = "A <b>, doi:10.1126/science.aad3000; arXiv:2503.09814, (see https://a.org/x?y=1&z)."
    assert tags.sources(text) == (
        "A &lt;b&gt;, "
        '<a href="https://doi.org/10.1126/science.aad3000" rel="noopener">'
        "doi:10.1126/science.aad3000</a>; "
        '<a href="https://arxiv.org/abs/2503.09814" rel="noopener">arXiv:2503.09814</a>, (see '
        '<a href="https://a.org/x?y=1&amp;z" rel="noopener">https://a.org/x?y=1&amp;z</a>).'
    )


def test_no_address_of_a_citation_leaves_its_link() -> None:
    assert tags.sources('doi:10.1000/"><script>x</script>').count("<") == 2
    assert "javascript" not in tags.sources("javascript:alert(1)").partition("<a")[2]
