// The form of a curated answer: asks the server for questions near the one being written.
"use strict";
(() => {
  const DELAY = 500; // milliseconds after the last key
  const field = document.querySelector("[data-near]");
  const pane = document.querySelector("[data-near-url]");
  const articles = document.querySelector("textarea[data-sources]");

  // A search box over the list of articles; what is chosen becomes a line of the list.
  function offerArticles(area) {
    const box = document.createElement("input");
    const list = document.createElement("datalist");
    list.id = "ub-articles";
    Object.assign(box, { type: "search", className: "ub-input", placeholder: "Find an article…" });
    box.setAttribute("aria-label", "Find an article to add to the list above");
    box.setAttribute("list", list.id);
    area.after(box, list);
    let waiting = 0;

    async function look() {
      const query = new URLSearchParams({
        app_label: "chat", model_name: "curatedsource", field_name: "article", term: box.value,
      });
      try {
        const answer = await fetch(`${articles.dataset.sources}?${query}`);
        if (!answer.ok) return;
        const { results } = await answer.json();
        list.replaceChildren(...results.map(({ id, text }) => new Option("", `#${id} ${text}`)));
      } catch { /* the next key asks again */ }
    }

    box.addEventListener("input", () => {
      if ([...list.children].some((option) => option.value === box.value)) {
        area.value = [...area.value.split("\n").filter(Boolean), box.value].join("\n");
        box.value = "";
        return;
      }
      clearTimeout(waiting);
      waiting = setTimeout(look, DELAY);
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault(); // it chooses; it does not save
    });
  }

  if (articles) offerArticles(articles);
  if (!field || !pane) return;
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  let timer = 0;
  let asked = 0;

  async function ask() {
    if (!field.value.trim()) return;
    const mine = ++asked;
    const place = document.querySelector("select[name=workspace]");
    const body = new URLSearchParams({
      question: field.value,
      answer: pane.dataset.answer,
      workspace: pane.dataset.workspace || (place ? place.value : ""),
    });
    try {
      const answer = await fetch(pane.dataset.nearUrl, {
        method: "POST", body, headers: { "X-CSRFToken": token },
      });
      if (!answer.ok) return;
      const { html } = await answer.json();
      if (mine === asked) pane.innerHTML = html; // rendered and escaped on the server
    } catch { /* the next key asks again */ }
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, DELAY);
  });
  ask();
})();
