// Escape puts the tooltip of a heading away, until the pointer or the focus has left the heading.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const heading of document.querySelectorAll(".task:hover, .task:focus-within")) {
    heading.classList.add("is-quiet");
  }
});
for (const kind of ["pointerout", "focusout"]) {
  document.addEventListener(kind, ({ target, relatedTarget }) => {
    const heading = target instanceof Element && target.closest(".task.is-quiet");
    if (heading && !heading.contains(relatedTarget)) heading.classList.remove("is-quiet");
  });
}
