// The search as somebody types: asks for the page that the form would lead to, and shows what it found.
import { byId } from "./kit.js";
import { fetched, renew } from "./renew.js";

// Between the last key and the question, in milliseconds.
const PAUSE = 120;
const form = byId("find");
let timer;
let asked = 0;

function address() {
  const said = [...new FormData(form)].filter(([, value]) => value.trim());
  return form.action + (said.length ? "?" + new URLSearchParams(said) : "");
}

async function look() {
  const [question, url] = [++asked, address()];
  try {
    const fresh = await fetched(url);
    if (question !== asked) return;
    renew(byId("found"), fresh.getElementById("found"), true);
    byId("count").textContent = fresh.getElementById("count").textContent;
    document.title = fresh.title;
    history.replaceState(null, "", url);
  } catch (answer) {
    if (question !== asked) return;
    byId("count").textContent = answer.status === 400 ? "That cannot be searched for." : "The hub does not answer. Try again.";
  }
}

function soon(after) {
  clearTimeout(timer);
  timer = setTimeout(look, after);
}

form.addEventListener("input", () => soon(PAUSE));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  soon(0);
});
