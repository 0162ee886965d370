// Keeps the page of a board as its event stream says.
import { byId, element, face, label, shortId } from "./kit.js";
import { fetched, renew } from "./renew.js";

const RETRY = 5000;
const SPEAK = 5000;
const PULSE = 60000;
// After a restart of the server, who does not come back within this time is gone.
const DOUBT = 60000;

const here = document.body.dataset.here;
const [list, count, nobody, more, live, news] = ["peers", "count", "nobody", "more", "live", "news"].map(byId);
const most = Number(list.dataset.most);
const peers = new Map();
const rows = new Map([...list.children].map((item) => [item.dataset.peer, item]));
const came = new Set();
const left = new Set();
let doubted = new Set();

function row(peer) {
  const [item, who, name] = [element("li"), element("span", undefined, "who"), element("bdi", label(peer))];
  item.dataset.peer = peer.peerID;
  name.title = name.textContent;
  const proof = element("span", undefined, "soft");
  proof.append(element("code", shortId(peer.peerID)));
  if (!peer.signed) proof.append(" unsigned");
  who.append(name, proof);
  item.append(face(peer.peerID), who);
  return item;
}

function show(peer) {
  peers.set(peer.peerID, peer);
  doubted.delete(peer.peerID);
  const [old, fresh] = [rows.get(peer.peerID), row(peer)];
  if (old) {
    if (old.isEqualNode(fresh)) return;
    old.replaceWith(fresh);
  } else if (rows.size < most) {
    fresh.className = "new";
    list.prepend(fresh);
  } else return;
  rows.set(peer.peerID, fresh);
}

function hide(id) {
  peers.delete(id);
  rows.get(id)?.remove();
  rows.delete(id);
}

function arrive(peer) {
  if (!peers.has(peer.peerID)) came.add(label(peer));
  show(peer);
}

function depart(peer) {
  if (peers.has(peer.peerID)) left.add(label(peers.get(peer.peerID)));
  hide(peer.peerID);
}

function sorted(all) {
  const named = all.map((peer) => [label(peer), peer.peerID, peer]);
  named.sort(([a, one], [b, other]) => (a < b ? -1 : a > b ? 1 : one < other ? -1 : 1));
  return named.map(([, , peer]) => peer);
}

// A snapshot that is not complete leaves those in doubt whom it does not name.
function takeAll(snapshot) {
  const named = new Set(snapshot.peers.map((peer) => peer.peerID));
  const unnamed = [...rows.keys(), ...peers.keys()].filter((id) => !named.has(id));
  if (snapshot.complete) unnamed.forEach(hide);
  else if (unnamed.length) {
    doubted = new Set(unnamed);
    setTimeout(() => (doubted.forEach(hide), doubted.clear(), tally()), DOUBT);
  }
  const all = sorted(snapshot.peers);
  all.forEach(show);
  list.querySelectorAll(".new").forEach((item) => item.removeAttribute("class"));
  const shown = all.map((peer) => rows.get(peer.peerID)).filter(Boolean);
  if (shown.some((item, nth) => list.children[nth] !== item)) list.prepend(...shown);
}

function tally() {
  const many = Math.max(peers.size, rows.size);
  count.textContent = many;
  nobody.hidden = many > 0;
  more.hidden = many <= rows.size;
}

function state(words, mood) {
  live.textContent = words;
  live.className = "badge " + mood;
}

function listen() {
  const events = new EventSource(here + "/api/v1/events");
  const on = (name, then) =>
    events.addEventListener(name, (event) => {
      then(JSON.parse(event.data));
      tally();
      state("live", "good");
    });
  on("snapshot", takeAll);
  on("online", arrive);
  on("update", arrive);
  on("offline", depart);
  events.onerror = () => {
    state("not connected; trying again", "warn");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY);
  };
}

const named = (names, verb) => (names.size > 3 ? `${names.size} ${verb}` : names.size ? `${[...names].join(", ")} ${verb}` : "");

// Who listens to the page hears of several at once, and not of each heartbeat of a crowd.
function speak() {
  const said = [named(came, "came"), named(left, "left")].filter(Boolean).join("; ");
  came.clear();
  left.clear();
  if (said) news.textContent = `${said}. ${peers.size} here.`;
}

async function pulse() {
  if (document.hidden) return;
  try {
    const fresh = await fetched(here + "/pulse");
    for (const id of ["hour", "communities"]) renew(byId(id), fresh.getElementById(id));
  } catch {
    // The next one is soon; that the server is away is told by the event stream.
  }
}

listen();
setInterval(speak, SPEAK);
setInterval(pulse, PULSE);
