// Keeps the list as the event stream says. What others wrote goes in as text, never as markup.
"use strict";

const [list, count, nobody, more, status] = ["peers", "count", "nobody", "more", "status"].map((id) => document.getElementById(id));
const most = Number(list.dataset.most);
const here = new Map();
const rows = new Map([...list.children].map((item) => [item.dataset.peer, item]));

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function row(peer) {
  const item = element("li");
  const name = element("strong");
  name.append(element("bdi", (peer.content || "").trim().slice(0, 64) || "(no name)"));
  item.append(name, " ", element("code", "…" + peer.peerID.slice(-8)));
  if (peer.signed) item.append(" ", element("span", "signed", "path"));
  return item;
}

function show(peer) {
  here.set(peer.peerID, peer);
  const [old, fresh] = [rows.get(peer.peerID), row(peer)];
  if (old) old.replaceWith(fresh);
  else if (rows.size < most) list.append(fresh);
  else return;
  rows.set(peer.peerID, fresh);
}

function hide(peer) {
  here.delete(peer.peerID);
  rows.get(peer.peerID)?.remove();
  rows.delete(peer.peerID);
}

function tally() {
  count.textContent = here.size;
  nobody.hidden = here.size > 0;
  more.hidden = here.size <= rows.size;
}

function listen() {
  const events = new EventSource(document.body.dataset.events);
  const on = (name, then) =>
    events.addEventListener(name, (event) => {
      then(JSON.parse(event.data));
      tally();
      status.textContent = "";
    });
  on("snapshot", (snapshot) => {
    here.clear();
    rows.clear();
    list.replaceChildren();
    snapshot.peers.forEach(show);
  });
  on("online", show);
  on("update", show);
  on("offline", hide);
  events.onerror = () => {
    status.textContent = "Not connected; trying again.";
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
}

listen();
