// What the scripts of every page share. What others wrote goes in as text, never as markup.
const SVG = "http://www.w3.org/2000/svg";
// How many hues, bodies, eyes and mouths there are, and at which bit of the hash each is chosen.
const PARTS = [[10, 0], [6, 8], [5, 16], [4, 24]];

export const byId = (id) => document.getElementById(id);

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function drawing(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// How a peer is reached, as the server says it.
export const WAYS = { lan: "same network", direct: "direct", relayed: "relayed", unreachable: "unreachable", "not-tried": "not tried yet" };

const GOOD = new Set(["lan", "direct", "relayed"]);

// The badge of how a peer is reached: its words, and its look.
export function way({ online, path }) {
  if (!online) return ["away", "badge"];
  return [WAYS[path] || "", "badge" + (GOOD.has(path) ? " good" : path === "unreachable" ? " bad" : "")];
}

// A number of bytes, as the server says it.
export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; count >= 999.5 && unit < 4; unit++) count /= 1000;
  return `${unit && count < 9.95 ? count.toFixed(1) : count.toFixed(0)} ${units[unit]}`;
}

export const shortId = (id) => "…" + id.slice(-8);

// Characters that show nothing, but reorder, hide or fake what stands around them; the two joiners stay.
const INVISIBLE = /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;
const UNSEEN = /^[\p{White_Space}\u200c\u200d\u2800\ufe00-\ufe0f]*$/u;
const LONGEST = 64;

// The name of a peer as the server shows it.
export function label({ content, peerID }) {
  const words = (content || "").split(/[\p{White_Space}\p{Cc}]/u).map((word) => word.replace(INVISIBLE, ""));
  const shown = words.filter(Boolean).join(" ");
  if (UNSEEN.test(shown)) return "goop-" + peerID.slice(-6);
  const letters = [...shown];
  return letters.length > LONGEST ? letters.slice(0, LONGEST - 1).join("") + "…" : shown;
}

// Loads a frame anew, which is no step for the Back button.
export function reload(frame, url = frame.src) {
  const fresh = frame.cloneNode();
  fresh.src = url;
  frame.replaceWith(fresh);
}

// The face of a peer, as the server draws it.
export function face(id) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193) >>> 0;
  const [hue, ...parts] = PARTS.map(([many, bit]) => (hash >>> bit) % many);
  const uses = parts.map((part, nth) => drawing("use", { href: "#" + "bem"[nth] + part }));
  return drawing("svg", { class: "face h" + hue, viewBox: "0 0 32 32", "aria-hidden": "true" }, ...uses);
}

// The code that the server made as a path.
export function qr({ size, path }) {
  const attributes = { class: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "QR code", "shape-rendering": "crispEdges" };
  return drawing("svg", attributes, drawing("path", { d: path }));
}

// A box with text to take along.
export function copyBox(text, what) {
  const [box, button] = [element("div", undefined, "copy"), element("button", "Copy")];
  button.type = "button";
  button.setAttribute("aria-label", "Copy " + what);
  box.append(element("code", text), button);
  return box;
}

// The clipboard wants https or loopback; elsewhere the text is selected, to be copied by hand.
async function copy(button) {
  const code = button.closest(".copy").querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => (button.textContent = "Copy"), 3000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".copy button");
  if (button) copy(button);
});
