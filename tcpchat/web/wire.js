"use strict";

// One connection to the server: requests and their answers, events, and a look whether the other end is still there.
// The objects are those of docs/protocol.md, one in each frame.

// After such a silence the server is asked for a sign of life, and given as long as ANSWER_MS to give it.
const SILENCE_MS = 60_000;
const ANSWER_MS = 20_000;

// The server has said no; `facts` are its error: code, message and what belongs to them.
class Refusal extends Error {
  constructor(facts) {
    super(facts.message);
    this.facts = facts;
  }
}

// The connection has ended before the answer came: nobody knows what became of the request.
class Broken extends Error {}

class Wire {
  // `listener` has opened(), heard(op, data) and ended(); ended comes once, and nothing after it.
  constructor(listener) {
    const url = new URL("ws", document.baseURI);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.listener = listener;
    this.asked = new Map();
    this.lastId = 0;
    this.timer = 0;
    this.socket = new WebSocket(url);
    this.socket.onopen = () => {
      this.watch();
      this.listener.opened();
    };
    this.socket.onmessage = (message) => this.take(message.data);
    this.socket.onclose = () => this.end();
  }

  // Return a promise of the answer's data; it fails with Refusal or Broken.
  ask(op, data = {}) {
    return new Promise((answered, failed) => {
      if (this.socket.readyState !== WebSocket.OPEN) {
        failed(new Broken());
        return;
      }
      this.lastId += 1;
      this.asked.set(this.lastId, { answered, failed });
      this.socket.send(JSON.stringify({ op, id: this.lastId, data }));
    });
  }

  // Ask for a sign of life now, as after the machine has slept.
  probe() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(), ANSWER_MS);
    this.ask("ping").catch(() => {});
  }

  // End the connection from our side; the listener is told unless it is replaced before.
  end() {
    clearTimeout(this.timer);
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    const asked = [...this.asked.values()];
    this.asked.clear();
    for (const { failed } of asked) failed(new Broken());
    const listener = this.listener;
    this.listener = { opened() {}, heard() {}, ended() {} };
    listener.ended();
  }

  watch() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.probe(), SILENCE_MS);
  }

  take(frame) {
    this.watch();
    const object = JSON.parse(frame);
    if (object.status === undefined) {
      this.listener.heard(object.op, object.data);
      return;
    }
    const waiting = this.asked.get(object.id);
    if (waiting === undefined) return; // a refusal of what could not be read; we send nothing of that kind
    this.asked.delete(object.id);
    if (object.status === "ok") waiting.answered(object.data ?? {});
    else waiting.failed(new Refusal(object.error));
  }
}
