// Looks for communities while somebody types: shows what the page says of these words. Follows a link when its reader says so, joins and
// leaves. What strangers wrote goes in as text, never as markup.
import { begin, change, on, read, soon } from "./live.js";
import { byId, element } from "./kit.js";
import { fetched, renew } from "./renew.js";

const DELAY = 250;
const EVERY = 3000;
const [box, told, problem] = ["q", "told", "problem"].map(byId);
let asked = 0;
let followed;

const mine = () => new Set([...document.querySelectorAll("#mine [data-name]")].map((item) => item.dataset.name.replace(/\/m\/\*\*\*$/, "")));
const bare = (place) => place.replace(/^https?:\/\//, "").replace(/\/$/, "");

function joinButton(link, name) {
  const made = element("button", "Join", "small first");
  [made.type, made.ariaLabel, made.dataset.join] = ["button", "Join " + name, link];
  return made;
}

const isIn = () => element("span", "You are in", "badge good");

function text(words, className) {
  const [line, inner] = [element("span", undefined, className), element("bdi", words)];
  line.append(inner);
  return line;
}

function linked(link, { name, answers, peers, invited, moved_to }) {
  const [item, what, title] = [element("li"), element("div", undefined, "what"), element("strong")];
  title.append(element("bdi", name));
  const here = peers === 1 ? "1 peer is here" : `${peers} peers are here`;
  const said = moved_to ? "It has moved to " + moved_to + "." : answers ? here + "." : "It does not say what it is; closed communities and older servers do not.";
  what.append(title, text(said, "soft"));
  if (invited) what.append(text("The link holds an invitation, which is used up by joining.", "soft"));
  item.append(what, !invited && mine().has(name) ? isIn() : joinButton(link, name));
  return item;
}

function beside({ name, url }) {
  const [item, what, title] = [element("li"), element("div", undefined, "what"), element("strong")];
  title.append(element("bdi", name));
  what.append(title, text(url, "soft"));
  item.append(what, element("span", "open to everyone", "badge"), mine().has(bare(url)) ? isIn() : joinButton(url, name));
  return item;
}

// What the page says of the words; whether they are a link is its to say. A link is followed for who says so, and no sooner: nobody knocks at
// an address of which half is typed, or to which a stranger's link has led.
async function shown(query, follow, isLast) {
  const fresh = await fetched("/communities?q=" + encodeURIComponent(query));
  const said = fresh.getElementById("told");
  const isLink = "link" in said.dataset;
  const link = isLink && follow && (await read("communities/search?q=" + encodeURIComponent(query))).link;
  if (!isLast()) return;
  followed = link && [query, link];
  told.textContent = !isLink ? said.textContent : link ? "" : "Press Enter to follow this link.";
  renew(byId("found"), fresh.getElementById("found"), true);
  if (link) spread(query, link);
}

const spread = (query, link) => byId("found").replaceChildren(linked(query, link), ...link.communities.map(beside));

// The cards once more: of some one is in now, of others no longer. A link is not followed again for it.
async function again() {
  const nth = asked;
  if (followed) return spread(...followed);
  const fresh = await fetched("/communities?q=" + encodeURIComponent(box.value.trim())).catch(() => null);
  if (fresh && nth === asked) renew(byId("found"), fresh.getElementById("found"), true);
}

async function search(follow) {
  const nth = ++asked;
  const isLast = () => nth === asked;
  followed = undefined;
  [problem.textContent, told.textContent] = ["", "Looking …"];
  try {
    await shown(box.value.trim(), follow, isLast);
  } catch (wrong) {
    if (!isLast()) return;
    [told.textContent, problem.textContent] = ["", wrong.message || "goop does not answer."];
    byId("found").replaceChildren();
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
  if (!problem.textContent) await again();
}

function later({ applied, refused }) {
  if (refused) return " But goop did not take that over, and goes on as before: " + refused;
  return applied ? "" : " But goop did not answer: it counts when goop is started again, if not before.";
}

async function join(button) {
  const said = await change("POST", "communities", { link: button.dataset.join });
  if (followed?.[0] === button.dataset.join) followed[1].invited = false;
  const name = button.closest("li").querySelector("strong").textContent;
  button.replaceWith(isIn());
  return (said.already ? `You were in ${name} already.` : `You joined ${name}.`) + later(said);
}

async function leave(button) {
  const name = button.closest("li").querySelector("strong").textContent;
  const said = await change("DELETE", "communities?" + new URLSearchParams({ name: button.dataset.leave, id: button.dataset.id }));
  return `You left ${name}.` + later(said);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-join], [data-leave]");
  if (button) tried(button, () => (button.dataset.join ? join(button) : leave(button)));
});
let waiting;
box.addEventListener("input", () => (clearTimeout(waiting), (waiting = setTimeout(() => search(), DELAY))));
byId("search").addEventListener("submit", (event) => (event.preventDefault(), clearTimeout(waiting), search(true)));
// A link of a hub may lead here with its secret behind the #, where no other server hears it.
if (location.hash.includes("at=")) {
  box.value = "goop:join?" + location.hash.slice(1);
  history.replaceState(null, "", "/communities");
  box.focus();
}
search();
on("snapshot", soon(look, 500));
setInterval(look, EVERY);
begin();
