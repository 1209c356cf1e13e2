// Draws each chart again with Vega, for tooltips, once it comes near the reader's sight. The
// server's drawing gives the place and the size, and stays where this fails. Its links are kept: each
// chart is one stop of the Tab key, arrow keys lead from mark to mark, Enter follows the mark's link.
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
    const { view } = await window.vegaEmbed(target, spec, options);
    const svg = target.querySelector("svg");
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    letKeysFollow(view, svg);
    await left(figure.querySelector(".chart-static"));
    figure.classList.add("is-live");
  }

  // What has the keyboard's focus must not vanish under it.
  function left(part) {
    return new Promise((resolve) => {
      if (!part.contains(document.activeElement)) resolve();
      part.addEventListener("focusout", ({ relatedTarget }) => {
        if (!part.contains(relatedTarget)) resolve();
      });
    });
  }

  function letKeysFollow(view, svg) {
    const marks = [...svg.querySelectorAll(".role-mark > *")].filter((mark) => mark.__data__?.href);
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    for (const mark of marks) {
      mark.setAttribute("role", "link");
      mark.removeAttribute("aria-roledescription");
      mark.setAttribute("tabindex", mark === marks[0] ? 0 : -1);
    }
    svg.addEventListener("keydown", (event) => {
      const at = marks.indexOf(document.activeElement);
      if (at < 0) return;
      if (event.key === "Enter") location.assign(marks[at].__data__.href);
      if (!(event.key in steps)) return;
      event.preventDefault();
      const next = marks[(at + steps[event.key] + marks.length) % marks.length];
      marks[at].setAttribute("tabindex", -1);
      next.setAttribute("tabindex", 0);
      next.focus();
    });
    const tell = (mark, value) => {
      const { left: clientX, bottom: clientY } = mark.getBoundingClientRect();
      view.tooltip()(null, { clientX, clientY }, mark.__data__, value);
    };
    svg.addEventListener("focusin", ({ target }) => tell(target, target.__data__?.tooltip));
    svg.addEventListener("focusout", ({ target }) => tell(target, null));
  }

  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") document.getElementById("vg-tooltip-element")?.classList.remove("visible");
  });

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
