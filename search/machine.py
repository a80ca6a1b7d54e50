"""The machine that a value was computed on: another one may round its sums in another order."""

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def machine_facts() -> dict[str, str]:
    """`cpu`, `architecture` and `os`; where all three agree a trial gives the same bits.

    Virtual machines call different processors by one name, so family and model stand beside it.
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
