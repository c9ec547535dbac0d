"use strict";
const box = document.getElementById("q"), found = document.getElementById("found");
box.hidden = false;
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const section of document.querySelectorAll("[data-section]")) {
    let any = false;
    for (const item of section.querySelectorAll("[data-words]")) {
      item.hidden = !words.every((word) => item.dataset.words.includes(word));
      if (!item.hidden) { any = true; count += 1; }
    }
    section.hidden = !any;
  }
  found.textContent = words.length ? `${count} found` : "";
});
