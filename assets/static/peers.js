// Keeps the list as the event stream says. Changes are gathered, and drawn a few milliseconds of each frame, so that a thousand peers
// that change all the time leave the page to its reader. What others wrote goes in as text, never as markup.
import { begin, change, on, read, soon } from "./live.js";
import { byId, element, face, shortId, way } from "./kit.js";

// Rows of peers that left stay until there are so many.
const MOST = 2000;
// Of each frame, in milliseconds.
const SHARE = 6;
const lists = Object.fromEntries(["peers", "favourites", "blocked"].map((name) => [name, byId(name)]));
const rows = new Map([...document.querySelectorAll("[data-peer]")].map((item) => [item.dataset.peer, item]));
const known = new Map();
const pending = new Map();
const search = byId("q");
let drawing = false;

function button(name, words) {
  const made = element("button", words, "small");
  [made.type, made.dataset.set] = ["button", name];
  return made;
}

function make(id) {
  const [item, who, site, below] = [element("li"), element("span", undefined, "who"), element("a"), element("span", undefined, "soft")];
  item.dataset.peer = id;
  site.href = `/peers/${id}/site`;
  site.append(element("bdi"));
  below.append(element("code", shortId(id)), " ", element("span", undefined, "proof"));
  who.append(site, below, element("span", undefined, "soft reason"));
  const [buttons, chat] = [element("span", undefined, "buttons scripted"), element("a", "Chat", "button small chat")];
  chat.href = "/chat?with=" + id;
  buttons.append(chat, button("favourite", "Keep"), button("muted", "Mute"), button("blocked", "Block"));
  item.append(face(id), who, element("span", undefined, "badge"), buttons);
  rows.set(id, item);
  return item;
}

function text(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

function fill(item, peer) {
  const name = peer.label || "(no name)";
  const [site, badge] = [item.querySelector("a"), item.querySelector(".badge")];
  item.classList.toggle("away", !peer.online);
  wear(item, peer);
  text(site.firstChild, name);
  text(item.querySelector(".proof"), peer.online ? (peer.signed ? "verified" : "not verified") : "");
  text(item.querySelector(".reason"), (peer.online && peer.reason) || "");
  const [words, look] = way(peer);
  text(badge, words);
  badge.className = look;
  if (site.title !== name || !item.querySelector("[data-set]").ariaLabel) call(item, name);
  site.title = name;
  for (const set of item.querySelectorAll("[data-set]")) set.setAttribute("aria-pressed", String(Boolean(peer[set.dataset.set])));
}

// Pictures are asked of those whom one keeps; strangers are not to learn that somebody looks at their row.
function wear(item, { peer_id, favourite, avatar_hash }) {
  const source = favourite && avatar_hash ? `/api/v1/peers/${peer_id}/avatar?${avatar_hash}` : "";
  if ((item.dataset.face || "") === source) return;
  item.dataset.face = source;
  const picture = element("img", undefined, "face");
  picture.alt = "";
  // One that cannot be had, or is none, leaves the drawn face.
  picture.onload = () => item.dataset.face === source && item.querySelector(".face").replaceWith(picture);
  if (source) picture.src = source;
  else item.querySelector(".face").replaceWith(face(peer_id));
}

// What a screen reader says of the buttons.
function call(item, name) {
  const [chat, keep, mute, block] = item.querySelectorAll(".buttons > *");
  for (const [control, word] of [[chat, "Chat with "], [keep, "Keep "], [mute, "Mute "], [block, "Block "]]) control.ariaLabel = word + name;
}

function place(peer) {
  const item = rows.get(peer.peer_id) || make(peer.peer_id);
  fill(item, peer);
  sift(item);
  const list = lists[peer.blocked ? "blocked" : peer.favourite ? "favourites" : "peers"];
  if (item.parentNode === list) return;
  const focused = item.contains(document.activeElement) && document.activeElement;
  list.append(item);
  if (focused) focused.focus();
}

function forget(id) {
  rows.get(id)?.remove();
  for (const table of [rows, known, pending]) table.delete(id);
}

function draw() {
  const until = performance.now() + SHARE;
  for (const [id, peer] of pending) {
    pending.delete(id);
    if (!peer.online && !peer.favourite && !peer.blocked && rows.size > MOST) forget(id);
    else place(peer);
    if (performance.now() > until) break;
  }
  drawing = pending.size > 0;
  if (drawing) requestAnimationFrame(draw);
  else tally();
}

function show(peer) {
  known.set(peer.peer_id, peer);
  pending.set(peer.peer_id, peer);
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function decided(contact) {
  const { peer_id, label, favourite, blocked, muted } = contact;
  const peer = known.get(peer_id) || { peer_id, label, online: false };
  if (favourite || blocked || known.has(peer_id)) show({ ...peer, favourite, blocked, muted });
}

const tally = soon(() => {
  const here = [...known.values()].filter((peer) => peer.online && !peer.blocked).length;
  byId("count").textContent = here === 1 ? "1 here" : `${here} here`;
}, 250);

function sift(item) {
  const wanted = search.value.trim().toLowerCase();
  const name = item.querySelector("bdi").textContent.toLowerCase();
  const hidden = wanted !== "" && !name.includes(wanted) && !item.dataset.peer.toLowerCase().includes(wanted);
  if (item.hidden !== hidden) item.hidden = hidden;
}

on("snapshot", async (event) => {
  const there = new Set(event.peers.map((peer) => peer.peer_id));
  for (const [id, item] of rows) if (!there.has(id) && item.parentNode !== lists.blocked) forget(id);
  event.peers.forEach(show);
  tally();
  const { contacts } = await read("contacts");
  contacts.filter((contact) => contact.blocked).forEach(decided);
});
on("online update offline", (event) => show(event.peer));
on("contact", (event) => decided(event.contact));

document.addEventListener("click", async (event) => {
  const pressed = event.target.closest("[data-set]");
  if (!pressed) return;
  const told = byId("told");
  try {
    const set = { [pressed.dataset.set]: pressed.getAttribute("aria-pressed") !== "true" };
    decided(await change("PUT", "contacts/" + pressed.closest("li").dataset.peer, set));
    told.textContent = "";
  } catch (wrong) {
    told.textContent = wrong.message;
  }
});
search.addEventListener("input", () => rows.forEach(sift));
byId("search").addEventListener("submit", (event) => event.preventDefault());
begin();
