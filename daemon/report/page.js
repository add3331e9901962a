
"use strict";
(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows];
  const form = document.getElementById("filter"), text = document.getElementById("text");
  const state = document.getElementById("state"), shown = document.getElementById("shown");
  const words = rows.map(r => r.textContent.toLowerCase());
  const filter = () => {
    const want = text.value.trim().toLowerCase();
    let n = 0;
    rows.forEach((r, i) => {
      const fits = words[i].includes(want) && (!state.value || r.dataset.s.split(" ").includes(state.value));
      r.hidden = !fits;
      if (fits) n++;
    });
    shown.textContent = n + " of " + rows.length + " shown";
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", e => e.preventDefault());
  filter();
  const value = (r, i) => r.cells[i].dataset.v || r.cells[i].textContent;
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const h of table.tHead.rows[0].cells) h.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keys = new Map(rows.map(r => [r, value(r, i)]));
      const order = [...rows].sort((a, b) => compare(keys.get(a), keys.get(b)));
      if (down) order.reverse();
      body.append(...order);
    });
  });
})();
