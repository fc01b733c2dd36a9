"""What is read of a CPU, and which of them int8 suits."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsrcli.networks import cpu

LINUX_X86 = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu sse2 {}\n\nflags\t\t: fpu\n"
LINUX_ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n\nFeatures\t: fp\n"


@pytest.mark.parametrize(
    ("machine", "content", "dot_products", "int8"),
    [
        ("x86_64", LINUX_X86.format("avx2 avx512_vnni"), True, True),
        ("x86_64", LINUX_X86.format("avx2 avx_vnni"), True, True),
        ("x86_64", LINUX_X86.format("avx2"), False, True),
        ("x86_64", LINUX_X86.format("avx"), False, False),
        ("x86_64", None, None, True),  # macOS
        ("AMD64", None, None, True),  # Windows
        ("aarch64", LINUX_ARM.format("asimddp"), True, True),
        ("aarch64", LINUX_ARM.format("crc32"), False, False),
        ("arm64", None, True, True),  # macOS
        ("riscv64", "processor\t: 0\nisa\t: rv64imafdc\n", None, False),
    ],
)
def test_int8_suits_cpus_whose_sums_are_fast_and_exact(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    content: str | None,
    dot_products: bool | None,
    int8: bool,
) -> None:
    path = tmp_path / "cpuinfo"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(cpu, "_CPUINFO", path)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert cpu.cpu_facts().get("model name") == (
        "A CPU" if machine == "x86_64" and content else None
    )
    assert cpu.has_dot_products() is dot_products
    assert cpu.suits_int8() is int8
