// Unabridged's admin: the Markdown editor with its server-side preview, the live status
// panel, and three small buttons. No dependency, no inline script.
"use strict";
(() => {
  const PREVIEW_DELAY = 350; // milliseconds after the last key
  const STATUS_EVERY = 2000; // milliseconds
  const all = (selector) => [...document.querySelectorAll(selector)];

  function replaceSelection(area, from, to, text, selectFrom, selectTo) {
    area.focus();
    area.setSelectionRange(from, to);
    // execCommand keeps the browser's own undo; setRangeText is the fallback.
    if (!document.execCommand("insertText", false, text)) area.setRangeText(text, from, to);
    area.setSelectionRange(selectFrom, selectTo);
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function wrap(area, mark) {
    const { selectionStart: from, selectionEnd: to, value } = area;
    const text = value.slice(from, to) || "text";
    const start = from + mark.length;
    replaceSelection(area, from, to, mark + text + mark, start, start + text.length);
  }

  function prefixLines(area, mark) {
    const { selectionStart, selectionEnd: to, value } = area;
    const from = value.lastIndexOf("\n", selectionStart - 1) + 1;
    const text = value.slice(from, to).split("\n").map((line) => mark + line).join("\n");
    replaceSelection(area, from, to, text, from + text.length, from + text.length);
  }

  function link(area) {
    const { selectionStart: from, selectionEnd: to, value } = area;
    const text = value.slice(from, to) || "text";
    const start = from + text.length + 3;
    replaceSelection(area, from, to, `[${text}](https://)`, start, start + 8);
  }

  function startEditor(editor) {
    const area = editor.querySelector("textarea");
    const pane = editor.querySelector("[data-preview]");
    const count = editor.querySelector("[data-count]");
    const token = area.form.querySelector("[name=csrfmiddlewaretoken]").value;
    let timer = 0;
    let asked = 0;

    async function preview() {
      const mine = ++asked;
      const body = new URLSearchParams({ body: area.value });
      try {
        const answer = await fetch(editor.dataset.previewUrl, {
          method: "POST", body, headers: { "X-CSRFToken": token },
        });
        const { html } = await answer.json();
        if (mine === asked) pane.innerHTML = html; // sanitised by kb.rendering
      } catch {
        if (mine === asked) pane.textContent = "No preview now; your text is safe in the form.";
      }
    }

    function changed() {
      const words = area.value.trim() ? area.value.trim().split(/\s+/).length : 0;
      count.textContent = `${words.toLocaleString("en")} words`;
      clearTimeout(timer);
      timer = setTimeout(preview, PREVIEW_DELAY);
    }

    for (const button of editor.querySelectorAll(".ub-tools button")) {
      button.addEventListener("click", () => {
        if (button.dataset.wrap) wrap(area, button.dataset.wrap);
        else if (button.dataset.line) prefixLines(area, button.dataset.line);
        else link(area);
      });
    }
    area.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      const act = { b: () => wrap(area, "**"), i: () => wrap(area, "*"), k: () => link(area) }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
    area.addEventListener("input", changed);
    changed();
  }

  function followStatus(panel) {
    if (panel.dataset.settled === "1") return;
    const timer = setInterval(async () => {
      if (document.hidden) return;
      try {
        const answer = await fetch(panel.dataset.statusUrl, { headers: { Accept: "application/json" } });
        if (!answer.ok || answer.redirected) return;
        const { html, settled, state } = await answer.json();
        if (panel.querySelector("[data-state]").dataset.state !== state) panel.innerHTML = html;
        if (settled) clearInterval(timer);
      } catch { /* the next round asks again */ }
    }, STATUS_EVERY);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-open], [data-close], [data-copy]");
    if (!button) return;
    const { open, close, copy } = button.dataset;
    if (open) document.getElementById(open).showModal();
    if (close) document.getElementById(close).close();
    if (copy) {
      const field = document.getElementById(copy);
      field.select();
      navigator.clipboard?.writeText(field.value).then(() => { button.textContent = "Copied"; });
    }
  });

  all(".ub-editor").forEach(startEditor);
  all("[data-status-url]").forEach(followStatus);
})();
