// A link into a community: what stands behind the # is read, judged as goop judges it, and written anew. Nothing of it is sent anywhere,
// and nothing of it becomes a link but those to goop: goop:join, and the page of the goop that runs on this machine.
import { byId, copyBox, element } from "./kit.js";

const HERE = "http://localhost:8788/communities#";
const LONGEST = 4096;
const MOST = 8;
const LONGEST_INVITE = 256;

// An address as listings have it: a URL without anything secret, or host:port, of characters that no shell reads. What a browser shows of it is
// what goop takes.
const HOST = /^([A-Za-z0-9._][A-Za-z0-9._-]*|\[[0-9a-f:.]+\])$/;
const PATH = /^[A-Za-z0-9._~%/@:+,=-]*$/;

function place(text) {
  const whole = text.includes("://") ? text : "https://" + text;
  if (text.length > 256 || !URL.canParse(whole)) return null;
  const url = new URL(whole);
  const secret = url.username || url.password || url.search || url.hash || url.pathname.split("/").includes("m");
  if (!/^https?:$/.test(url.protocol) || !url.hostname || secret) return null;
  if (!HOST.test(url.hostname) || !PATH.test(url.pathname)) return null;
  if (text.includes("://")) return url.href.replace(/\/+$/, "");
  const port = /:(\d{1,5})$/.exec(text);
  return port && url.pathname === "/" ? `${url.hostname}:${port[1]}` : null;
}

function read(fragment) {
  if (fragment.length > LONGEST) return null;
  const said = new URLSearchParams(fragment);
  const places = said.getAll("at").slice(0, MOST).map(place);
  const invite = said.get("invite") || "";
  if (!places.length || places.includes(null) || invite.length > LONGEST_INVITE) return null;
  return { places, invite };
}

function show() {
  const fragment = location.hash.slice(1);
  const link = read(fragment);
  byId("nothing").hidden = fragment !== "";
  byId("damaged").hidden = fragment === "" || link !== null;
  byId("link").hidden = link === null;
  if (link === null) return ["open", "here"].forEach((id) => byId(id).removeAttribute("href"));
  const rows = link.places.map((text) => {
    const row = element("li");
    row.append(element("code", text));
    return row;
  });
  const again = new URLSearchParams(link.places.map((text) => ["at", text]));
  if (link.invite) again.set("invite", link.invite);
  byId("places").replaceChildren(...rows);
  byId("invited").hidden = !link.invite;
  byId("open").href = "goop:join?" + again;
  byId("here").href = HERE + again;
  byId("paste").replaceChildren(copyBox("goop:join?" + again, "the link"));
  byId("command").replaceChildren(copyBox(`goop join 'goop:join?${again}'`, "the command"));
}

addEventListener("hashchange", show);
show();
