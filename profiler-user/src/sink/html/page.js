// Draws the plots of a report from the numbers in #data, with what is in plot.js.
const data = JSON.parse(document.getElementById("data").textContent);
function timeAxis(svg, subject, bottom) {
  const whole = subject.points.length * subject.each_ms;
  const nice = [1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5, 216e5, 432e5, 864e5];
  const step = nice.find(step => whole / step <= 10) || 864e5;
  for (let ms = 0; ms <= whole; ms += step) {
    const x = LEFT + ms / whole * inner;
    make(svg, "line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, stroke: color("line") });
    make(svg, "text", { x, y: bottom + 17, "text-anchor": ms === 0 ? "start" : x > WIDTH - 40 ? "end" : "middle" }, since(ms));
  }
}
function columnAt(svg, subject, event) {
  const box = svg.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * WIDTH;
  const column = Math.floor((x - LEFT) / inner * subject.points.length);
  return column >= 0 && column < subject.points.length ? column : -1;
}
function when(subject, column) {
  return `${since(column * subject.each_ms)} – ${since((column + 1) * subject.each_ms)}`;
}

const SERIES = [["P50", 1, "p50"], ["P95", 2, "p95"], ["P99", 3, "p99"]];
function drawCourse(subject) {
  const svg = frame("course", 300), top = 24, bottom = 220, base = 272;
  const seen = subject.points.filter(Boolean);
  if (!seen.length) return;
  const y = logAxis(svg, Math.min(...seen.map(p => p[1])) * 0.8, Math.max(...seen.map(p => p[3])) * 1.25, top, bottom);
  const x = column => LEFT + (column + 0.5) / subject.points.length * inner;
  const most = Math.max(...seen.map(p => p[0])), each = inner / subject.points.length;
  subject.points.forEach((point, column) => {
    if (!point) return;
    const height = point[0] / most * 36;
    make(svg, "rect", { x: x(column) - each / 2 + 0.25, y: base - height, width: Math.max(each - 0.5, 0.5), height, fill: color("other"), opacity: 0.45 });
  });
  make(svg, "text", { x: LEFT - 8, y: base - 12, "text-anchor": "end" }, "traces/s");
  make(svg, "text", { x: LEFT - 8, y: base + 1, "text-anchor": "end" }, `${+(most / subject.each_ms * 1000).toPrecision(3)} max`);
  SERIES.forEach(([name, index, tone], place) => {
    let path = "", pen = false;
    subject.points.forEach((point, column) => {
      if (point) path += `${pen ? "L" : "M"}${x(column).toFixed(1)} ${y(point[index]).toFixed(1)}`;
      pen = !!point;
    });
    make(svg, "path", { d: path, fill: "none", stroke: color(tone), "stroke-width": 1.8, "stroke-linejoin": "round", "stroke-linecap": "round" });
    subject.points.forEach((point, column) => {
      const lonely = point && !subject.points[column - 1] && !subject.points[column + 1];
      if (lonely) make(svg, "circle", { cx: x(column), cy: y(point[index]), r: 2.5, fill: color(tone) });
    });
    make(svg, "rect", { x: LEFT + place * 62, y: 6, width: 12, height: 3, fill: color(tone) });
    make(svg, "text", { x: LEFT + 17 + place * 62, y: 12 }, name);
  });
  timeAxis(svg, subject, base);
  const cursor = make(svg, "line", { y1: top, y2: base, stroke: color("dim"), "stroke-dasharray": "3 3", visibility: "hidden" });
  svg.onmousemove = event => {
    const column = columnAt(svg, subject, event), point = subject.points[column];
    cursor.setAttribute("visibility", point ? "visible" : "hidden");
    if (!point) return hide();
    cursor.setAttribute("x1", x(column));
    cursor.setAttribute("x2", x(column));
    show(event, `${when(subject, column)}\n${point[0]} traces\n${SERIES.map(([name, i]) => `${name}  ${duration(point[i])}`).join("\n")}\nmax  ${duration(point[4])}`);
  };
  svg.onmouseleave = () => { cursor.setAttribute("visibility", "hidden"); hide(); };
}

function drawHeat(subject) {
  const svg = frame("heat", 300), top = 8, bottom = 266;
  if (!subject.rows.length) return;
  const y = logAxis(svg, subject.rows[0][0], subject.rows[subject.rows.length - 1][1], top, bottom);
  const each = inner / subject.points.length, counts = new Map();
  for (const [column, row, count] of subject.cells) {
    const [low, high] = subject.rows[row], to = y(Math.max(high, low + 1));
    counts.set(column * 1000 + row, count);
    make(svg, "rect", {
      x: LEFT + column * each, y: to, width: each + 0.3, height: Math.max(y(Math.max(low, 1)) - to, 1.5) + 0.3,
      fill: heatColor(count / subject.highest),
    });
  }
  timeAxis(svg, subject, bottom);
  svg.onmousemove = event => {
    const column = columnAt(svg, subject, event), box = svg.getBoundingClientRect();
    const at = (event.clientY - box.top) / box.height * 300;
    const row = subject.rows.findIndex(([low, high]) => at <= y(Math.max(low, 1)) && at >= y(Math.max(high, 1)));
    if (column < 0 || row < 0) return hide();
    const [low, high] = subject.rows[row];
    show(event, `${when(subject, column)}\n${duration(low)} – ${duration(high)}\n${counts.get(column * 1000 + row) || 0} traces`);
  };
  svg.onmouseleave = hide;
}

function drawTrace(trace) {
  const rows = trace.stamps, height = 56 + rows.length * 24, svg = document.createElementNS(SVG, "svg");
  const place = document.getElementById("waterfall"), width = 860, label = 210, right = 150, bars = width - label - right;
  place.replaceChildren(svg);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const about = [`${trace.outcome} after ${duration(trace.ns)}`, `${duration(trace.corrected_ns)} without probes`, `record ${trace.sequence}`, `key ${trace.key}`, `pid ${trace.pid}`];
  if (trace.branch) about.push(`branch ${trace.branch}`);
  if (trace.gaps) about.push("stamps are missing");
  make(svg, "text", { x: 0, y: 14, class: "name" }, about.join("  ·  "));
  make(svg, "text", { x: 0, y: 30 }, `trace ${trace.id}`);
  const x = ns => label + ns / Math.max(trace.ns, 1) * bars;
  for (let part = 0; part <= 4; part++) {
    make(svg, "line", { x1: x(trace.ns * part / 4), x2: x(trace.ns * part / 4), y1: 40, y2: height - 8, stroke: color("grid") });
  }
  rows.forEach((stamp, index) => {
    const y = 46 + index * 24;
    const name = `${stamp.code} ${stamp.name}`.trim();
    make(svg, "text", { x: 0, y: y + 13, class: "name", opacity: stamp.shared ? 0.5 : 1 }, name.length > 30 ? `${name.slice(0, 29)}…` : name);
    const from = x(stamp.at_ns - stamp.took_ns), to = x(stamp.at_ns);
    const bar = make(svg, "rect", { x: from, y: y + 3, width: Math.max(to - from, 1.5), height: 14, rx: 2, fill: color(stamp.cause), opacity: stamp.shared ? 0.5 : 1 });
    make(svg, "text", { x: width - right + 10, y: y + 13 }, index ? `+${duration(stamp.took_ns)}` : "0 ns");
    make(svg, "text", { x: width, y: y + 13, "text-anchor": "end" }, `cpu ${stamp.cpu}`);
    bar.onmousemove = event => show(event, [
      `at ${duration(stamp.at_ns)}`, `+${duration(stamp.took_ns)}, ${duration(stamp.corrected_ns)} without probes`,
      `thread ${stamp.tid}, task ${stamp.task}, cpu ${stamp.cpu}`, ...stamp.attributes,
    ].join("\n"));
    bar.onmouseleave = hide;
  });
}

const select = document.getElementById("subject");
if (select && data.subjects.length) {
  data.subjects.forEach((subject, index) => {
    const option = document.createElement("option");
    option.value = index;
    option.textContent = subject.label;
    select.appendChild(option);
  });
  select.onchange = () => {
    drawCourse(data.subjects[select.value]);
    drawHeat(data.subjects[select.value]);
  };
  select.onchange();
}
const list = document.getElementById("traces");
if (list) {
  data.traces.forEach((trace, index) => {
    const button = document.createElement("button");
    button.textContent = duration(trace.ns);
    const what = document.createElement("span");
    what.textContent = `${trace.outcome}, record ${trace.sequence}`;
    button.appendChild(what);
    button.onclick = () => {
      for (const other of list.children) other.setAttribute("aria-pressed", other === button);
      drawTrace(trace);
    };
    list.appendChild(button);
    if (index === 0) button.onclick();
  });
}
