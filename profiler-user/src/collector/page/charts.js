// Percentiles over time, the heat map, and the table of hops.
const LINES = [["P50", "p50Ns", "p50"], ["P95", "p95Ns", "p95"], ["P99", "p99Ns", "p99"]];

function xOf(answer) { return ms => LEFT + (ms - answer.fromMs) / (answer.toMs - answer.fromMs) * inner; }
function describe(svg, words) { svg.setAttribute("aria-label", words); return svg; }
function wallAxis(svg, answer, bottom) {
  const x = xOf(answer);
  for (let part = 0; part <= 6; part++) {
    const ms = answer.fromMs + (answer.toMs - answer.fromMs) * part / 6;
    make(svg, "line", { x1: x(ms), x2: x(ms), y1: bottom, y2: bottom + 4, stroke: color("line") });
    make(svg, "text", { x: x(ms), y: bottom + 17, "text-anchor": part === 0 ? "start" : part === 6 ? "end" : "middle" }, clock(ms));
  }
}
// A button with the name of a hop, which shows that hop over time.
function pickable(cell, name, cause, isPressed, pick) {
  element(cell, "i", undefined, { class: tone(cause) });
  const button = element(cell, "button", name, { type: "button", class: "pick", "aria-pressed": isPressed });
  button.onclick = pick;
}
function empty(id, words) { element((() => { const place = $(id); place.replaceChildren(); return place; })(), "p", words, { class: "nothing" }); }
function at(svg, event, answer) {
  const box = svg.getBoundingClientRect();
  return answer.fromMs + ((event.clientX - box.left) / box.width * WIDTH - LEFT) / inner * (answer.toMs - answer.fromMs);
}

function drawCourse(stats, series) {
  const buckets = series ? series.buckets.filter(bucket => bucket.count > 0) : [];
  if (!buckets.length) return empty("course", "No journey in this time.");
  const svg = describe(frame("course", 300), `Percentiles over time of ${label(series)}: P50 ${duration(series.total.p50Ns)}, P95 ${duration(series.total.p95Ns)}, P99 ${duration(series.total.p99Ns)} in all of ${count(series.total.count)}`), top = 24, bottom = 220, base = 272, x = xOf(stats);
  const middle = bucket => x(Math.min(Math.max(bucket.fromMs + stats.bucketMs / 2, stats.fromMs), stats.toMs));
  const y = logAxis(svg, Math.min(...buckets.map(b => b.p50Ns)) * 0.8, Math.max(...buckets.map(b => b.p99Ns)) * 1.25, top, bottom);
  const most = Math.max(...buckets.map(b => b.count)), each = Math.max(stats.bucketMs / (stats.toMs - stats.fromMs) * inner, 1);
  for (const bucket of buckets) {
    const height = bucket.count / most * 36;
    make(svg, "rect", { x: middle(bucket) - each / 2, y: base - height, width: Math.max(each - 0.5, 0.5), height, fill: color("other"), opacity: 0.45 });
  }
  make(svg, "text", { x: LEFT - 8, y: base - 12, "text-anchor": "end" }, "traces/s");
  make(svg, "text", { x: LEFT - 8, y: base + 1, "text-anchor": "end" }, `≤ ${+(most / stats.bucketMs * 1000).toPrecision(2)}`);
  LINES.forEach(([name, key, paint], place) => {
    let path = "", before = null;
    for (const bucket of buckets) {
      const joined = before !== null && bucket.fromMs - before <= stats.bucketMs;
      path += `${joined ? "L" : "M"}${middle(bucket).toFixed(1)} ${y(bucket[key]).toFixed(1)}`;
      before = bucket.fromMs;
    }
    make(svg, "path", { d: path, fill: "none", stroke: color(paint), "stroke-width": 1.8, "stroke-linejoin": "round", "stroke-linecap": "round" });
    if (buckets.length < 60) for (const bucket of buckets) make(svg, "circle", { cx: middle(bucket), cy: y(bucket[key]), r: 2, fill: color(paint) });
    make(svg, "rect", { x: LEFT + place * 62, y: 6, width: 12, height: 3, fill: color(paint) });
    make(svg, "text", { x: LEFT + 17 + place * 62, y: 12 }, name);
  });
  wallAxis(svg, stats, base);
  svg.onmousemove = event => {
    const ms = at(svg, event, stats), bucket = buckets.find(b => ms >= b.fromMs && ms < b.fromMs + stats.bucketMs);
    if (!bucket) return hide();
    show(event, `${clock(bucket.fromMs)} – ${clock(bucket.fromMs + stats.bucketMs)}\n${count(bucket.count)} traces\n${LINES.map(([name, key]) => `${name}  ${duration(bucket[key])}`).join("\n")}\nmax  ${duration(bucket.maxNs)}`);
  };
  svg.onmouseleave = hide;
}

