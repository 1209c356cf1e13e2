// Turns the picture of a structure by mouse, finger or arrow keys. The server's picture is the start.
"use strict";

for (const frame of document.querySelectorAll("[data-structure]")) {
  const scene = JSON.parse(document.getElementById(frame.dataset.structure).textContent);
  const svg = frame.querySelector("svg");
  const SIZE = 400;
  const rad = Math.PI / 180;
  const ends = (l) => Math.hypot(l[0], l[1], l[2]);
  const reach = Math.max(0.5, ...scene.atoms.map((a) => ends(a) + a[3]), ...scene.edges.map(ends));
  const scale = (SIZE / 2 - 14) / reach;
  let { turn, tilt } = scene;

  function seen(x, y, z) {
    const c = Math.cos(turn * rad), s = Math.sin(turn * rad);
    const C = Math.cos(tilt * rad), S = Math.sin(tilt * rad);
    const u = x * c - y * s, v = x * s + y * c;
    return [SIZE / 2 + scale * u, SIZE / 2 - scale * (v * C - z * S), v * S + z * C];
  }

  function element(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  function draw() {
    const parts = [];
    for (const kind of ["edge", "bond"]) {
      for (const l of scene[`${kind}s`]) {
        const a = seen(l[0], l[1], l[2]), b = seen(l[3], l[4], l[5]);
        parts.push([(a[2] + b[2]) / 2, element("line", { class: kind, x1: a[0], y1: a[1], x2: b[0], y2: b[1] })]);
      }
    }
    for (const [x, y, z, r, colour, symbol] of scene.atoms) {
      const p = seen(x, y, z);
      const ball = element("circle", { cx: p[0], cy: p[1], r: r * scale, fill: colour });
      const label = scene.labelled ? [element("text", { x: p[0], y: p[1] }, symbol)] : [];
      parts.push([p[2], ball, ...label]);
    }
    parts.sort((a, b) => a[0] - b[0]);
    svg.replaceChildren(...parts.flatMap((part) => part.slice(1)));
  }

  function move(dx, dy) {
    turn += dx;
    tilt = Math.min(90, Math.max(-180, tilt + dy));
    draw();
  }

  let held = null;
  svg.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!held) return;
    move((event.clientX - held[0]) / 2, (event.clientY - held[1]) / 2);
    held = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => { held = null; });
  const keys = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
  frame.addEventListener("keydown", (event) => {
    if (!keys[event.key]) return;
    event.preventDefault();
    move(...keys[event.key]);
  });
  frame.tabIndex = 0;
  frame.classList.add("turns");
}
