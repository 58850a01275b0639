// Keys for what the pages already do by themselves.
const typing = (target) => ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);
const rows = () => [...document.querySelectorAll(".cases tbody tr")];
const decide = document.querySelector("#decide");
// The decision that waits for its reason, by its key.
let reasoning = "";

function move(step) {
  const all = rows();
  if (!all.length) return;
  const before = all.findIndex((row) => row.classList.contains("at"));
  const at = Math.max(0, Math.min(all.length - 1, before + step));
  all.forEach((row, place) => row.classList.toggle("at", place === at));
  all[at].querySelector("a").focus();
}

function press(key) {
  const button = decide?.querySelector(`[data-key="${key}"]`);
  if (!button) return false;
  if ((key === "o" || key === "v") && !decide.elements.reason.value) {
    reasoning = key;
    decide.elements.reason.focus();
    return true;
  }
  button.click();
  return true;
}

// What was just decided can be undone for half a minute. The address forgets it, so that nobody meets the offer again who comes back or shares the page.
const done = document.querySelector(".done");
if (done) {
  const address = new URL(location.href);
  for (const name of ["done", "what"]) address.searchParams.delete(name);
  history.replaceState(null, "", address);
  const end = Date.now() + 30_000;
  const count = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    done.querySelector(".left").textContent = `${Math.max(left, 0)} s`;
    if (left > 0) setTimeout(count, 250);
    else if (!done.contains(document.activeElement)) done.remove();
  };
  count();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const reason = decide?.elements.reason;
  if (reasoning && event.target === reason && /^[1-9]$/.test(event.key)) {
    const option = reason.options[Number(event.key)];
    if (option) {
      event.preventDefault();
      reason.value = option.value;
      decide.querySelector(`[data-key="${reasoning}"]`).click();
    }
    return;
  }
  if (event.key === "Escape") {
    reasoning = "";
    event.target.blur?.();
    return;
  }
  if (typing(event.target)) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "u") document.querySelector("#undo")?.click();
  else if (event.key === "n" && decide) decide.elements.note.focus();
  else if (!press(event.key)) return;
  event.preventDefault();
});
