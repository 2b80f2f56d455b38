// What only serves: everything works without it.

// Buttons that copy the text before them.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("code").textContent;
    const said = document.getElementById("said");
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = button.dataset.copied;
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      said.textContent = button.dataset.selected;
    }
  });
}

// Filters that are sent while one types, and replace the list alone.
for (const form of document.querySelectorAll("form[data-live]")) {
  let timer = 0;
  let latest = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(form), 200);
  });

  async function show(form) {
    const asked = ++latest;
    const url = new URL(form.action);
    url.search = new URLSearchParams(new FormData(form)).toString();
    const answer = await fetch(url, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || asked !== latest) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("list");
    if (found === null || asked !== latest) return;
    document.getElementById("list").replaceWith(found);
    document.getElementById("said").textContent = found.dataset.said ?? "";
    history.replaceState(null, "", url);
  }
}
