// Exchanges an invitation, or an approved application, for a personal address.
import { byId, element } from "./kit.js";

const TICKET = "#ticket=";
const AGAIN = 30000;
const asked = byId("asked");

async function post(wish) {
  const answer = await fetch(location.pathname, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail);
  return said;
}

// The page of the personal address says how to use it.
function enter(url) {
  location.replace(new URL(url).pathname);
}

function say(...words) {
  asked.hidden = false;
  asked.replaceChildren(...words.map((text) => element("p", text)));
}

async function look() {
  const ticket = location.hash.slice(TICKET.length);
  byId("ask").hidden = true;
  try {
    const said = await post({ ticket });
    if (said.url) return enter(said.url);
    say("You asked to come in; nobody has answered yet.", "Keep the address of this page: it is your ticket, and leads you in once you are let in.");
    setTimeout(look, AGAIN);
  } catch (problem) {
    say(`This did not work: ${problem.message}.`);
  }
}

async function submit(form, then) {
  const [told, button] = [form.querySelector(".told"), form.querySelector("button")];
  const filled = [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
  told.textContent = "";
  button.disabled = true;
  try {
    then(await post(Object.fromEntries(filled)));
  } catch (problem) {
    told.textContent = `This did not work: ${problem.message}.`;
  }
  button.disabled = false;
}

const act = (id, then) =>
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    submit(event.target, then);
  });

act("accept", (said) => enter(said.url));
act("apply", (said) => {
  if (said.url) return enter(said.url);
  history.replaceState(null, "", TICKET + said.ticket);
  look();
});
if (location.hash.startsWith(TICKET)) look();
else byId("invite").value = decodeURIComponent(location.hash.slice(1));
