// The operator's page: sends its forms to the API as JSON, and keeps what is shown as it is on the server.
import { byId, copyBox, element, qr } from "./kit.js";
import { fetched, renew } from "./renew.js";

const EVERY = 5000;
const STAY = 8000;
let hiding;

function tell(words, mood) {
  const told = byId("told");
  told.textContent = words;
  told.className = "toast " + mood;
  clearTimeout(hiding);
  hiding = setTimeout(() => (told.textContent = ""), STAY);
}

function confirmed(words) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = words;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

function valueOf({ type, dataset, value }) {
  const text = value.trim();
  if ("flag" in dataset) return text === "yes";
  if ("list" in dataset) return text.split(",").map((one) => one.trim()).filter(Boolean);
  return type === "number" || "number" in dataset ? Number(text) : text;
}

// What is left empty is not sent, unless its emptiness says something.
function jsonOf(form) {
  const fields = [...form.elements].filter((field) => field.name && (field.value.trim() !== "" || "empty" in field.dataset));
  return Object.fromEntries(fields.map((field) => [field.name, valueOf(field)]));
}

async function send(form) {
  const method = form.dataset.method || "POST";
  const fields = [...form.elements].some((field) => field.name);
  const request = { method, headers: fields ? { "Content-Type": "application/json" } : {} };
  if (fields) request.body = JSON.stringify(jsonOf(form));
  const answer = await fetch(form.getAttribute("action"), request);
  const text = await answer.text();
  const said = text.startsWith("{") ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(said.detail || `the server answers ${answer.status}`);
  return said;
}

function showInvitation({ link, qr: code }) {
  byId("invitation-link").replaceChildren(copyBox(link, "the link"), ...(code ? [qr(code)] : []));
  byId("invitation").showModal();
}

// What came of reading the configuration anew.
function told({ applied, needs_restart: waiting }) {
  if (!applied) return "";
  const keys = (words, list) => (list.length ? `${words}: ${list.join(", ")}.` : "");
  const news = [keys("Now counts", applied), keys("Waits for a restart", waiting)].filter(Boolean).join(" ");
  return news || "The configuration was read anew; nothing has changed.";
}

// Whoever pressed a button that is gone by now stands at the list it was in.
async function refresh(form) {
  const fresh = await fetched(location.pathname + location.search);
  const within = form?.closest("[data-part]")?.id;
  const whole = form && /\/boards(\/[a-z0-9-]+(\/move)?)?$/.test(form.getAttribute("action"));
  if (whole) renew(byId("boards"), fresh.getElementById("boards"), true);
  renew(byId("ban-slug"), fresh.getElementById("ban-slug"));
  for (const part of document.querySelectorAll("[data-part]")) renew(part, fresh.getElementById(part.id), part.id === within);
  if (form && !form.isConnected) (byId(within) || byId("boards") || byId("main")).focus();
}

async function submit(form) {
  if (form.dataset.confirm && !(await confirmed(form.dataset.confirm))) return;
  const [wrong, button] = [form.querySelector(".told"), form.querySelector("button")];
  if (wrong) wrong.textContent = "";
  button.disabled = true;
  try {
    const said = await send(form);
    if ("leave" in form.dataset) return location.replace(location.pathname);
    if (form.dataset.then) return location.assign(form.dataset.then);
    if (form.querySelector("input")) form.reset();
    button.disabled = false;
    await refresh(form);
    if (form.dataset.show === "invitation") showInvitation(said);
    else tell(told(said) || form.dataset.done, "good");
  } catch (problem) {
    const words = `This was not done: ${problem.message || "the server does not answer"}.`;
    if (wrong) wrong.textContent = words;
    else tell(words, "bad");
  }
  button.disabled = false;
}

document.addEventListener("submit", (event) => {
  if (event.target.method === "dialog" || "plain" in event.target.dataset) return;
  event.preventDefault();
  submit(event.target);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-ban]");
  if (!button) return;
  const { ban, address, place } = button.dataset;
  byId("ban").reset();
  [byId("ban-peer").value, byId("ban-address").value, byId("ban-slug").value] = [ban, "", place];
  byId("ban-address").placeholder = address;
  byId("ban-reason").focus();
});

setInterval(() => {
  if (document.hidden || document.querySelector("dialog[open]")) return;
  refresh().catch((answer) => (answer.status === 401 ? location.reload() : tell("The server does not answer; trying again.", "bad")));
}, EVERY);
