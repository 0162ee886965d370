// One's own site: files are put in by button or drop, renamed and deleted. The list is drawn by the server alone.
import { begin, change, read, upload } from "./live.js";
import { byId, bytes, element, reload } from "./kit.js";
import { fetched, renew } from "./renew.js";

// Files of one drop.
const MOST = 10000;
// Paths that a question or a complaint names.
const NAMED = 5;
const [told, going, file, folder] = ["told", "uploads", "file", "folder"].map(byId);
const address = (path) => "site/" + path.split("/").map(encodeURIComponent).join("/");
let queue = Promise.resolve();

async function refresh() {
  const fresh = await fetched("/site");
  renew(byId("mine"), fresh.getElementById("mine"), true);
  const seen = fresh.getElementById("seen");
  if (byId("shown") && seen.querySelector("#shown")) reload(byId("shown"));
  else renew(byId("seen"), seen, true);
}

async function tried(work) {
  try {
    told.textContent = "";
    await work();
  } catch (wrong) {
    told.textContent = wrong.message || "goop does not answer.";
  }
}

function named(paths) {
  const more = paths.length - NAMED;
  return paths.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

// What is to be sent of `files`, `[path, file]` each, and which of them replace something; asks before anything is replaced.
async function chosen(files) {
  const { entries, room } = await read("site");
  const there = new Set(entries.map(({ path }) => path));
  const taken = files.map(([path]) => path).filter((path) => there.has(path));
  const question = `There already: ${named(taken)}. Replace ${taken.length === 1 ? "it" : "them"}?`;
  const replaced = new Set(taken.length && confirm(question) ? taken : []);
  const sent = files.filter(([path]) => !there.has(path) || replaced.has(path));
  const needed = sent.reduce((sum, [, { size }]) => sum + size, 0);
  if (needed > room) throw new Error(`That is ${bytes(needed)}, and there is room for ${bytes(room)}. Nothing was added.`);
  return { sent, replaced };
}

async function send(path, content, replace) {
  const [item, who, said, bar, stop] = [element("li"), element("span", undefined, "who"), element("span", "", "soft"), element("progress"), element("button", "Cancel", "small")];
  const cancel = new AbortController();
  [bar.value, bar.ariaLabel, stop.type, stop.ariaLabel] = [0, "Progress of " + path, "button", "Cancel " + path];
  stop.addEventListener("click", () => cancel.abort());
  who.append(element("bdi", path), said, bar);
  item.append(who, stop);
  going.append(item);
  const progress = (part) => {
    bar.value = part;
    said.textContent = part < 1 ? `${bytes(part * content.size)} of ${bytes(content.size)}` : `${bytes(content.size)}, being saved`;
  };
  const headers = replace ? {} : { "If-None-Match": "*" };
  await upload(address(path), content, progress, { method: "PUT", headers, signal: cancel.signal }).finally(() => item.remove());
}

function add(files) {
  queue = queue.then(() =>
    tried(async () => {
      if (files.length > MOST) throw new Error(`At most ${MOST} files at once.`);
      const { sent, replaced } = await chosen(files);
      const failed = new Map();
      for (const [path, content] of sent)
        await send(path, content, replaced.has(path)).catch(({ message }) => failed.set(message, [...(failed.get(message) || []), path]));
      if (sent.length) await refresh();
      if (failed.size) throw new Error([...failed].map(([why, paths]) => `Not added: ${named(paths)} (${why}).`).join(" "));
    }),
  );
}

// The files beneath what was dropped.
async function* walk(entry) {
  if (entry.isFile) return yield [entry.fullPath.replace(/^\/+/, ""), await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  for (let batch = [null]; batch.length; ) {
    batch = await new Promise((done, failed) => reader.readEntries(done, failed));
    for (const one of batch) yield* walk(one);
  }
}

function drop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const loose = [...transfer.files].map((one) => [one.name, one]);
  tried(async () => {
    const files = [];
    for (const entry of entries) for await (const one of walk(entry)) if (files.push(one) > MOST) break;
    add(entries.length ? files : loose);
  });
}

const page = byId("main");
for (const name of ["dragover", "dragleave", "drop"])
  page.addEventListener(name, (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    byId("add").classList.toggle("dropping", name === "dragover");
    if (name === "drop") drop(event.dataTransfer);
  });
byId("pick").addEventListener("click", () => file.click());
byId("pick-folder").addEventListener("click", () => folder.click());
for (const input of [file, folder])
  input.addEventListener("change", () => {
    add([...input.files].map((one) => [one.webkitRelativePath || one.name, one]));
    input.value = "";
  });

async function changed(method, path, body) {
  await change(method, path, body);
  await refresh();
  byId("files-title").focus();
}

byId("main").addEventListener("click", ({ target }) => {
  const asked = target.closest("[data-do]");
  if (!asked) return;
  const { path } = asked.closest("[data-path]").dataset;
  if (asked.dataset.do === "delete") return confirm(`Delete ${path}?`) && tried(() => changed("DELETE", address(path)));
  const to = prompt("What is it to be called?", path);
  if (to && to !== path) tried(() => changed("POST", address(path), { to }));
});
addEventListener("beforeunload", (event) => going.childElementCount && event.preventDefault());
begin();
