// The list of traces and one of them stamp by stamp.
let listed = [], next = null;

function traceQuery(more) {
  return { ...period(), ...look.filter, limit: 50, cursor: more || "" };
}
async function listTraces(more) {
  const page = await ask("api/v1/traces", traceQuery(more));
  listed = more ? listed.concat(page.items) : page.items;
  next = page.next;
  $("total").textContent = `${count(page.total)} in this time`;
  drawList();
}
function same(trace) { return `${trace.jobId}/${trace.traceId}/${trace.branch}/${trace.sinkTaskId}`; }
function drawList() {
  const list = $("traces");
  list.replaceChildren();
  for (const trace of listed) {
    const button = element(list, "button", duration(Number(trace.durationNs)), { type: "button" });
    element(button, "span", `${trace.outcome}, ${clock(trace.startTsMs)}`);
    element(button, "small", [trace.host, trace.branch === "0" ? "" : `branch ${trace.branch}`, trace.partial ? "a later part" : "", trace.tableId, look.job ? "" : `job ${trace.jobId}`].filter(Boolean).join(" · "));
    button.setAttribute("aria-pressed", same(trace) === look.trace);
    button.onclick = () => openTrace(trace).catch(complain);
  }
  if (!listed.length) element(list, "p", "No trace fits.", { class: "nothing" });
  $("more").hidden = !next;
}
// A trace of the address, which may be on no page of the list.
function ofAddress() {
  const [, jobId, traceId, branch, sinkTaskId] = look.trace.match(/^(.*)\/(\d+)\/([\d.]+)\/(-?\d+)$/) || [];
  return traceId && { jobId, traceId, branch, sinkTaskId };
}
async function openTrace(trace) {
  look.trace = same(trace);
  writeLook();
  drawList();
  const query = { jobId: trace.jobId, branch: trace.branch };
  drawTrace(await ask(`api/v1/traces/${encodeURIComponent(trace.traceId)}`, query));
}

// The stage pair's colour, as the hops have it.
function causeOf(from, to) {
  const known = lastStats && lastStats.series.find(s => s.from && s.from.code === from.code && s.to.code === to.code);
  return known ? tone(known.cause) : "other";
}
function stageName(entry) { return entry.name && entry.name !== entry.stage ? `${entry.stage} ${entry.name}` : entry.stage; }

function drawRows(svg, entries, start, whole, top, isBranch) {
  const width = 860, name = 210, right = 150, bars = width - name - right;
  const x = ns => name + Math.min(Math.max(ns / Math.max(whole, 1), 0), 1) * bars;
  entries.forEach((entry, index) => {
    const y = top + index * 24, before = entries[index - 1];
    const from = before ? nsBetween(start, before.tsNs) : nsBetween(start, entry.tsNs), to = nsBetween(start, entry.tsNs), took = to - from;
    const text = stageName(entry), shown = isBranch ? `  ${text}` : text;
    make(svg, "text", { x: isBranch ? 12 : 0, y: y + 13, class: "name" }, shown.length > 30 ? `${shown.slice(0, 29)}…` : shown);
    const bar = make(svg, "rect", {
      x: x(Math.min(from, to)), y: y + 3, width: Math.max(Math.abs(x(to) - x(from)), 1.5), height: 14, rx: 2,
      fill: entry.clockSuspect || took < 0 ? color("bad") : color(before ? causeOf(before, entry) : "other"),
    });
    make(svg, "text", { x: width - right + 10, y: y + 13 }, before ? `${took < 0 ? "" : "+"}${duration(took)}` : "0 ns");
    make(svg, "text", { x: width, y: y + 13, "text-anchor": "end" }, entry.host || "");
    bar.onmousemove = event => show(event, [
      `at ${duration(to)}`, `${took < 0 ? "" : "+"}${duration(took)}`, `task ${entry.taskId}${entry.taskGroupName ? `, ${entry.taskGroupName}` : ""}`,
      entry.host || entry.workerAddress ? `on ${entry.host || entry.workerAddress}` : "", entry.clockSuspect ? "the two machines' clocks disagree here" : "",
    ].filter(Boolean).join("\n"));
    bar.onmouseleave = hide;
  });
}

