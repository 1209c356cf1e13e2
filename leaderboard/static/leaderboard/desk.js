// Renews a page of the administrator's desk, but not under the hands of who is at work on it: not
// while a box is ticked, a field has the focus, or the page is out of sight.
"use strict";

(() => {
  const renewed_ms = 1000 * Number(document.currentScript.dataset.refreshS || 10);
  const isBusy = () =>
    document.hidden
    || document.querySelector("#content input[type=checkbox]:checked") !== null
    || (document.activeElement && document.activeElement.matches("#content :is(input, select, textarea)"));

  function tell() {
    const note = document.querySelector("[data-paused]");
    if (note) note.hidden = !isBusy();
  }

  // The address, not the form that led here: a reload of an answer would send it once more.
  setInterval(() => { if (!isBusy()) location.replace(location.href); }, renewed_ms);
  document.addEventListener("change", tell);
})();
