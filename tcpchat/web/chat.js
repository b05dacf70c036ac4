"use strict";

// The page: arriving in a room, talking there, and coming back to it after the connection broke.

// Waits between attempts double from the first to the last, each less by up to a half by chance: not all come at once.
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 30_000;
// A connection that lasted so long was a good one: the next wait is the first again.
const GOOD_MS = 10_000;
const HISTORY = 50;
const OUTBOX = 100;
// What is acknowledged sooner was never shown as not said: the list would flicker.
const UNSAID_MS = 1000;

// What may succeed in a while, where we come back without anybody having asked for it.
const PASSING = ["busy", "rate-limited", "store-failed", "too-many-attempts", "name-taken"];
// After these the same would happen again, or another page is the one that talks.
const FINAL = ["revoked", "suspended", "banned", "kicked", "emergency", "resumed"];

const UNSURE = "Nobody knows whether this was said: ";

const byId = (id) => document.getElementById(id);

class Chat {
  constructor() {
    this.log = new Transcript(byId("log"));
    this.place = null; // where we are, or are coming to; null: the form is shown
    this.wire = null;
    this.settled = false; // in the room, and what was unacknowledged is sent
    this.refused = null; // a message that was given back to be mended or sent again
    this.waits = 0;
    this.timer = 0;
    this.openedAt = 0;
    this.farewell = "";
  }

  // Arrive for the first time, or go on after a reload.
  start(place, state) {
    this.place = place;
    this.log.clear();
    this.waits = 0;
    this.complain("");
    this.showState(state);
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    this.farewell = "";
    this.openedAt = Infinity;
    this.wire = new Wire(this);
  }

  // The listener of the wire.

  async opened() {
    this.openedAt = performance.now();
    try {
      await (this.place.session ? this.resume() : this.arrive());
    } catch (error) {
      if (error instanceof Refusal) this.turnedAway(error);
      else if (!(error instanceof Broken)) throw error; // what broke is told by ended
    }
  }

  heard(op, data) {
    if (op === "notice") this.notice(data);
    else if (op === "message" && data.with !== undefined) this.shown(data);
    else if (op === "invited") this.log.note(person(data.by), " invited you to ", said(data.room), ".");
    else if (data.room === this.place.room) this.heardHere(op, data);
  }

  ended() {
    const settled = this.settled;
    this.settled = false;
    if (!settled && !this.place.session && this.waits === 0) {
      this.stop(this.farewell || "The server can't be reached. Please try again in a while.");
      return;
    }
    if (performance.now() - this.openedAt > GOOD_MS) this.waits = 0;
    this.showOutbox();
    this.retry(0);
  }

  // Coming and coming back.

  async arrive() {
    const { place, wire } = this;
    const answer = await wire.ask("login", { name: place.name });
    place.name = answer.user.name;
    place.session = answer.session ?? "";
    place.keep();
    await this.join();
  }

  async join() {
    const { place, wire } = this;
    const joined = await wire.ask("join", { room: place.room, last: HISTORY });
    if (place.epoch !== null && place.epoch !== joined.epoch) {
      this.log.note(...gapPhrase({ last: 0 }));
      place.seq = 0;
    } else if (place.epoch !== null && joined.entries.length > 0 && joined.entries[0].seq > place.seq + 1) {
      this.log.note(`What was said under the numbers ${place.seq + 1} to ${joined.entries[0].seq - 1} is not shown.`);
    }
    place.room = joined.room;
    place.epoch = joined.epoch;
    for (const entry of joined.entries) this.shown(entry);
    place.seq = joined.head;
    this.open(); // only now, so that no screen reader begins to read all of that
    if (joined.topic) this.log.note("The topic is: ", said(joined.topic));
    this.log.note(...companyPhrase(joined, place.name));
    this.settle();
  }

  async resume() {
    const { place, wire } = this;
    let answer;
    try {
      answer = await wire.ask("resume", { session: place.session, cursors: place.cursors });
    } catch (error) {
      if (!(error instanceof Refusal) || error.facts.code !== "no-such-session") throw error;
      this.unsure();
      await this.arrive();
      return;
    }
    place.name = answer.user.name;
    place.session = answer.session;
    const here = answer.rooms.find((room) => room.room === place.room);
    const lost = answer.lost.find((room) => room.room === place.room);
    if (here === undefined && place.epoch !== null) {
      this.leave(lost?.message ?? "You are not in this room any more.");
    } else if (here === undefined) {
      await this.join();
    } else {
      place.epoch = here.epoch;
      this.open();
      this.settle();
    }
  }

  // The session is gone, and with it what the server knew of our ids: to send again might be to say it twice.
  unsure() {
    for (const { text } of this.place.outbox) this.log.note(UNSURE, said(text));
    this.place.session = "";
    this.place.outbox = [];
    this.showOutbox();
  }

  settle() {
    this.settled = true;
    this.showState(["You are ", person(this.place.name), "."]);
    this.place.keep();
    for (const item of this.place.outbox) this.send(item);
  }

  turnedAway(error) {
    const { code, retry_after: seconds } = error.facts;
    const comingBack = this.waits > 0 || this.place.session !== "";
    if (comingBack && PASSING.includes(code)) {
      this.drop();
      this.retry((seconds ?? 0) * 1000);
    } else {
      this.leave(error.message);
    }
  }

