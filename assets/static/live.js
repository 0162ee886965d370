// What the viewer's pages share: one event stream for all tabs of a browser, and how to ask goop for a change.
// The tab that holds the lock reads the stream and passes it on; a tab that comes asks it to begin again with a snapshot.
import { byId, element } from "./kit.js";

const NAMES = ["snapshot", "online", "update", "offline", "chat", "delivered", "unread", "forgotten", "contact", "file"];
const AGAIN = 5000;
const [token, start] = ["token", "start"].map((name) => document.querySelector(`meta[name=goop-${name}]`).content);
const title = document.title;
const heard = new Map();
const channel = new BroadcastChannel("goop");
let source = null;
let timer;

// What is done when one of these events comes.
export function on(names, then) {
  for (const name of names.split(" ")) heard.set(name, [...(heard.get(name) || []), then]);
}

// Calls `work` once, however often it is asked for until then.
export function soon(work, delay) {
  let waiting;
  return () => (waiting ||= setTimeout(() => ((waiting = undefined), work()), delay));
}

function hear(name, data) {
  if (!heard.has(name)) return;
  const event = JSON.parse(data);
  for (const then of heard.get(name)) then(event);
}

function pass(name, data) {
  channel.postMessage([name, data]);
  hear(name, data);
}

function open() {
  if (source) source.close();
  const mine = (source = new EventSource("/api/v1/events"));
  for (const name of NAMES) mine.addEventListener(name, (event) => pass(name, event.data));
  mine.onerror = () => {
    if (mine !== source) return;
    pass("lost", "{}");
    if (mine.readyState === EventSource.CLOSED) refresh(AGAIN);
  };
}

function refresh(delay) {
  clearTimeout(timer);
  timer = setTimeout(open, delay);
}

channel.onmessage = ({ data: [name, data] }) => (name !== "come" ? hear(name, data) : source && refresh(50));

// To be called once everything is heard that a page wants to hear.
export function begin() {
  channel.postMessage(["come", "{}"]);
  const read = () => (open(), new Promise(() => {}));
  if (navigator.locks) navigator.locks.request("goop-events", read);
  else read();
}

// Asks for a change: what came back, refusals too. A file goes as it is, anything else as JSON.
export async function send(method, path, body, more) {
  const headers = { "X-Goop-Token": token, ...more };
  const isFile = body instanceof Blob;
  if (body !== undefined && !isFile) headers["Content-Type"] = "application/json";
  const asked = fetch("/api/v1/" + path, { method, headers, body: body === undefined || isFile ? body : JSON.stringify(body) });
  const answer = await asked.catch(() => {
    throw new Error("goop does not answer.");
  });
  return { status: answer.status, said: answer.status === 204 ? null : await answer.json(), tag: answer.headers.get("ETag") };
}

// The same; throws what went wrong, in words.
export async function change(method, path, body) {
  const { status, said } = await send(method, path, body);
  if (status >= 400) throw new Error(said.detail);
  return said;
}

export async function read(path) {
  const answer = await fetch("/api/v1/" + path);
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer.json();
}

// Puts a text where it belongs; answers the status, the new version, or what went wrong, in words.
export async function write(path, text, only) {
  const headers = { "X-Goop-Token": token, "Content-Type": "text/plain; charset=utf-8", ...only };
  const answer = await fetch("/api/v1/" + path, { method: "PUT", headers, body: text }).catch(() => null);
  if (!answer) return { wrong: "goop does not answer." };
  const said = answer.status === 204 ? {} : await answer.json();
  return { ...said, status: answer.status, etag: answer.headers.get("ETag"), wrong: answer.ok ? "" : said.detail };
}

// Sends a file with its progress, as a part of one; fetch tells none.
export function upload(path, file, progress, { method = "POST", headers = {}, signal } = {}) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open(method, "/api/v1/" + path);
    const all = { "X-Goop-Token": token, "Content-Type": file.type || "application/octet-stream", ...headers };
    for (const [name, value] of Object.entries(all)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 1);
    request.onerror = () => failed(new Error("goop does not answer."));
    request.onabort = () => failed(new Error("cancelled"));
    request.onload = () => {
      const said = request.responseText ? JSON.parse(request.responseText) : null;
      request.status < 300 ? done(said) : failed(new Error(said.detail));
    };
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

// How many messages wait to be read, beside the name of the chat and in the title.
const count = soon(async () => {
  try {
    const said = await read("conversations");
    const badge = byId("unread");
    badge.replaceChildren(String(said.unread), element("span", " new", "unseen"));
    badge.hidden = said.unread === 0;
    document.title = (said.unread ? `(${said.unread}) ` : "") + title;
    for (const then of heard.get("conversations") || []) then(said.conversations);
  } catch {
    // The stream says it where goop is gone.
  }
}, 100);

on("snapshot", (event) => {
  // goop was started again: this page's token is old, and so is its script, perhaps.
  if (event.start !== start) return location.reload();
  byId("status").textContent = "";
  document.body.dataset.live = "yes";
});
on("lost", () => {
  byId("status").textContent = "Not connected to goop; trying again.";
  delete document.body.dataset.live;
});
on("snapshot chat delivered unread forgotten", count);
