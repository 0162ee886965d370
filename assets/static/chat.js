// Keeps the conversations as the event stream says. What others wrote goes in as text, never as markup.
import { begin, change, on, read } from "./live.js";
import { byId, element, face, shortId } from "./kit.js";
import { watchFiles } from "./files.js";

const MOST = 200;
const STATES = { sending: "on its way", waiting: "waits until they are back", delivered: "delivered", failed: "not sent" };
const { me, with: open = null, community = null } = document.body.dataset;
const [messages, form, problem, notify, earlier] = ["messages", "say", "problem", "notify", "earlier"].map(byId);
const content = form.elements.content;
const draft = "draft " + (open || community || "");
const names = new Map([[me, "You"]]);
// What communities are called, as the page says it.
const titles = new Map([...document.querySelectorAll("#conversations [data-community]")].map((link) => [link.dataset.community, link.querySelector("bdi").textContent]));
const lines = new Map();
// Lines on the page; more once its reader has asked for earlier ones.
let most = MOST;
let before = null;

function nameOf(id) {
  return names.get(id) || "Somebody";
}

function learn(peer) {
  names.set(peer.peer_id, peer.label || "(no name)");
  if (peer.peer_id === open) byId("presence").textContent = peer.online ? "here" : "away";
}

function button(words, label, press) {
  const made = element("button", words, "small");
  [made.type, made.ariaLabel] = ["button", label];
  made.addEventListener("click", () => tried(press));
  return made;
}

async function tried(work) {
  try {
    await work();
    problem.textContent = "";
  } catch (wrong) {
    problem.textContent = wrong.message;
  }
}

