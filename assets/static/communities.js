// Looks for communities while somebody types, follows links, joins and leaves. What strangers wrote goes in as text, never as markup.
import { begin, change, on, read, soon } from "./live.js";
import { byId, element } from "./kit.js";
import { fetched, renew } from "./renew.js";

const DELAY = 250;
const EVERY = 3000;
const KINDS = { open: "open to everyone", "invite-only": "by invitation", application: "by asking" };
const LOOKS = { healthy: " good", degraded: " warn", standby: " warn", down: " bad" };
const [box, list, told, problem] = ["q", "found", "told", "problem"].map(byId);
let asked = 0;
let last;

const mine = () => new Set([...document.querySelectorAll("#mine [data-name]")].map((item) => item.dataset.name.replace(/\/m\/\*\*\*$/, "")));
const bare = (place) => place.replace(/^https?:\/\//, "").replace(/\/$/, "");

function joinButton(link, name) {
  const made = element("button", "Join", "small first");
  [made.type, made.ariaLabel, made.dataset.join] = ["button", "Join " + name, link];
  return made;
}

// An address that strangers named leads to the web, or nowhere.
function gate(place, kind) {
  const url = place.includes("://") ? place : "https://" + place;
  const made = element("a", kind === "invite-only" ? "Show an invitation" : "Ask to come in", "button small");
  if (!/^https?:\/\//.test(url)) return "";
  [made.href, made.target, made.rel] = [url.replace(/\/$/, "") + "/join", "_blank", "noreferrer"];
  return made;
}

function text(words, className) {
  const [line, inner] = [element("span", undefined, className), element("bdi", words)];
  line.append(inner);
  return line;
}

function action(place, kind, name) {
  if (mine().has(bare(place))) return element("span", "You are in", "badge good");
  return kind === "open" ? joinButton(place, name) : gate(place, kind);
}

function card({ community, description, tags, rendezvous, type, health, members, paid, similar_to, hub }) {
  const [item, what, name] = [element("li"), element("div", undefined, "what"), element("strong")];
  name.append(element("bdi", community));
  what.append(name);
  if (description) what.append(text(description));
  what.append(text([rendezvous, ...tags.map((tag) => "#" + tag)].join(" "), "soft"));
  const notes = [members && `says it has ${members} members`, paid && "paid", similar_to && "its name looks like that of an older one", "from " + hub];
  what.append(text(notes.filter(Boolean).join(" · "), "soft"));
  item.append(what, element("span", KINDS[type], "badge"), element("span", health, "badge" + (LOOKS[health] || "")), action(rendezvous, type, community));
  return item;
}

function linked(link, { name, answers, peers, invited, moved_to }) {
  const [item, what, title] = [element("li"), element("div", undefined, "what"), element("strong")];
  title.append(element("bdi", name));
  const here = peers === 1 ? "1 peer is here" : `${peers} peers are here`;
  const said = moved_to ? "It has moved to " + moved_to + "." : answers ? here + "." : "It does not say what it is; closed communities and older servers do not.";
  what.append(title, text(said, "soft"));
  if (invited) what.append(text("The link holds an invitation, which is used up by joining.", "soft"));
  const isIn = !invited && mine().has(name);
  item.append(what, isIn ? element("span", "You are in", "badge good") : joinButton(link, name));
  return item;
}

function beside({ name, url }) {
  const [item, what, title] = [element("li"), element("div", undefined, "what"), element("strong")];
  title.append(element("bdi", name));
  what.append(title, text(url, "soft"));
  item.append(what, element("span", KINDS.open, "badge"), action(url, "open", name));
  return item;
}

function count(found, one) {
  return found === 0 ? "Nothing was found." : found === 1 ? `One ${one} was found.` : `${found} communities were found.`;
}

function show(query, { link, local, communities, failed }) {
  if (link) {
    told.textContent = "";
    return list.replaceChildren(linked(query, link), ...link.communities.map(beside));
  }
  const silent = failed.length && !local ? " Not all hubs answered: " + failed.map(({ hub, why }) => `${hub} (${why})`).join(", ") + "." : "";
  const kept = local && failed.length ? " No hub answers; this is what is kept on this machine." : "";
  told.textContent = count(communities.length, "community") + silent + kept;
  list.replaceChildren(...communities.map(card));
}

async function search() {
  const query = box.value.trim();
  if (query === last) return;
  [last, problem.textContent] = [query, ""];
  const nth = ++asked;
  told.textContent = "Looking …";
  try {
    const found = await read("communities/search?q=" + encodeURIComponent(query));
    if (nth === asked) show(query, found);
  } catch (wrong) {
    if (nth !== asked) return;
    [told.textContent, problem.textContent] = ["", wrong.message];
    list.replaceChildren();
  }
}

async function look() {
  if (document.hidden) return;
  const fresh = await fetched("/communities").catch(() => null);
  if (fresh) renew(byId("mine"), fresh.getElementById("mine"));
}

async function tried(button, work) {
  button.disabled = true;
  problem.textContent = "";
  try {
    told.textContent = await work();
  } catch (wrong) {
    problem.textContent = wrong.message;
  }
  button.disabled = false;
  const fresh = await fetched("/communities").catch(() => null);
  if (fresh) renew(byId("mine"), fresh.getElementById("mine"), true);
}

function later({ applied, refused }) {
  if (refused) return " But goop did not take that over, and goes on as before: " + refused;
  return applied ? "" : " But goop did not answer: it counts when goop is started again, if not before.";
}

async function join(button) {
  const said = await change("POST", "communities", { link: button.dataset.join });
  button.replaceWith(element("span", "You are in", "badge good"));
  return (said.already ? `You were in ${said.name} already.` : `You joined ${said.name}.`) + later(said);
}

async function leave(button) {
  const said = await change("DELETE", "communities?" + new URLSearchParams({ name: button.dataset.leave, nth: button.dataset.nth }));
  last = undefined;
  return `You left ${said.name}.` + later(said);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-join], [data-leave]");
  if (button) tried(button, () => (button.dataset.join ? join(button) : leave(button)));
});
let waiting;
box.addEventListener("input", () => (clearTimeout(waiting), (waiting = setTimeout(search, DELAY))));
byId("search").addEventListener("submit", (event) => (event.preventDefault(), clearTimeout(waiting), search()));
// A link of a hub may lead here with its secret behind the #, where no server hears it. Whoever sent somebody here shall not make goop knock
// anywhere: a link is followed when its reader says so.
if (location.hash.includes("at=")) {
  box.value = "goop:join?" + location.hash.slice(1);
  history.replaceState(null, "", "/communities");
}
if (!box.value.includes(":")) search();
else [told.textContent] = ["Press Enter to follow this link.", box.focus()];
on("snapshot", soon(look, 500));
setInterval(look, EVERY);
begin();
