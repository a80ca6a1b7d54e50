"""The machine that computed a value; another machine may sum in another order and round differently."""

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def machine_facts() -> dict[str, str]:
    """`cpu`, `architecture` and `os`; if all three agree, a trial gives the same bits.

    Virtual machines give different processors the same name, so family and model are added to it.
    """
    return {"cpu": _cpu(), "architecture": platform.machine(), "os": platform.system()}


def _cpu() -> str:
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name", platform.processor() or "unknown")
    numbers = [f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts]
    return f"{name} ({', '.join(numbers)})" if numbers else name
