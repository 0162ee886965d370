// Home is drawn by the server alone: it is asked again when somebody comes or goes, and now and then for the servers' sake.
import { begin, on, soon } from "./live.js";
import { byId } from "./kit.js";
import { fetched, renew } from "./renew.js";

const EVERY = 5000;

async function redraw() {
  if (document.hidden) return;
  const fresh = await fetched("/").catch(() => null);
  if (fresh) renew(byId("live"), fresh.getElementById("live"));
}

on("snapshot online offline", soon(redraw, 1000));
setInterval(redraw, EVERY);
document.addEventListener("visibilitychange", redraw);
begin();
