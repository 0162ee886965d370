// A text of one's own site. It is saved over the version that was opened; where somebody else saved another, both stay to be compared.
import { begin, write } from "./live.js";
import { byId, reload } from "./kit.js";

const [form, text, state, told, conflict, theirs] = ["edit", "text", "state", "told", "conflict", "theirs"].map(byId);

function editor() {
  const { path } = form.dataset;
  const name = "site/" + path.split("/").map(encodeURIComponent).join("/");
  let version = form.dataset.etag ? `"${form.dataset.etag}"` : null;
  let saved = version ? text.defaultValue : null;
  let other = null;
  const shown = byId("shown").src;

  const only = (etag) => (etag ? { "If-Match": etag } : { "If-None-Match": "*" });
  const content = () => (form.dataset.crlf === undefined ? text.value : text.value.replaceAll("\n", "\r\n"));

  // Whether what is written is what is saved.
  function tell(words) {
    state.textContent = words ?? (text.value === saved ? "saved" : "not saved yet");
  }

  // Both stay: what is written here, and what somebody else saved meanwhile.
  async function compare() {
    const answer = await fetch("/api/v1/" + name);
    if (!answer.ok && answer.status !== 404) throw new Error((await answer.json()).detail);
    other = answer.ok ? answer.headers.get("ETag") : null;
    theirs.value = answer.ok ? await answer.text() : "";
    byId("conflict-title").textContent = answer.ok ? "Somebody else changed this file" : "Somebody else deleted this file";
    conflict.hidden = false;
    byId("conflict-title").focus();
  }

  async function save() {
    const written = text.value;
    tell("saving");
    const answer = await write(name, content(), only(version));
    if (answer.status === 412) {
      tell("not saved");
      return compare();
    }
    if (answer.wrong) throw new Error("Not saved: " + answer.wrong);
    [version, saved] = [answer.etag, written];
    conflict.hidden = true;
    tell();
    show("What others see", shown);
  }

  function show(title, url) {
    byId("shown-title").textContent = title;
    reload(byId("shown"), url);
  }

  async function preview() {
    const answer = await write("site-draft/" + name.slice("site/".length), content());
    if (answer.wrong) throw new Error(answer.wrong);
    show("Preview, not saved yet", answer.url);
  }

  // Under the first free name: about (mine).html, about (mine 2).html.
  async function beside() {
    const [, start, ending] = path.match(/^(.*?)(\.[^./]*)?$/s);
    for (let number = 1; number < 100; number++) {
      const free = `${start} (mine${number > 1 ? " " + number : ""})${ending || ""}`;
      const answer = await write("site/" + free.split("/").map(encodeURIComponent).join("/"), content(), only(null));
      if (answer.status === 412) continue;
      if (answer.wrong) throw new Error("Not saved: " + answer.wrong);
      saved = text.value;
      return location.assign("/site/edit?path=" + encodeURIComponent(free));
    }
  }

  async function tried(work) {
    try {
      told.textContent = "";
      await work();
    } catch (wrong) {
      tell();
      told.textContent = wrong.message;
    }
  }

  form.addEventListener("submit", (event) => (event.preventDefault(), tried(save)));
  text.addEventListener("input", () => tell());
  addEventListener("keydown", (event) => {
    if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    tried(save);
  });
  byId("preview")?.addEventListener("click", () => tried(preview));
  byId("mine").addEventListener("click", () => tried(() => ((version = other), save())));
  byId("both").addEventListener("click", () => tried(beside));
  byId("take").addEventListener("click", () => {
    [text.value, theirs.value, version, saved] = [theirs.value, text.value, other, theirs.value];
    byId("conflict-title").textContent = "Theirs stands above, yours below";
    tell();
  });
  addEventListener("beforeunload", (event) => text.value !== (saved ?? "") && event.preventDefault());
}

if (form) editor();
begin();
