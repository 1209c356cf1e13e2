// Keeps a part of the page up to date without a reload: data-live names where it is asked for. An
// answer that is a whole page has the part under the same id. data-live-s: seconds between questions.
"use strict";

(() => {
  const area = document.querySelector("[data-live]");
  if (!area) return;
  const pause_ms = 1000 * Number(area.dataset.liveS || 2);
  let etag = "";
  let failures = 0;

  async function refresh() {
    if (document.hidden) return schedule();
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const response = await fetch(area.dataset.live, { headers, cache: "no-store" });
      if (response.status === 200) {
        etag = response.headers.get("ETag") || "";
        replace(await response.text());
      } else if (response.status !== 304) {
        throw new Error(`HTTP ${response.status}`);
      }
      failures = 0;
    } catch {
      failures += 1;
    }
    schedule();
  }

  function replace(html) {
    const page = new DOMParser().parseFromString(html, "text/html"); // our own server's answer
    const found = (area.id && page.getElementById(area.id)) || page.body;
    const focused = document.activeElement && document.activeElement.id;
    area.replaceChildren(...found.childNodes);
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
    const news = document.querySelector("[data-live-news]");
    const said = area.querySelector("[data-summary]");
    if (news && said && news.textContent !== said.textContent) news.textContent = said.textContent;
  }

  function schedule() {
    if (area.querySelector("[data-ended]")) return;
    setTimeout(refresh, Math.min(pause_ms * 2 ** failures, 60000));
  }

  schedule();
})();