function drawHeat(heat, span) {
  const cells = heat.columns.flatMap(column => column.cells.map(([low, high, n]) => ({ ms: column.fromMs, low, high, n })));
  if (!cells.length) return empty("heat", "No journey in this time.");
  const svg = describe(frame("heat", 300), `How many journeys took how long, over time: from ${duration(Math.min(...cells.map(c => c.low)))} to ${duration(Math.max(...cells.map(c => c.high)))}`), top = 8, bottom = 266, x = xOf(span);
  const y = logAxis(svg, Math.min(...cells.map(c => c.low)), Math.max(...cells.map(c => c.high)), top, bottom);
  const each = span.bucketMs / (span.toMs - span.fromMs) * inner, most = Math.max(...cells.map(c => c.n));
  for (const cell of cells) {
    const up = y(Math.max(cell.high, cell.low + 1)), left = Math.max(x(cell.ms), LEFT);
    const box = make(svg, "rect", {
      x: left, y: up, width: Math.max(Math.min(x(cell.ms) + each, WIDTH - RIGHT) - left, 1) + 0.3,
      height: Math.max(y(Math.max(cell.low, 1)) - up, 1.5) + 0.3, fill: heatColor(cell.n / most),
    });
    box.onmousemove = event => show(event, `${clock(cell.ms)}\n${duration(cell.low)} – ${duration(cell.high)}\n${count(cell.n)} traces`);
    box.onmouseleave = hide;
  }
  wallAxis(svg, span, bottom);
}

function label(series) { return series.member === null || series.member === "" || series.member === undefined ? series.hop : `${series.hop}  (${look.group} ${series.member})`; }

// Rows of the table at most: by task there may be thousands.
const MOST_HOPS = 200;

function drawHops(stats, pick) {
  const body = document.querySelector("#hops tbody");
  body.replaceChildren();
  const whole = stats.series.filter(s => s.from).reduce((sum, s) => sum + Math.max(s.total.meanNs * s.total.count, 0), 0);
  for (const series of stats.series.slice(0, MOST_HOPS)) {
    const { total } = series, row = element(body, "tr");
    pickable(element(row, "th", undefined, { scope: "row" }), label(series), series.cause, label(series) === look.subject, () => pick(label(series)));
    for (const text of [series.from ? series.cause : "", count(total.count)]) element(row, "td", text);
    for (const ns of [total.meanNs, total.p50Ns, total.p95Ns, total.p99Ns, total.maxNs]) element(row, "td", duration(ns), total.meanNs < 0 ? { class: "bad" } : {});
    const share = series.from && whole ? Math.max(total.meanNs * total.count, 0) / whole : null, bar = element(row, "td", undefined, { class: "bar" });
    if (share !== null) {
      element(bar, "i", undefined, { class: tone(series.cause) }).style.width = `${share * 90}px`;
      bar.append(percent(share));
    }
  }
  const more = stats.series.length - MOST_HOPS;
  if (more > 0) element(element(body, "tr"), "td", `${count(more)} more are not shown; take a shorter time, one job, or another group.`, { colspan: 9 });
  $("odd").hidden = stats.series.every(s => s.total.meanNs >= 0);
  if (!stats.series.length) element(element(body, "tr"), "td", "No journey in this time.", { colspan: 9 });
}

function drawVerdict(verdict, pick) {
  const place = $("verdict");
  place.replaceChildren();
  place.className = `verdict ${verdict.hops.length ? tone(verdict.hops[0].cause) : ""}`;
  if (verdict.hops.length) element(place, "p", verdict.hops[0].cause, { class: "class" });
  element(place, "h2", verdict.sentence);
  if (!verdict.hops.length) return;
  const wide = element(place, "div", undefined, { class: "wide" }), body = element(element(wide, "table"), "tbody");
  for (const hop of verdict.hops.slice(0, 5)) {
    const row = element(body, "tr");
    pickable(element(row, "th", undefined, { scope: "row" }), `${hop.rank}. ${hop.hop}`, hop.cause, hop.hop === look.subject, () => pick(hop.hop));
    element(row, "td", percent(hop.share));
    element(row, "td", `P99 ${duration(hop.figures.p99Ns)}`);
    element(row, "td", hop.words, { class: "words" });
  }
}

function drawOutliers(found) {
  const section = $("outliers"), list = section.querySelector("ul");
  list.replaceChildren();
  for (const one of [...found.hosts, ...found.tasks]) element(list, "li", one.words);
  section.hidden = !list.children.length;
}
