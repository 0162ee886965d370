// Home is drawn by the server alone: it is asked again when somebody comes or goes, and now and then for the servers' sake.
import { begin, on, soon } from "./live.js";
import { byId } from "./kit.js";

const EVERY = 5000;

async function redraw() {
  if (document.hidden) return;
  const answer = await fetch("/").catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  const live = byId("live");
  if (live.querySelector("details").open) fresh.querySelector("details").open = true;
  if (fresh.isEqualNode(live) || live.contains(document.activeElement)) return;
  live.replaceWith(document.adoptNode(fresh));
}

on("snapshot online offline", soon(redraw, 1000));
setInterval(redraw, EVERY);
document.addEventListener("visibilitychange", redraw);
begin();
