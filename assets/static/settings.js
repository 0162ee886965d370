// Saves what was changed, and nothing else; what goop refuses stays in the form, beside why. What others wrote goes in as text, never as
// markup.
import { begin, on, send } from "./live.js";
import { byId } from "./kit.js";

const form = byId("settings");
const [told, problem] = ["told", "problem"].map(byId);

function valueOf(field) {
  const text = field.value.trim();
  switch (field.dataset.kind) {
    case "truth":
      return field.checked;
    case "number":
      return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
    case "list":
      return field.value.split("\n").map((line) => line.trim()).filter(Boolean);
    case "choice":
      return field.value;
    default:
      return field.value;
  }
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const fields = form ? [...form.querySelectorAll("[data-kind]:enabled")] : [];
const saved = new Map(fields.map((field) => [field.name, valueOf(field)]));
const changed = () => fields.filter((field) => !same(valueOf(field), saved.get(field.name)));

function mark(errors) {
  let first;
  for (const field of fields) {
    const why = errors[field.name];
    byId(field.id + "-wrong").textContent = why ? "It " + why + "." : "";
    field.setAttribute("aria-invalid", String(Boolean(why)));
    first ||= why && field;
  }
  first?.focus();
}

function wear(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function words({ told: heard, needs_restart: waiting, refused }) {
  if (refused) return `Saved, but goop did not take it over, and goes on as before: ${refused}`;
  if (!heard) return "Saved, but goop did not answer: it counts when goop is started again, if not before.";
  const labels = waiting.map((key) => byId(key.replace(/[._]/g, "-"))?.labels[0].textContent.trim() || key);
  return labels.length ? "Saved. These count when goop is started again: " + labels.join("; ") + "." : "Saved, and in force.";
}

async function save() {
  const wishes = Object.fromEntries(changed().map((field) => [field.name, valueOf(field)]));
  [told.textContent, problem.textContent] = ["", ""];
  if (!Object.keys(wishes).length) return (told.textContent = "Nothing was changed.");
  const { status, said, tag } = await send("PATCH", "settings", wishes, { "If-Match": `"${form.dataset.tag}"` });
  mark((status === 422 && said.errors) || {});
  if (status === 412) throw new Error("The file was changed by somebody else meanwhile, so nothing was saved. Copy what you typed, and look at what is saved now.");
  if (status === 422) throw new Error("Nothing was saved: look at what is marked.");
  if (status >= 400) throw new Error(said.detail);
  form.dataset.tag = tag.replaceAll('"', "");
  for (const [key, value] of Object.entries(wishes)) saved.set(key, value);
  if (wishes["viewer.theme"]) wear(wishes["viewer.theme"]);
  told.textContent = words(said);
}

async function picture(method, body) {
  const told = byId("pictured");
  const { status, said } = await send(method, "avatar", body, {}).catch((wrong) => ({ status: 500, said: { detail: wrong.message } }));
  if (status >= 400) told.textContent = said.detail;
  else location.reload();
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button.first");
  button.disabled = true;
  await save().catch((wrong) => (problem.textContent = wrong.message));
  button.disabled = false;
});
// What was typed is not lost by a slip.
addEventListener("beforeunload", (event) => form && changed().length && event.preventDefault());
byId("pick")?.addEventListener("click", () => byId("file").click());
byId("file")?.addEventListener("change", ({ target }) => target.files[0] && picture("PUT", target.files[0]));
byId("drop")?.addEventListener("click", () => picture("DELETE"));
on("snapshot", () => {});
begin();
