// Keeps parts of a page as the server would write them now: its own markup, escaped there. A parsed document runs nothing.

export async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw answer;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Puts the new one in place of the old, unless they are alike or somebody is in there. What was unfolded stays so.
export function renew(old, fresh) {
  if (!old || !fresh || old.contains(document.activeElement)) return;
  const open = [...old.querySelectorAll("details")].map((details) => details.open);
  fresh.querySelectorAll("details").forEach((details, nth) => (details.open = Boolean(open[nth])));
  const adopted = document.adoptNode(fresh);
  if (!old.isEqualNode(adopted)) old.replaceWith(adopted);
}