  retry(leastMs) {
    const most = Math.min(FIRST_WAIT_MS * 2 ** this.waits, LAST_WAIT_MS);
    const wait = Math.max(leastMs, most * (1 - Math.random() / 2));
    this.waits += 1;
    this.showState([this.farewell || "The connection is broken.", " Trying to come back."]);
    this.timer = setTimeout(() => this.connect(), wait);
  }

  // Look at the connection now: the network is back, or the page is looked at again.
  wake() {
    if (this.place === null) return;
    if (this.settled) this.wire.probe();
    else if (this.openedAt === Infinity || performance.now() - this.openedAt > GOOD_MS) {
      this.drop();
      this.connect();
    }
  }

  // Talking.

  write(text) {
    if (this.place.outbox.length >= OUTBOX) {
      this.complain(`${OUTBOX} messages wait to be said. Please wait until the connection is back.`);
      return false;
    }
    const slip = slipPhrase(text.trimStart());
    this.complain(slip);
    if (slip) return false;
    if (text.trimStart().startsWith("//")) text = text.trimStart().slice(1);
    const id = this.refused?.text === text ? this.refused.id : undefined;
    this.refused = null;
    const item = this.place.write(text, id);
    if (this.settled) {
      this.send(item);
      setTimeout(() => this.showOutbox(), UNSAID_MS);
    } else {
      this.showOutbox();
    }
    return true;
  }

  async send(item) {
    const { place, wire } = this;
    try {
      await wire.ask("say", { room: place.room, text: item.text, client_id: item.id });
    } catch (error) {
      if (error instanceof Broken) return; // it is sent again after we are back
      this.giveBack(item, error.message);
    }
    place.acknowledged(item);
    if (!byId("unsaid").hidden) this.showOutbox();
  }

  giveBack(item, message) {
    this.complain(message);
    const field = byId("text");
    if (field.value === "") {
      field.value = item.text;
      this.refused = item;
    } else {
      this.log.note("This was not said: ", said(item.text));
    }
  }

  // Hearing.

  heardHere(op, data) {
    if (op === "put-out") this.leave(`${data.by} put you out of this room${data.reason ? `: ${data.reason}` : "."}`);
    else if (op === "room-deleted") this.leave("This room was deleted.");
    else if (op === "message") this.shown(data);
    else if (op === "topic") this.shown({ ...data, kind: "topic" });
    else if (op === "moderated") this.moderated(data);
    else if (op in PHRASES) {
      if (op === "gap") this.skip(data);
      this.log.note(...PHRASES[op](data));
    }
  }

  shown(entry) {
    if (!this.place.advance(entry)) return;
    this.log.entry(entry, entry.with === undefined ? entry.seq : undefined);
  }

  moderated(data) {
    this.shown({ ...data, kind: "deed" });
    if (data.deed.act === "remove") this.log.remove(data.deed.ref);
  }

  skip(gap) {
    this.place.epoch = gap.epoch;
    this.place.seq = gap.last === 0 ? 0 : Math.min(this.place.seq, gap.first - 1);
  }

  notice(data) {
    if (FINAL.includes(data.code)) this.stop(data.text);
    else if (data.code !== undefined) this.farewell = data.text;
    else this.log.note(said(data.text));
  }

  // Going.

  leave(message) {
    this.wire.ask("quit").catch(() => {});
    this.stop(message);
  }

  stop(message) {
    this.drop();
    clearTimeout(this.timer);
    this.settled = false;
    const place = this.place;
    this.place = null;
    Place.forget();
    this.close([message, ...place.outbox.map(({ text }) => UNSURE + text)].filter(Boolean).join(" "));
  }

  // Let go of the connection without hearing of its end.
  drop() {
    this.wire.listener = { opened() {}, heard() {}, ended() {} };
    this.wire.end();
  }

  // What is seen.

  open() {
    byId("here").textContent = this.place.room;
    if (!byId("talk").hidden) return;
    byId("arrival").hidden = true;
    byId("talk").hidden = false;
    byId("text").focus();
    this.showOutbox();
  }

  close(message) {
    byId("talk").hidden = true;
    byId("arrival").hidden = false;
    this.showState("");
    this.complain(message);
    byId("name").focus();
  }

  showOutbox() {
    const items = (this.place?.outbox ?? []).map(({ text }) => {
      const item = document.createElement("li");
      item.append(said(text));
      return item;
    });
    byId("outbox").replaceChildren(...items);
    byId("unsaid").hidden = items.length === 0;
    this.log.follow();
  }

  showState(parts) {
    byId("state").replaceChildren(...[parts].flat());
  }

  complain(message) {
    byId("complaint").replaceChildren(...(message ? [said(message)] : []));
    this.log.follow();
  }
}

const chat = new Chat();

byId("arrival").addEventListener("submit", (event) => {
  event.preventDefault();
  if (chat.place !== null) return; // already on the way
  chat.start(new Place(byId("name").value.trim(), byId("room").value.trim()), "Connecting.");
});

byId("speech").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("text");
  if (field.value.trim() !== "" && chat.write(field.value)) field.value = "";
});

byId("leave").addEventListener("click", () => chat.leave(""));
addEventListener("online", () => chat.wake());
addEventListener("pagehide", () => chat.place?.keep());
document.addEventListener("visibilitychange", () => document.hidden || chat.wake());

const kept = Place.kept();
if (kept !== null) {
  byId("name").value = kept.name;
  byId("room").value = kept.room;
  chat.start(kept, "Coming back.");
}
