// Node's `ws` as a client of lines: what comes on stdin goes out as messages, what comes in as messages is printed.
//
//     node websocket.js URL deflate|plain [CERTIFICATE]
//
// A line that begins with "!" is for this script: "!close", "!close CODE", "!terminate" (cuts the connection), "!stop"
// (reads nothing more) and "!go". Its own lines have an `op` that begins with "!": what was agreed on, pings, the close.
"use strict";

const fs = require("fs");
const readline = require("readline");
const WebSocket = require("ws");

const [url, compression, certificate] = process.argv.slice(2);
const say = (op, data) => process.stdout.write(JSON.stringify({ op, data }) + "\n");
const socket = new WebSocket(url, {
  perMessageDeflate: compression === "deflate",
  ca: certificate && fs.readFileSync(certificate),
});
socket.on("open", () => say("!open", { extensions: socket.extensions }));
socket.on("message", (message, isBinary) => process.stdout.write((isBinary ? "!binary" : message) + "\n"));
socket.on("ping", () => say("!ping", {}));
socket.on("error", (error) => say("!error", { message: error.message }));
socket.on("close", (code, reason) => {
  say("!closed", { code, reason: reason.toString() });
  process.stdin.destroy();
});

const orders = {
  "!close": (code) => (code ? socket.close(Number(code)) : socket.close()),
  "!terminate": () => socket.terminate(),
  "!stop": () => socket.pause(),
  "!go": () => socket.resume(),
};
const lines = [];
const obey = (line) => {
  const [order, argument] = line.split(" ");
  if (order in orders) orders[order](argument);
  else socket.send(line);
};
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (socket.readyState === WebSocket.CONNECTING) lines.push(line);
  else obey(line);
});
socket.on("open", () => lines.forEach(obey));
