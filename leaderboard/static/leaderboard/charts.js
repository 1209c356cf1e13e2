// Draws each chart again with Vega, for tooltips, once it comes near the reader's sight. The
// server's drawing gives the place and the size, and stays where this fails.
"use strict";

(() => {
  const { vega } = document.currentScript.dataset;
  let bundle = null;

  function loaded() {
    bundle ||= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = vega;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${vega} did not load`));
      document.head.append(script);
    });
    return bundle;
  }

  async function draw(figure) {
    const spec = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    const target = figure.querySelector(".chart-live");
    await loaded();
    // The page forbids eval: Vega interprets its expressions instead of compiling them.
    const options = { ast: true, actions: false, renderer: "svg", tooltip: { theme: "touchstone" } };
    await window.vegaEmbed(target, spec, options);
    const svg = target.querySelector("svg");
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    figure.classList.add("is-live");
  }

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        watcher.unobserve(target);
        draw(target);
      }
    },
    { rootMargin: "300px" },
  );
  for (const figure of document.querySelectorAll("[data-chart]")) watcher.observe(figure);
})();
