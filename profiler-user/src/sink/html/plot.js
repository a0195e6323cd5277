"use strict";
// What the pages of a report and of the collector draw with. Text goes into a page by textContent only, never as markup.
const SVG = "http://www.w3.org/2000/svg";
const tip = document.getElementById("tip");

function make(parent, name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}
function color(name) { return `var(--${name})`; }

// As the tables write durations: three digits.
function duration(ns) {
  const units = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9], ["min", 6e10], ["h", 3.6e12]];
  if (ns < 0) return `-${duration(-ns)}`;
  if (ns < 1000) return `${Math.round(ns)} ns`;
  for (const [unit, scale] of units.slice(1)) {
    const value = ns / scale;
    if (value < 999.5 || unit === "h") {
      return `${value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
    }
  }
}
function since(ms) {
  const s = ms / 1000;
  if (s < 120) return `${+s.toFixed(s < 10 && s % 1 ? 1 : 0)} s`;
  const whole = Math.round(s), h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
  return h ? `${h} h ${m} min` : `${m} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
}
function show(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - box.width - 8)}px`;
  tip.style.top = `${Math.max(8, event.clientY - box.height - 12)}px`;
}
function hide() { tip.hidden = true; }

const WIDTH = 1140, LEFT = 62, RIGHT = 12;
const inner = WIDTH - LEFT - RIGHT;

function frame(id, height) {
  const place = document.getElementById(id);
  place.replaceChildren();
  return make(place, "svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img" });
}
// A logarithmic axis of durations, with lines at 1, 10, 100 .. of each unit.
function logAxis(svg, low, high, top, bottom) {
  const from = Math.log10(Math.max(low, 1)), to = Math.max(Math.log10(Math.max(high, 1)), from + 0.1);
  const y = ns => bottom - (Math.log10(Math.max(ns, 1)) - from) / (to - from) * (bottom - top);
  const steps = to - from < 2 ? [1, 2, 5] : [1];
  for (let power = Math.floor(from); power <= to; power++) {
    for (const step of steps) {
      const ns = step * 10 ** power, at = y(ns);
      if (at < top - 1 || at > bottom + 1) continue;
      make(svg, "line", { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at, stroke: color("grid") });
      make(svg, "text", { x: LEFT - 8, y: at + 4, "text-anchor": "end" }, duration(ns));
    }
  }
  return y;
}
function heatColor(share) {
  // Light to dark over one hue is readable in both schemes, and in print.
  const t = Math.sqrt(share);
  return `hsl(${225 + 15 * t} ${50 + 25 * t}% ${dark ? 24 + 50 * t : 90 - 52 * t}%)`;
}
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
