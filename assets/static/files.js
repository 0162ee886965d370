// The files of a conversation: offered by a button or dropped in, decided about, followed on their way.
import { change, on, read, upload } from "./live.js";
import { byId, bytes, element } from "./kit.js";

const STATES = {
  waiting: "waits until they are back", offered: "offered", accepted: "on its way", paused: "paused", linked: "sent as a link",
  done: "done", declined: "declined", cancelled: "cancelled", expired: "nobody decided in time", failed: "failed",
};
const STEPS = {
  in: { offered: ["accept", "decline"], accepted: ["pause", "cancel"], paused: ["resume", "cancel"] },
  out: { waiting: ["cancel"], offered: ["cancel"], accepted: ["cancel"], paused: ["cancel"], linked: ["cancel"] },
};
const WORDS = { accept: "Accept", decline: "Decline", pause: "Pause", resume: "Go on", cancel: "Cancel" };
const ENDED = new Set(["done", "declined", "cancelled", "expired", "failed"]);

function control(words, file, press) {
  const made = element("button", words, "small" + (words === "Accept" ? " first" : ""));
  [made.type, made.ariaLabel] = ["button", `${words}: ${file.name}`];
  made.addEventListener("click", press);
  return made;
}

function told(file) {
  const state = file.direction === "in" && file.state === "offered" ? "offered to you" : STATES[file.state] || file.state;
  const moved = file.state === "accepted" ? `${bytes(file.moved)} of ` : "";
  return `${moved}${bytes(file.size)} · ${state}${file.why ? ": " + file.why : ""}`;
}

function bar(part, name) {
  const made = element("progress");
  [made.max, made.value, made.ariaLabel] = [1, part, "Progress of " + name];
  return made;
}

function row(file, tried) {
  const [item, who, buttons, name] = [element("li"), element("span", undefined, "who"), element("span", undefined, "buttons"), element("bdi", file.name)];
  name.title = file.name;
  who.append(name, element("span", told(file), "soft"));
  if (file.state === "accepted" && file.size) who.append(bar(file.moved / file.size, file.name));
  for (const step of STEPS[file.direction]?.[file.state] || [])
    buttons.append(control(WORDS[step], file, () => tried(() => change("POST", `files/${file.number}/${step}`))));
  if (file.state === "done" && file.direction === "in") {
    const save = element("a", "Save", "button small");
    [save.href, save.download, save.ariaLabel] = ["/api/v1/files/" + file.number, "", "Save " + file.name];
    buttons.append(save);
  }
  if (ENDED.has(file.state)) buttons.append(control("×", file, () => tried(async () => (await change("DELETE", "files/" + file.number), item.remove()))));
  item.append(who, buttons);
  return item;
}

// Follows the files of the conversation with `peer`; `tried` tells what goes wrong.
export function watchFiles(peer, tried) {
  const [list, input, chat, rows] = [byId("files"), byId("file"), byId("chat"), new Map()];
  const show = (file) => {
    if (file.peer !== peer) return;
    const [old, made] = [rows.get(file.number), row(file, tried)];
    rows.set(file.number, made);
    if (!old?.isConnected) return list.append(made);
    const focused = [...old.querySelectorAll("button, a")].indexOf(document.activeElement);
    old.replaceWith(made);
    if (focused >= 0) made.querySelectorAll("button, a")[focused]?.focus();
  };
  const send = (file) =>
    tried(async () => {
      const [item, who, progress] = [element("li"), element("span", undefined, "who"), bar(0, file.name)];
      who.append(element("bdi", file.name), progress);
      item.append(who);
      list.append(item);
      const path = `files?to=${peer}&name=${encodeURIComponent(file.name)}`;
      try {
        show(await upload(path, file, (part) => (progress.value = part)));
      } finally {
        item.remove();
      }
    });
  byId("pick").addEventListener("click", () => input.click());
  input.addEventListener("change", () => ([...input.files].forEach(send), (input.value = "")));
  for (const name of ["dragover", "dragleave", "drop"])
    chat.addEventListener(name, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      chat.classList.toggle("dropping", name === "dragover");
      if (name === "drop") [...event.dataTransfer.files].forEach(send);
    });
  on("file", ({ file }) => show(file));
  on("snapshot", () =>
    tried(async () => {
      const { files } = await read("files");
      rows.clear();
      list.replaceChildren();
      files.reverse().forEach(show);
    }),
  );
}