function line(message) {
  const item = element("li", undefined, message.from === me ? "mine" : "");
  const [head, at, name] = [element("p"), new Date(message.at), element("bdi", nameOf(message.from), "name")];
  const time = element("time", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  [time.dateTime, time.title, name.title] = [at.toISOString(), at.toLocaleString(), name.textContent];
  head.append(name, " ", element("code", shortId(message.from)), " ", time, " ");
  head.append(button("×", "Delete this message", () => change("DELETE", "chat/" + message.number)));
  item.append(head, element("bdi", message.content, "said"));
  if (STATES[message.state]) item.append(element("p", stateOf(message), "state " + message.state));
  return item;
}

function stateOf({ state, why, missed, delivered }) {
  const away = (missed || []).reduce((sum, { peers }) => sum + peers, 0);
  if (state === "delivered" && !open) return `delivered to ${delivered}` + (away ? `, not to ${away}` : "");
  return STATES[state] + (state === "failed" && why ? ": " + why : "");
}

function show(message) {
  const [old, made] = [lines.get(message.number), line(message)];
  lines.set(message.number, made);
  if (old) return old.replaceWith(made);
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80 || message.from === me;
  messages.append(made);
  if (lines.size > most) remove(Math.min(...lines.keys()));
  if (atEnd) messages.scrollTop = messages.scrollHeight;
}

function remove(number) {
  lines.get(number)?.remove();
  lines.delete(number);
}

// How the API names this conversation.
const named = open ? { peer: open } : community ? { community } : {};

function page(number) {
  const asked = new URLSearchParams(named);
  if (number) asked.set("before", number);
  return read("chat?" + asked);
}

// What was said before stands above, and what its reader looks at stays where it is.
async function goBack() {
  const kept = await page(before);
  const [first, height] = [messages.firstElementChild, messages.scrollHeight];
  for (const message of kept.messages) {
    if (lines.has(message.number)) continue;
    const made = line(message);
    lines.set(message.number, made);
    messages.insertBefore(made, first);
  }
  most += kept.messages.length;
  messages.scrollTop += messages.scrollHeight - height;
  reach(kept.before);
}

function reach(number) {
  before = number;
  earlier.hidden = number === null;
}

function clear() {
  lines.clear();
  messages.replaceChildren();
}

// Whoever looks at the page has read what stands there.
async function markRead() {
  const last = Math.max(...lines.keys());
  if (document.hidden || !lines.size) return;
  await change("POST", "chat/read", { ...named, number: last }).catch(() => {});
}

function isHere({ to, from, community: where = null }) {
  return to === null ? !open && where === community : open === (from === me ? to : from);
}

function ring({ from, content, number, community: where }) {
  if (!document.hidden || from === me || window.Notification?.permission !== "granted") return;
  new Notification(nameOf(from) + (where ? ` (${titles.get(where) || where})` : ""), { body: content.slice(0, 200), tag: "goop " + number, icon: "/static/icon.svg" });
}

function other({ peer, community: where = null, unread, last }) {
  const [item, link, who] = [element("li"), element("a"), element("span", undefined, "who")];
  link.href = "/chat" + (peer ? "?with=" + peer : where ? "?community=" + encodeURIComponent(where) : "");
  if (where) link.dataset.community = where;
  if (peer === open && where === community) link.setAttribute("aria-current", "true");
  const name = element("bdi", peer ? nameOf(peer) : where ? titles.get(where) || where : "Everyone here");
  name.title = name.textContent;
  who.append(name, element("bdi", last ? last.content.slice(0, 80) : "", "soft"));
  if (peer) link.append(face(peer));
  link.append(who);
  if (unread) {
    const count = element("span", String(unread), "count");
    count.append(element("span", " new", "unseen"));
    link.append(count);
  }
  item.append(link);
  return item;
}

function list(conversations) {
  const everyone = conversations.find(({ peer, community: where }) => !peer && !where) || { peer: null };
  const peers = conversations.filter(({ peer }) => peer);
  if (open && !peers.some(({ peer }) => peer === open)) peers.unshift({ peer: open });
  const others = conversations.filter(({ community: where }) => where && !titles.has(where));
  const known = [...titles.keys()].map((where) => conversations.find((one) => one.community === where) || { peer: null, community: where });
  const [box, made] = [byId("conversations"), [everyone, ...known, ...others, ...peers].map(other)];
  const focused = [...box.querySelectorAll("a")].find((link) => link === document.activeElement)?.href;
  box.replaceChildren(...made);
  if (focused) [...box.querySelectorAll("a")].find((link) => link.href === focused)?.focus();
}

on("snapshot", async ({ peers }) => {
  peers.forEach(learn);
  const kept = await page().catch(() => null);
  if (!kept) return;
  clear();
  most = MOST;
  kept.messages.forEach(show);
  reach(kept.before);
  markRead();
});
on("online update offline", ({ peer }) => learn(peer));
on("chat delivered", ({ message, muted }) => {
  if (muted === false) ring(message);
  if (!isHere(message)) return;
  show(message);
  if (message.from !== me) markRead();
});
on("forgotten", ({ all, peer, community: where, number }) => {
  const here = peer === open && where === community;
  if (all || (here && number === null)) clear();
  else if (here) remove(number);
});
on("conversations", list);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = content.value;
  tried(async () => {
    const to = open ? { to: open } : named;
    const message = await change("POST", "chat", { ...to, content: said }).catch((wrong) => {
      throw new Error("Not sent: " + wrong.message);
    });
    show(message);
    if (content.value === said) form.reset();
    sessionStorage.removeItem(draft);
  });
});
earlier.addEventListener("click", () => tried(goBack));
content.addEventListener("input", () => sessionStorage.setItem(draft, content.value));
byId("forget").addEventListener("click", () => {
  if (!confirm("Delete what was said here? The others keep what they have.")) return;
  tried(() => change("DELETE", "chat?" + new URLSearchParams(named)));
});
document.addEventListener("visibilitychange", markRead);
notify.hidden = window.Notification?.permission !== "default";
notify.addEventListener("click", async () => (notify.hidden = (await Notification.requestPermission()) !== "default"));

form.hidden = "closed" in form.dataset;
content.value = sessionStorage.getItem(draft) || content.value;
// On a phone the conversations stand in one line.
document.querySelector("#conversations [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
if (open) watchFiles(open, tried);
begin();
