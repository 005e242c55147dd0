// Draws the figures for the chosen scenario; hides policies on request. No network, no state.
"use strict";
const report = JSON.parse(document.getElementById("report-data").textContent);
const selects = [...document.querySelectorAll("select[data-axis]")];
const hidden = new Set();
const WIDE = 900, MEDIUM = 560; // pixels for three and for two panels side by side
const PRINTED = 680; // pixels of a printed page's width
let chosen = report.start;

function unpack(value) {
  if (!value || value.packed === undefined) return value;
  const bytes = Uint8Array.from(atob(value.packed), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 2 }, (_, at) => view.getUint16(2 * at, true) * value.scale);
}

function traces(picture) {
  return picture.variants[picture.of_scenario[chosen]].map((data, at) => {
    const style = picture.styles[at];
    const own = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, unpack(value)]));
    return { ...style, ...own, visible: !hidden.has(style.legendgroup) };
  });
}

function draw(printed) {
  for (const [name, picture] of Object.entries(report.pictures)) {
    const plot = document.getElementById(`plot-${name}`);
    const room = printed || plot.clientWidth;
    const fitting = printed || room >= WIDE ? 3 : room >= MEDIUM ? 2 : 1;
    const columns = Math.min(fitting, picture.layouts.length);
    const layout = { ...structuredClone(picture.layouts[columns - 1]), width: room };
    Plotly.react(plot, traces(picture), layout, { displayModeBar: false });
  }
}

// Not every combination need exist: keep the value just chosen, and of the others what can be kept.
function nearest(changed) {
  const wanted = selects.map((select) => select.value);
  const likeness = (values) =>
    values.reduce((sum, value, at) => sum + (value === wanted[at] ? (at === changed ? 100 : 1) : 0), 0);
  return report.scenarios.reduce(
    (best, values, at) => (likeness(values) > likeness(report.scenarios[best]) ? at : best), 0);
}

function show(scenario) {
  chosen = scenario;
  selects.forEach((select, at) => { select.value = report.scenarios[chosen][at]; });
  for (const table of document.querySelectorAll("[data-scenario]")) {
    table.hidden = Number(table.dataset.scenario) !== chosen;
  }
  for (const place of document.querySelectorAll("[data-chosen]")) {
    const name = report[place.dataset.chosen][chosen];
    place.textContent = name && `Shown: ${name}.`;
  }
  draw();
}

selects.forEach((select, at) => select.addEventListener("change", () => show(nearest(at))));
for (const button of document.querySelectorAll("button[data-policy]")) {
  button.addEventListener("click", () => {
    const drawn = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!drawn));
    hidden[drawn ? "add" : "delete"](button.dataset.policy);
    draw();
  });
}
let lastWidth = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== lastWidth) draw();
  lastWidth = window.innerWidth;
});
window.addEventListener("beforeprint", () => draw(PRINTED));
window.addEventListener("afterprint", () => draw());
show(report.start);
