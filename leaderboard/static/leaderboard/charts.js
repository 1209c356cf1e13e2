// Draws each chart again with Vega, for tooltips. The server's drawing stays where this fails.
"use strict";

for (const figure of document.querySelectorAll("[data-chart]")) {
  const spec = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
  const target = figure.querySelector(".chart-live");
  // The page forbids eval: Vega interprets its expressions instead of compiling them.
  const options = { ast: true, actions: false, renderer: "svg", tooltip: { theme: "touchstone" } };
  window.vegaEmbed(target, spec, options).then((view) => {
    const svg = target.querySelector("svg");
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    figure.classList.add("is-live");
    return view;
  });
}
