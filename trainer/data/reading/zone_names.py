"""The zones of the IANA database that names in tables stand for."""

from zoneinfo import ZoneInfo

_ZONES = {
    "America/New_York": "ET EST EDT",
    "America/Chicago": "CT CST CDT",
    "America/Denver": "MT MST MDT",
    "America/Los_Angeles": "PT PST PDT",
    "America/Sao_Paulo": "BRT BRST",
    "Europe/London": "BST",
    "Europe/Lisbon": "WET WEST",
    "Europe/Berlin": "CET CEST MEZ MESZ",
    "Europe/Athens": "EET EEST",
    "Europe/Moscow": "MSK",
    "Africa/Johannesburg": "SAST",
    "Asia/Kolkata": "IST",
    "Asia/Singapore": "SGT",
    "Asia/Hong_Kong": "HKT",
    "Asia/Tokyo": "JST",
    "Asia/Seoul": "KST",
    "Australia/Sydney": "AET AEST AEDT",
    "Pacific/Auckland": "NZT NZST NZDT",
}
"""Short names of the clocks of exchanges. Some have other meanings elsewhere: they are only proposed."""


def zone_exists(name: str) -> bool:
    """Whether the IANA database of this machine has a zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def zone_of_name(name: str) -> str | None:
    """The zone that a short name such as EST most likely means, or the zone of that very name, else None."""
    found = next((zone for zone, names in _ZONES.items() if name.upper() in names.split()), None)
    return found or (name if "/" in name and zone_exists(name) else None)
