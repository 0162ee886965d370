// The login form: the password goes into the body of a request of our own origin, and comes back as a cookie that no script reads.
import { byId } from "./kit.js";

const form = byId("login");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [told, button] = [byId("told"), form.querySelector("button")];
  button.disabled = true;
  told.textContent = "";
  try {
    const body = JSON.stringify({ password: form.elements.password.value });
    const url = document.body.dataset.root + "/api/v1/admin/session";
    const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (answer.ok) return location.replace(location.pathname);
    const problem = await answer.json();
    told.textContent = problem.detail + (problem.retry_after ? `; try again in ${problem.retry_after} s` : "") + ".";
  } catch {
    told.textContent = "The server does not answer.";
  }
  button.disabled = false;
  form.elements.password.select();
});
