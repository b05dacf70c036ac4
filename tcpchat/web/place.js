"use strict";

// Where one is in the chat, and what isn't acknowledged yet. It is kept in the tab's session storage, so that a reload
// goes on; it holds the code of the session, which is as good as a password, and is gone with the tab.

const KEPT_AS = "tcpchat";
// A reload shows so many entries again.
const SHOWN_AGAIN = 50;
// Conversations of which it is remembered how far they were shown.
const DIRECTS = 100;

class Place {
  constructor(name, room) {
    this.name = name;
    this.room = room;
    this.session = ""; // the code that resumes; empty: nothing does
    this.epoch = null; // of the room's log; null: we are not in it yet
    this.seq = 0; // of the last entry that was shown
    this.directs = {}; // the same of conversations with one person
    this.outbox = []; // what was not acknowledged: {id, text}
  }

  static kept() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT_AS));
      if (kept === null || kept.session === "") return null;
      const place = Object.assign(new Place("", ""), kept);
      place.seq = Math.max(0, place.seq - SHOWN_AGAIN);
      for (const room of Object.keys(place.directs)) place.directs[room] = Math.max(0, place.directs[room] - SHOWN_AGAIN);
      return place;
    } catch {
      return null; // no storage here, or something else in it
    }
  }

  static forget() {
    try {
      sessionStorage.removeItem(KEPT_AS);
    } catch {
      // There is no storage, so nothing was kept.
    }
  }

  keep() {
    try {
      sessionStorage.setItem(KEPT_AS, JSON.stringify(this));
    } catch {
      // Without storage a reload begins anew; all else works.
    }
  }

  get cursors() {
    return this.epoch === null ? this.directs : { ...this.directs, [this.room]: { seq: this.seq, epoch: this.epoch } };
  }

  // Return whether an entry is new to us; from now on it is not.
  advance(entry) {
    const direct = entry.with !== undefined;
    if (entry.seq <= (direct ? (this.directs[entry.room] ?? 0) : this.seq)) return false;
    if (direct) this.advanceDirect(entry);
    else this.seq = entry.seq;
    return true;
  }

  advanceDirect(entry) {
    delete this.directs[entry.room];
    this.directs[entry.room] = entry.seq; // the latest stands last
    const rooms = Object.keys(this.directs);
    if (rooms.length > DIRECTS) delete this.directs[rooms[0]];
  }

  // Put a message into the outbox, under the id of a refused one that is sent again.
  write(text, id) {
    const item = { id: id ?? randomId(), text };
    this.outbox.push(item);
    this.keep();
    return item;
  }

  acknowledged(item) {
    this.outbox = this.outbox.filter((other) => other.id !== item.id);
    this.keep();
  }
}

// Return an id of 128 random bits; crypto.randomUUID is there under TLS only.
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
