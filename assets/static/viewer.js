// Keeps the page as the event stream says. What others wrote goes in as text, never as markup.
import { element, face, shortId } from "./kit.js";

const MAX_MESSAGES = 200;
const PATHS = { lan: "same network", direct: "direct", relayed: "relayed", unreachable: "unreachable", "not-tried": "not tried yet" };
const STATES = { sending: "…", waiting: "(waits until they are back)", failed: "(not sent)" };
const [token, start] = ["token", "start"].map((name) => document.querySelector(`meta[name=goop-${name}]`).content);
const me = document.getElementById("me").textContent;
const ids = ["peers", "nobody", "status", "chat", "chat-title", "back", "messages", "say", "problem"];
const [peers, nobody, status, chat, title, back, messages, form, problem] = ids.map((id) => document.getElementById(id));

// A conversation is the id of the other peer, or null for everyone.
let open = chat.dataset.with || null;
let turn = 0;
let loading = false;
const arrived = [];
const unread = new Map();

function rowOf(id) {
  return [...peers.children].find((item) => item.dataset.peer === id);
}

function nameOf(id) {
  const known = rowOf(id);
  return known ? known.querySelector("bdi").textContent : id === me ? "You" : "Somebody";
}

function named(id, className) {
  const made = element("bdi", nameOf(id), className);
  made.title = made.textContent;
  return made;
}

function mark(control, conversation, words) {
  const count = unread.get(conversation) || 0;
  control.lastElementChild.textContent = count ? ` (${count} new)` : "";
  control.setAttribute("aria-label", words + (count ? `, ${count} new` : ""));
}

function chatLink(peer, name) {
  const link = element("a", "Chat", "chat button");
  link.href = "/?with=" + peer.peer_id;
  link.append(element("span"));
  mark(link, peer.peer_id, "Chat with " + name);
  return link;
}

function row(peer) {
  const name = peer.label || "(no name)";
  const item = element("li", undefined, peer.online ? "" : "away");
  item.dataset.peer = peer.peer_id;
  const [who, site] = [element("span", undefined, "who"), element("a")];
  if (peer.site) site.href = peer.site;
  site.title = name;
  site.append(element("bdi", name));
  who.append(site, element("code", shortId(peer.peer_id)));
  const path = element("span", peer.online ? PATHS[peer.path] || "" : "offline", "badge" + (peer.online ? " good" : ""));
  item.append(face(peer.peer_id), who, path, chatLink(peer, name));
  return item;
}

function show(peer) {
  const [old, made] = [rowOf(peer.peer_id), row(peer)];
  nobody.hidden = true;
  if (!old) return peers.append(made);
  const focused = [...old.querySelectorAll("a")].indexOf(document.activeElement);
  old.replaceWith(made);
  if (focused >= 0) made.querySelectorAll("a")[focused].focus();
}

function showAll(list) {
  const there = new Set(list.map((peer) => peer.peer_id));
  for (const item of [...peers.children]) if (!there.has(item.dataset.peer)) item.remove();
  list.forEach(show);
  nobody.hidden = list.length > 0;
  status.textContent = "";
}

function keyOf(message) {
  return message.from + " " + message.id;
}

function line(message) {
  const item = element("li");
  item.dataset.key = keyOf(message);
  const at = new Date(message.at);
  const time = element("time", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  [time.dateTime, time.title] = [at.toISOString(), at.toLocaleString()];
  item.append(time, " ", named(message.from, "name"), " ", element("code", shortId(message.from)), " ", element("bdi", message.content));
  if (STATES[message.state]) item.append(" ", element("small", STATES[message.state]));
  return item;
}

function append(message) {
  const key = keyOf(message);
  const old = [...messages.children].find((item) => item.dataset.key === key);
  if (old) return old.replaceWith(line(message));
  messages.append(line(message));
  while (messages.children.length > MAX_MESSAGES) messages.firstChild.remove();
  messages.scrollTop = messages.scrollHeight;
}

function conversationOf(message) {
  return message.to === null ? null : message.from === me ? message.to : message.from;
}

function markUnread(conversation) {
  if (conversation === null) return mark(back.firstElementChild, null, "To everyone");
  if (!rowOf(conversation)) show({ peer_id: conversation, label: "", online: false });
  mark(rowOf(conversation).querySelector(".chat"), conversation, "Chat with " + nameOf(conversation));
}

function say(message) {
  const conversation = conversationOf(message);
  if (conversation === open) return loading ? arrived.push(message) : append(message);
  if (message.from === me) return;
  unread.set(conversation, (unread.get(conversation) || 0) + 1);
  markUnread(conversation);
}

// What is said while the history is on its way is appended after it.
async function readHistory() {
  const mine = ++turn;
  loading = true;
  arrived.length = 0;
  let kept = [];
  try {
    const answer = await fetch("/api/v1/chat" + (open ? "?peer=" + open : ""));
    if (answer.ok) kept = (await answer.json()).messages;
  } catch {
    status.textContent = "Not connected to goop; trying again.";
  }
  if (mine !== turn) return;
  loading = false;
  [...kept, ...arrived].forEach(append);
}

function turnTo(conversation) {
  open = conversation;
  unread.delete(open);
  markUnread(open);
  title.replaceChildren(...(open ? ["Chat with ", named(open), " ", element("code", shortId(open))] : ["To everyone"]));
  back.hidden = !open;
  problem.textContent = "";
  messages.replaceChildren();
  readHistory();
}

// goop was started again: this page's token is old, and so is its script, perhaps.
function reload() {
  sessionStorage.setItem("draft", form.elements.content.value);
  location.reload();
}

function listen() {
  const events = new EventSource("/api/v1/events");
  const on = (name, then) => events.addEventListener(name, (event) => then(JSON.parse(event.data)));
  on("snapshot", (event) => {
    if (event.start !== start) return reload();
    showAll(event.peers);
    readHistory();
  });
  for (const name of ["online", "update", "offline"]) on(name, (event) => show(event.peer));
  on("chat", (event) => say(event.message));
  on("delivered", (event) => say(event.message));
  events.onerror = () => {
    status.textContent = "Not connected to goop; trying again.";
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.chat");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.replaceState(null, "", link.href);
  turnTo(new URL(link.href).searchParams.get("with"));
  form.elements.content.focus();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const headers = { "Content-Type": "application/json", "X-Goop-Token": token };
  const content = form.elements.content.value;
  const body = JSON.stringify(open ? { to: open, content } : { content });
  try {
    const answer = await fetch("/api/v1/chat", { method: "POST", headers, body });
    if (answer.ok && form.elements.content.value === content) form.reset();
    problem.textContent = answer.ok ? "" : "Not sent: " + (await answer.json()).detail;
  } catch {
    problem.textContent = "Not sent: goop does not answer.";
  }
});

form.hidden = false;
form.elements.content.value = sessionStorage.getItem("draft") || form.elements.content.value;
sessionStorage.removeItem("draft");
turnTo(open);
listen();
