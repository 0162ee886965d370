// Keeps the page as the event stream says. What others wrote goes in as text, never as markup.
"use strict";

const MAX_MESSAGES = 200;
const PATHS = { lan: "same network", direct: "direct", relayed: "relayed", unreachable: "unreachable", "not-tried": "not tried yet" };
const token = document.querySelector("meta[name=goop-token]").content;
const me = document.getElementById("me").textContent;
const [peers, nobody, status, messages, form] = ["peers", "nobody", "status", "messages", "say"].map((id) => document.getElementById(id));

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function shortId(id) {
  return "…" + id.slice(-8);
}

function nameOf(id) {
  const known = [...peers.children].find((item) => item.dataset.peer === id);
  return known ? known.querySelector("bdi").textContent : id === me ? "You" : "Somebody";
}

function row(peer) {
  const item = element("li", undefined, peer.online ? "" : "away");
  item.dataset.peer = peer.peer_id;
  const link = element("a");
  link.href = peer.site;
  link.append(element("bdi", peer.label || "(no name)"));
  item.append(link, element("code", shortId(peer.peer_id)), element("span", peer.online ? PATHS[peer.path] || "" : "offline", "path"));
  return item;
}

function show(peer) {
  const old = [...peers.children].find((item) => item.dataset.peer === peer.peer_id);
  if (old) old.replaceWith(row(peer));
  else peers.append(row(peer));
  nobody.hidden = true;
}

function showAll(list) {
  peers.replaceChildren(...list.map(row));
  nobody.hidden = list.length > 0;
  status.textContent = "";
}

function say(message) {
  if (message.to !== null) return;
  const item = element("li");
  item.append(element("bdi", nameOf(message.from), "name"), " ", element("code", shortId(message.from)), " ", element("bdi", message.content));
  messages.append(item);
  while (messages.children.length > MAX_MESSAGES) messages.firstChild.remove();
  messages.scrollTop = messages.scrollHeight;
}

function listen() {
  const events = new EventSource("/api/v1/events");
  const on = (name, then) => events.addEventListener(name, (event) => then(JSON.parse(event.data)));
  on("snapshot", (event) => showAll(event.peers));
  for (const name of ["online", "update", "offline"]) on(name, (event) => show(event.peer));
  on("chat", (event) => say(event.message));
  events.onerror = () => {
    status.textContent = "Not connected to goop; trying again.";
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const headers = { "Content-Type": "application/json", "X-Goop-Token": token };
  const body = JSON.stringify({ content: form.elements.content.value });
  try {
    const answer = await fetch("/api/v1/chat", { method: "POST", headers, body });
    if (answer.ok) form.reset();
    status.textContent = answer.ok ? "" : (await answer.json()).detail;
  } catch {
    status.textContent = "The message was not sent: goop does not answer.";
  }
});

form.hidden = false;
listen();