function drawTrace(found) {
  const { trace, entries } = found, branches = found.branches || [];
  const place = $("waterfall"), svg = document.createElementNS(SVG, "svg");
  const tails = branches.map(branch => branch.entries.slice(Math.max((branch.shared || 0) - 1, 0)));
  const rows = entries.length + tails.reduce((sum, tail) => sum + tail.length + 1, 0), height = 56 + rows * 24;
  place.replaceChildren(svg);
  svg.setAttribute("viewBox", `0 0 860 ${height}`);
  svg.setAttribute("role", "img");
  describe(svg, `Waterfall of trace ${trace.traceId}, with ${branches.length} branches; the table below has the same`);
  const all = [...entries, ...tails.flat()], start = all.length ? all[0].tsNs : "0";
  const whole = Math.max(...all.map(entry => nsBetween(start, entry.tsNs)), 1);
  make(svg, "text", { x: 0, y: 14, class: "name" }, `${trace.outcome} after ${duration(Number(trace.durationNs))}${trace.partial ? "  ·  its beginning was not seen" : ""}${trace.tableId ? `  ·  ${trace.tableId}` : ""}`);
  make(svg, "text", { x: 0, y: 30 }, `trace ${trace.traceId} of job ${trace.jobId}, received ${clock(trace.receivedTimeMs, true)}`);
  drawRows(svg, entries, start, whole, 46, false);
  let top = 46 + entries.length * 24;
  tails.forEach((tail, index) => {
    make(svg, "text", { x: 0, y: top + 15 }, `branch ${branches[index].branch}: ${branches[index].outcome}`);
    drawRows(svg, tail, start, whole, top + 24, true);
    top += 24 * (tail.length + 1);
  });
  drawDetail(found);
}

// How one machine's clock stands to another's. From crossings in one direction only a bound is known.
function clockWords(one) {
  const offset = Number(one.offsetNs);
  if (one.errorNs === null) return `${one.toHost} is ${duration(offset)} ahead of ${one.fromHost} at most`;
  return `${one.toHost} is ${duration(Math.abs(offset))} ${offset < 0 ? "behind" : "ahead of"} ${one.fromHost}, ± ${duration(Number(one.errorNs))}`;
}

// The same as text: for those who cannot point at a bar.
function drawStamps(place, entries) {
  const more = element(place, "details", undefined, { id: "stamps" });
  element(more, "summary", "All stamps as a table");
  const table = element(element(more, "div", undefined, { class: "wide" }), "table"), head = element(element(table, "thead"), "tr");
  for (const name of ["stage", "at", "took", "task", "machine", "process", "thread"]) element(head, "th", name, { scope: "col" });
  const body = element(table, "tbody");
  entries.forEach((entry, index) => {
    const row = element(body, "tr"), took = index ? nsBetween(entries[index - 1].tsNs, entry.tsNs) : 0;
    element(row, "th", stageName(entry), { scope: "row" });
    element(row, "td", duration(nsBetween(entries[0].tsNs, entry.tsNs)));
    element(row, "td", index ? duration(took) : "", entry.clockSuspect ? { class: "bad", title: "the two machines' clocks disagree here" } : {});
    for (const one of [entry.taskId, entry.host || entry.workerAddress, entry.pid, entry.tid]) element(row, "td", one === null || one === undefined ? "" : one);
  });
}

function drawDetail(found) {
  const place = $("detail");
  place.replaceChildren();
  drawStamps(place, found.entries);
  const facts = [];
  for (const one of found.attributes || []) facts.push([one.name, `${one.value}`, found.entries[one.entry] && stageName(found.entries[one.entry])]);
  for (const one of found.batches || []) facts.push(["batch", `record ${one.position + 1}${one.size ? ` of ${one.size}` : ""}`, one.key]);
  for (const one of found.recordTimes || []) facts.push(["record's own age", duration(Number(one.latencyNs)), found.entries[one.entry] && stageName(found.entries[one.entry])]);
  for (const part of found.parts || []) for (const flag in part.flags || {}) facts.push([flag.replaceAll("_", " "), part.flags[flag], part.host || ""]);
  for (const one of found.clocks || []) facts.push(["clock", clockWords(one), one.basis]);
  if (!facts.length) return;
  const body = element(element(place, "table"), "tbody");
  for (const [name, value, where] of facts) {
    const row = element(body, "tr");
    element(row, "th", name);
    element(row, "td", value);
    element(row, "td", where || "");
  }
}

// New traces as they come. A stream that ends is taken up again where it was.
let stream = null, place = "";
async function follow() {
  if (stream) stream.abort();
  if (!$("live").checked) return;
  const mine = stream = new AbortController();
  while (!mine.signal.aborted) {
    try {
      const given = new URLSearchParams(look.job ? { jobId: look.job } : {});
      const answer = await fetch(`api/v1/live?${given}`, { headers: { ...headers(), ...(place ? { "Last-Event-ID": place } : {}) }, signal: mine.signal });
      if (answer.ok) await readStream(answer.body.getReader());
    } catch { /* told by the next question; tried again below */ }
    await new Promise(done => setTimeout(done, 2000));
  }
}
async function readStream(reader) {
  const decoder = new TextDecoder();
  for (let text = "";;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const events = text.split("\n\n");
    text = events.pop();
    events.forEach(takeEvent);
  }
}
function takeEvent(event) {
  const lines = event.split("\n"), field = name => lines.filter(line => line.startsWith(`${name}:`)).map(line => line.slice(name.length + 1).trim()).join("\n");
  if (field("id")) place = field("id");
  if (field("event") !== "trace" || Object.keys(look.filter).length) return;
  try { listed.unshift(JSON.parse(field("data"))); } catch { return; }
  listed.length = Math.min(listed.length, 500);
  if (!due) due = setTimeout(() => { due = null; drawList(); }, 500);
}
let due = null;
