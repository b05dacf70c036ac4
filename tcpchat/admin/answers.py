"""What the answers of a daemon look like to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import tcpchat
from tcpchat.admin.dialogue import Json
from tcpchat.admin.display import moment, sentence, table


def rooms(answer: Json, data: Json) -> Iterator[str]:
    """Yield the rooms, the busiest first."""
    rows = [(one["room"], one["members"], one["head"], one["topic"]) for one in answer["rooms"]]
    yield from table(("room", "people", "entries", "topic"), rows)


def users(answer: Json, data: Json) -> Iterator[str]:
    """Yield who is here."""
    rows = [(one["name"], "away" if one.get("away") else "", one.get("color", "")) for one in answer["users"]]
    yield from table(("name", "away", "color"), rows)


def accounts(answer: Json, data: Json) -> Iterator[str]:
    """Yield the accounts."""
    rows = [
        (
            one["name"],
            one["role"],
            one["state"],
            "yes" if one["here"] else "no",
            moment(one["created"]),
            moment(one.get("until")),
            one.get("reason", ""),
        )
        for one in answer["accounts"]
    ]
    yield from table(("name", "role", "state", "here", "made", "until", "reason"), rows)
    if answer["more"]:
        yield "There are more: name a part of the one you look for."


def sessions(answer: Json, data: Json) -> Iterator[str]:
    """Yield who is, or was, connected from where: first those from the addresses with most connections."""
    found = answer["sessions"]
    count = Counter(one["address"] for one in found)
    rows = [
        (
            one["address"] or "–",
            one["name"],
            "yes" if one["registered"] else "no",
            "yes" if one["secure"] else "no",
            moment(one["since"]),
            moment(one.get("detached")),
            ", ".join(one["rooms"]),
        )
        for one in sorted(found, key=lambda one: (-count[one["address"]], one["address"], one["since"]))
    ]
    yield from table(("address", "name", "account", "tls", "since", "left behind", "rooms"), rows)


def bans(answer: Json, data: Json) -> Iterator[str]:
    """Yield who is banned, and until when."""
    rows = [
        (one["name"], one["by"], moment(one["at"]), moment(one.get("until")) or "for ever", one.get("reason", ""))
        for one in answer["bans"]
    ]
    yield from table(("who", "by", "at", "until", "reason"), rows)


def tokens(answer: Json, data: Json) -> Iterator[str]:
    """Yield the tokens of an account."""
    rows = [
        (
            one["id"],
            one["label"],
            moment(one["created"]),
            moment(one.get("expires")) or "never",
            moment(one.get("used")),
        )
        for one in answer["credentials"]
    ]
    yield from table(("id", "label", "made", "expires", "used"), rows)


def new_token(answer: Json, data: Json) -> Iterator[str]:
    """Yield a token, and nothing else: a script takes it from there."""
    yield sentence(answer["token"])


def new_password(answer: Json, data: Json) -> Iterator[str]:
    """Yield that there is another password, and the password if it was made here."""
    yield sentence(f"The account {data['user']} has another password now, and its sessions are ended.")
    yield from _made_here(answer)


def new_account(answer: Json, data: Json) -> Iterator[str]:
    """Yield that an account is made, and its password if it was made here."""
    yield sentence(f"The account {data['name']} is made.")
    yield from _made_here(answer)


def _made_here(answer: Json) -> Iterator[str]:
    if "password" in answer:
        yield f"Its password is {answer['password']}"


def motd(answer: Json, data: Json) -> Iterator[str]:
    """Yield the message of the day."""
    yield from map(sentence, answer["text"].splitlines() or ["There is no message of the day."])


def names(answer: Json, data: Json) -> Iterator[str]:
    """Yield the names that are kept from people."""
    rows = [(name, rule) for rule in ("reserved", "forbidden") for name in answer[rule]]
    yield from table(("name", "rule"), rows)


def emergency(answer: Json, data: Json) -> Iterator[str]:
    """Yield the level of the emergency."""
    level = answer["level"]
    yield sentence("There is no emergency." if level == "off" else f"The emergency is: {level}.")


def stop(answer: Json, data: Json) -> Iterator[str]:
    """Yield when the server will shut down."""
    at = answer.get("at")
    yield f"The server shuts down at {moment(at)}." if at else "The server will not shut down."


def acts(answer: Json, data: Json) -> Iterator[str]:
    """Yield what was done, the latest last."""
    rows = [
        (
            str(one["id"]),
            moment(one["at"]),
            one["by"],
            one["act"],
            one.get("on", ""),
            one.get("room", ""),
            moment(one.get("until")),
            one.get("reason", ""),
        )
        for one in reversed(answer["acts"])
    ]
    yield from table(("id", "at", "by", "act", "on", "room", "until", "reason"), rows)
    if answer["more"]:
        yield f"There are older ones: --before {answer['acts'][-1]['id']}"


def limits(answer: Json, data: Json) -> Iterator[str]:
    """Yield the bounds that are in force."""
    yield from table(("limit", "value", "unit"), [(one["name"], one["value"], one["unit"]) for one in answer["limits"]])


def health(answer: Json, data: Json) -> Iterator[str]:
    """Yield how the daemon is, one fact on each line."""
    rows = [("store", answer["store"]), ("since", moment(answer["since"]))]
    if "error" in answer:
        rows += [("last error", answer["error"]), ("at", moment(answer["failed"]))]
    if "free_bytes" in answer:
        rows += [("free bytes", f"{answer['free_bytes']:,}"), ("of these needed", f"{answer['free_bytes_least']:,}")]
    rows += [(name, f"{answer[name]:,}") for name in ("people", "rooms")]
    rows.append(("sessions left behind", f"{answer['detached']:,}"))
    yield from table(("what", "is"), [*rows, ("up for seconds", f"{answer['uptime']:,}")])


def version(answer: Json, data: Json) -> Iterator[str]:
    """Yield what the daemon is, and this program."""
    people = answer["people"]
    here = "one person is here" if people == 1 else f"{people:,} people are here"
    yield sentence(f"The daemon is tcpchat {answer['version']}, calls itself {answer['server']}, and {here}.")
    yield f"This is tcpchat-admin {tcpchat.__version__}."
