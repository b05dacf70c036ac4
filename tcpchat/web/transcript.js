"use strict";

// What is shown of a room: the latest lines, each entry of the log once.

// More lines would make an old page slow; the older ones are in the room's log all the same.
const LINES = 1000;

class Transcript {
  constructor(element) {
    this.element = element;
    this.following = true; // the reader is at the end, and stays there
    this.due = false;
    element.addEventListener("scroll", () => {
      this.following = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    });
    addEventListener("resize", () => this.follow());
  }

  clear() {
    this.element.replaceChildren();
    this.following = true;
  }

  // Show an entry of a log; `seq` is for those of the room itself, which may be removed later.
  entry(entry, seq) {
    const line = this.add(entryPhrase(entry), ["message", "action"].includes(entry.kind) ? "said" : "note");
    const at = new Date(entry.at);
    const time = document.createElement("time");
    time.dateTime = at.toISOString();
    time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    line.append(" ", time);
    if (seq !== undefined) line.dataset.seq = String(seq);
  }

  // Take away the text of an entry that was removed.
  remove(seq) {
    const text = this.element.querySelector(`[data-seq="${Number(seq)}"] .text`);
    if (text !== null) text.textContent = "(removed)";
  }

  // Show a line of the program's own.
  note(...parts) {
    this.add(parts, "note");
  }

  add(parts, kind) {
    const line = document.createElement("p");
    line.className = `entry ${kind}`;
    line.append(...parts);
    this.element.append(line);
    if (this.element.childElementCount > LINES) this.element.firstElementChild.remove();
    this.follow();
    return line;
  }

  // Go to the end, once for all lines that come before the next picture.
  follow() {
    if (this.due || !this.following) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.element.scrollTop = this.element.scrollHeight;
    });
  }
}
