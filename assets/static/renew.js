// Keeps parts of a page as the server would write them now: its own markup, escaped there. A parsed document runs nothing.

export async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw answer;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Puts the new one in place of the old, unless they are alike or, without `anyway`, somebody is in there. What was unfolded stays so.
export function renew(old, fresh, anyway) {
  if (!old || !fresh || (!anyway && old.contains(document.activeElement))) return;
  for (const details of fresh.querySelectorAll("details")) {
    const before = details.id ? document.getElementById(details.id) : old.querySelector("details");
    if (before) details.open = before.open;
  }
  const adopted = document.adoptNode(fresh);
  if (!old.isEqualNode(adopted)) old.replaceWith(adopted);
}
