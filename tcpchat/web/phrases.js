"use strict";

// The code of a session, and what looks like a login with its password: as in the text wire none is said by mistake.
const CODE = /(^|[^a-z0-9-])[a-z2-7]{4}(-[a-z2-7]{4}){3}($|[^a-z0-9-])/i;
const LOGIN = /^\s*(login|register)\s+\S+\s+\S+\s*$/i;

// What happens, in words: lists of strings, and of names and texts of people, which stand alone as to their direction
// (<bdi>) and are never markup.

function isolated(text, kind) {
  const element = document.createElement("bdi");
  element.className = kind;
  element.textContent = text;
  return element;
}

const person = (name) => isolated(name, "from");
const said = (text) => isolated(text, "text");

// Return the names with commas; of more `people` than are named the rest is counted.
function listed(users, people) {
  const names = users.slice(0, 10).map((user) => person(user.name));
  const rest = Math.max(people ?? users.length, users.length) - names.length;
  const parts = names.flatMap((name, place) => (place === 0 ? [name] : [", ", name]));
  return rest > 0 ? [...parts, ` and ${rest} more`] : parts;
}

// Who is in the room that one has joined.
function companyPhrase(joined, name) {
  const others = joined.members.filter((user) => user.name !== name);
  if (others.length === 0) return ["You are alone here."];
  return ["You are here with ", ...listed(others, joined.people - 1), "."];
}

// Return a sentence that ends with the reason, or else with a full stop.
const because = (parts, reason) => (reason ? [...parts, ": ", said(reason)] : [...parts, "."]);

// What a moderator did, as the room's log tells it.
function deedPhrase(name, deed) {
  const whom = deed.user === undefined ? "an address" : person(deed.user);
  const words = {
    kick: [" put ", whom, " out"],
    ban: [" banned ", whom],
    unban: [" lifted the ban of ", whom],
    mute: [" muted ", whom],
    unmute: [" let ", whom, " speak again"],
    invite: [" invited ", whom],
    uninvite: [" took back the invitation of ", whom],
    role: [" gave ", whom, ` the role of ${deed.role}`],
    remove: [` removed what was said under number ${deed.ref}`],
    set: [" changed how the room is"],
  }[deed.act] ?? [` did this: ${deed.act}`];
  return because([person(name), ...words], deed.reason);
}

// What somebody said or did in the log, by the kind of the entry.
function entryPhrase(entry) {
  const name = person(entry.from);
  if (entry.kind === "removed") return ["What ", name, " said here was removed."];
  if (entry.kind === "deed") return deedPhrase(entry.from, entry.deed);
  if (entry.kind === "action") return ["* ", name, " ", said(entry.text)];
  if (entry.kind === "topic") {
    return entry.text ? [name, " set the topic: ", said(entry.text)] : [name, " took the topic away."];
  }
  if (entry.with === undefined) return [name, ": ", said(entry.text)];
  const to = entry.with === entry.from ? ["you"] : [person(entry.with)];
  return [name, " to ", ...to, ": ", said(entry.text)];
}

function crowdPhrase(data) {
  return [`${data.joined} joined, ${data.left} left; ${data.people} people are here.`];
}

function gapPhrase(gap) {
  if (gap.last === 0) return ["What was said here was taken away, and the room's log begins anew."];
  return [`What was said under the numbers ${gap.first} to ${gap.last} can't be read any more.`];
}

// What is in no log; by the op of the event.
const PHRASES = {
  joined: (data) => [person(data.user.name), " joined."],
  left: (data) =>
    data.by === undefined
      ? [person(data.user.name), " left."]
      : because([person(data.by), " put ", person(data.user.name), " out"], data.reason),
  crowd: crowdPhrase,
  members: (data) => ["Here now: ", ...listed(data.members, data.people), "."],
  gap: gapPhrase,
  renamed: (data) => [person(data.name), " is called ", person(data.user.name), " now."],
  away: (data) =>
    data.text ? [person(data.user.name), " is away: ", said(data.text)] : [person(data.user.name), " is back."],
};

// Return why a text is not to be said as it stands, in a sentence; empty when it may be.
function slipPhrase(text) {
  if (text.startsWith("/") && !text.startsWith("//")) {
    return "This page knows no commands, so this was not said. To say it as it is, begin with two slashes.";
  }
  if (CODE.test(text)) return "That looks like the code of a session, so it was not said.";
  if (LOGIN.test(text)) return "That looks like a login with a password, so it was not said.";
  return "";
}
