// Sorts a table by the column whose heading is pressed; pressed again, the other way round. Empty cells stay last.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.addEventListener("click", () => {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    headings.forEach(each => each.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => {
      const cell = row.cells[column];
      return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
    };
    const compare = (a, b) => {
      if (a === "–" || b === "–") return (a === "–") - (b === "–");
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return up ? order : -order;
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => compare(value(a), value(b))));
  }));
}

// Walks through a stretch of time: the slider, the pointer or the arrow keys choose a moment, and its story is told.
for (const walk of document.querySelectorAll(".walk")) {
  const slider = walk.querySelector("input"), story = walk.querySelector("output");
  const steps = JSON.parse(story.dataset.steps), count = Number(slider.max) + 1;
  const cursors = [...walk.querySelectorAll("svg svg")].map(plot => {
    const cursor = document.createElementNS(plot.namespaceURI, "path");
    cursor.setAttribute("class", "cursor");
    plot.append(cursor);
    return { plot, cursor };
  });
  const show = () => {
    const at = Number(slider.value);
    const told = steps.filter(([first]) => first <= at).pop();
    story.textContent = told ? told[1] : "";
    for (const { plot, cursor } of cursors) {
      const x = (at + .5) / count * plot.width.baseVal.value;
      cursor.setAttribute("d", `M${x.toFixed(1)} 0V${plot.height.baseVal.value}`);
    }
  };
  for (const { plot } of cursors) {
    const drawing = plot.parentNode;
    drawing.addEventListener("pointermove", event => {
      const box = drawing.getBoundingClientRect(), scale = drawing.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale - plot.x.baseVal.value;
      slider.value = Math.floor(x / plot.width.baseVal.value * count);
      show();
    });
  }
  slider.addEventListener("input", show);
  slider.hidden = story.hidden = false;
  show();
}
