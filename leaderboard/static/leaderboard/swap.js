// Forms and links of a page change one part of it, without a reload: <div id="x" data-swap> holds
// the part, its GET forms and its links to "?...". The address changes with it, so it can be shared
// and gone back to. Where anything fails, the browser goes to the address as without scripts.
"use strict";

(() => {
  const PAUSE_MS = 300;
  const part = document.querySelector("[data-swap]");
  if (!part) return;
  const news = document.querySelector("[data-swap-news]");
  let shown = location.pathname + location.search;
  let request = null;
  let timer = 0;

  function stop() {
    clearTimeout(timer);
    if (request) request.abort();
    request = null;
  }

  function addressOf(form) {
    const filled = [...new FormData(form)].filter(([, value]) => value !== "");
    return `?${new URLSearchParams(filled)}`;
  }

  async function show(address, keep) {
    stop();
    const own = new AbortController();
    request = own;
    part.setAttribute("aria-busy", "true");
    const sent = typed();
    try {
      const response = await fetch(address, { signal: own.signal, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const found = page.getElementById(part.id);
      if (!found) throw new Error(`${address} has no #${part.id}`);
      if (own !== request) return;
      if (keep) history.pushState(null, "", found.dataset.address || address);
      shown = location.pathname + location.search;
      const now = typed();
      replace(found);
      part.removeAttribute("aria-busy");
      retype(sent, now);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(address);
    }
  }

  function fields() {
    return [...part.querySelectorAll("input[name]:not([type=hidden]), select[name]")];
  }

  function keyOf(field) {
    return field.type === "checkbox" ? `${field.name}=${field.value}` : field.name;
  }

  function typed() {
    return new Map(fields().map((f) => [keyOf(f), f.type === "checkbox" ? f.checked : f.value]));
  }

  // What was typed while the answer was on its way is not lost: it stands in the new form, and is
  // asked for when its field is left.
  function retype(sent, now) {
    for (const field of fields()) {
      const value = now.get(keyOf(field));
      if (value === undefined || value === sent.get(keyOf(field))) continue;
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
      field.dataset.retyped = "";
    }
  }

  function replace(found) {
    const opened = [...part.querySelectorAll("details[open][id]")].map((panel) => panel.id);
    const active = part.contains(document.activeElement) ? document.activeElement : null;
    const scrolled = part.querySelector(".table-frame");
    const left = scrolled ? scrolled.scrollLeft : 0;
    part.replaceChildren(...found.childNodes);
    for (const id of opened) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    const frame = part.querySelector(".table-frame");
    if (frame) frame.scrollLeft = left;
    if (active) refocus(active);
    const told = part.querySelector("[data-swap-count]");
    if (news && told) news.textContent = told.textContent.trim();
  }

  function refocus(old) {
    let same = null;
    if (old.id) same = part.querySelector(`#${CSS.escape(old.id)}`);
    else if (old.name) same = fields().find((field) => keyOf(field) === keyOf(old));
    if (!same) return;
    same.focus({ preventScroll: true });
    if (same.type === "search") same.setSelectionRange(old.selectionStart, old.selectionEnd);
  }

  function isOurs(form) {
    return form && form.method === "get" && part.contains(form) && !form.hasAttribute("data-whole");
  }

  part.addEventListener("input", (event) => {
    if (event.target.type !== "search" || !isOurs(event.target.form)) return;
    stop();
    const { form } = event.target;
    timer = setTimeout(() => show(addressOf(form), true), PAUSE_MS);
  });
  part.addEventListener("change", (event) => {
    if (event.target.type !== "search" && isOurs(event.target.form)) show(addressOf(event.target.form), true);
  });
  part.addEventListener("focusout", ({ target }) => {
    if (target.dataset.retyped === undefined || !isOurs(target.form)) return;
    delete target.dataset.retyped;
    show(addressOf(target.form), true);
  });
  part.addEventListener("submit", (event) => {
    if (!isOurs(event.target)) return;
    event.preventDefault();
    show(addressOf(event.target), true);
  });
  part.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !isPlain || !link.getAttribute("href").startsWith("?")) return;
    event.preventDefault();
    show(link.getAttribute("href"), true);
  });
  window.addEventListener("popstate", () => {
    if (location.pathname + location.search !== shown) show(location.href, false); // not a mere #fragment
  });
})();
