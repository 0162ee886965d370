// Keeps what is said about the owner of the framed site as the event stream says.
import { begin, on } from "./live.js";
import { byId, way } from "./kit.js";

const { peer: whose } = document.body.dataset;

function show(peer) {
  const badge = byId("way");
  if (peer.peer_id !== whose || !badge) return;
  [badge.textContent, badge.className] = way(peer);
  badge.title = (peer.online && peer.reason) || "";
  byId("proof").textContent = peer.online ? (peer.signed ? "verified" : "not verified") : "";
}

on("snapshot", ({ peers }) => peers.forEach(show));
on("online update offline", ({ peer }) => show(peer));
begin();
