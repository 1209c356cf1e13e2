from __future__ import annotations

import pytest

from evaluator.runtimes.locks import Lock, LockFault

HASH = "a" * 64
OTHER = "b" * 64


def test_lock_holds_each_package_with_its_marker_and_hashes() -> None:
    lock = Lock.parse(
        "# written by uv\n"
        f"Torch_Ema==0.3 \\\n    --hash=sha256:{OTHER} \\\n    --hash=sha256:{HASH}\n"
        f"six==1.17.0 ; python_full_version < '3.11' --hash=sha256:{HASH}\n"
    )
    first, second = lock.packages
    assert (first.name, first.version, first.hashes) == ("torch-ema", "0.3", (HASH, OTHER))
    assert (second.marker, second.line) == ("python_full_version < '3.11'", 5)
    assert Lock.parse(lock.text()).text() == lock.text()


def test_lock_is_the_same_however_its_lines_are_broken() -> None:
    broken = Lock.parse(f"a==1 \\\n  --hash=sha256:{HASH}\n\n# more\n")
    assert broken.sha256 == Lock.parse(f"a==1 --hash=sha256:{HASH}").sha256
    assert broken.sha256 != Lock.parse(f"a==2 --hash=sha256:{HASH}").sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no package"),
        ("a==1", "Line 1: a has no hash"),
        (f"# one\n\na>=1 --hash=sha256:{HASH}", "Line 3: 'a>=1' is not pinned"),
        (f"a @ https://host/a.whl --hash=sha256:{HASH}", "Line 1: .* must come from an index"),
        (f"https://host/a.whl --hash=sha256:{HASH}", "Line 1: .* must come from an index"),
        ("./a.whl", "Line 1: './a.whl' is not pinned"),
        ("--index-url https://host/simple", "Line 1: no options"),
        ("-e .", "Line 1: no options"),
        ("a==1 --hash=md5:0123", "Line 1: .* is no --hash=sha256"),
        (f"a==1 --hash=sha256:{HASH[:-1]}", "Line 1: .* is no --hash=sha256"),
        (f"a==1 --hash=sha256:{HASH} --no-binary=a", "Line 1: '--no-binary=a' is no --hash"),
        (f"a==1.* --hash=sha256:{HASH}", "Line 1: .* is not pinned"),
        (f"a==1,<2 --hash=sha256:{HASH}", "Line 1: .* is not pinned"),
    ],
)
def test_what_is_no_pinned_package_with_hashes_is_refused_by_its_line(
    text: str, message: str
) -> None:
    with pytest.raises(LockFault, match=message):
        Lock.parse(text)


@pytest.mark.parametrize("name", ["nvidia-cublas", "triton", "cuda-bindings", "jax-cuda12-plugin"])
def test_lock_for_the_processor_may_not_hold_packages_of_a_gpu(name: str) -> None:
    lock = Lock.parse(f"torch==2.13.0 --hash=sha256:{HASH}\n{name}==1 --hash=sha256:{HASH}")
    with pytest.raises(LockFault, match=f"would pull {name}"):
        lock.refuse_cuda()
    Lock(packages=lock.packages[:1]).refuse_cuda()
