// Keeps the progress of a submission up to date without a reload.
"use strict";

(() => {
  const INTERVAL_MS = 2000;
  const area = document.querySelector("[data-live]");
  if (!area) return;
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
    if (!area.querySelector("[data-ended]")) schedule();
  }

  function replace(html) {
    const focused = document.activeElement && document.activeElement.id;
    area.innerHTML = html; // our own server's answer, escaped there
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
    const news = document.querySelector("[data-live-news]");
    const said = area.querySelector("[data-summary]");
    if (news && said && news.textContent !== said.textContent) news.textContent = said.textContent;
  }

  function schedule() {
    setTimeout(refresh, Math.min(INTERVAL_MS * 2 ** failures, 60000));
  }

  if (!area.querySelector("[data-ended]")) schedule();
})();
