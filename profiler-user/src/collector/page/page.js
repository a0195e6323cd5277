// Puts the page together: asks, draws, and asks again while it is live.
let lastStats = null;

function complain(error) {
  if (error instanceof Refused) { $("login").hidden = false; return; }
  $("trouble").textContent = error instanceof TypeError ? "The collector does not answer." : error.message;
  $("trouble").hidden = false;
}
function options(select, values, chosen) {
  select.replaceChildren();
  for (const [value, text] of values) element(select, "option", text, { value });
  select.value = values.some(([value]) => value === chosen) ? chosen : values.length ? values[0][0] : "";
}
function pick(subject) {
  look.subject = subject;
  refresh().catch(complain);
}

async function refreshJobs() {
  const { items } = await ask("api/v1/jobs");
  options($("job"), [["", "all"], ...items.map(job => [job.jobId, `${job.jobId} (${count(job.parts)})`])], look.job);
}
async function refreshTime() {
  const span = { ...period(), bucketMs: bucketMs() };
  const stats = lastStats = await ask("api/v1/stats", { ...span, group: look.group });
  const labels = stats.series.map(label);
  if (labels.length && !labels.includes(look.subject)) look.subject = labels[0];
  options($("subject"), labels.map(text => [text, text]), look.subject);
  const series = stats.series.find(one => label(one) === look.subject);
  drawCourse(stats, series);
  drawHops(stats, pick);
  drawHeat(await ask("api/v1/heatmap", { ...span, hop: series ? series.hop : "end to end" }), stats);
}
async function refreshVerdict() { drawVerdict(await ask("api/v1/bottlenecks", period()), pick); }
// Over a long time there may be more tasks than one answer reads: the rest of the page is there all the same.
async function refreshOutliers() {
  const told = error => { if (error instanceof Refused) throw error; return { hosts: [], tasks: [{ words: error.message }] }; };
  drawOutliers(await ask("api/v1/outliers", period()).catch(told));
}
async function refreshAgents() {
  const found = await ask("api/v1/agents"), body = document.querySelector("#agents tbody");
  body.replaceChildren();
  for (const one of found.items) {
    const row = element(body, "tr"), until = nsToMs(one.completeUntilNs);
    element(row, "th", `${one.host || "unknown machine"} ${one.agent || ""}`, { scope: "row" });
    element(row, "td", one.target);
    element(row, "td", count(one.traces));
    const reached = Number.isNaN(until) ? "unknown" : clock(until, true);
    element(row, "td", one.isWhole ? "its end" : one.isEnded ? `${reached}, ended` : reached, one.gaps.length ? { title: `packets that did not come: ${one.gaps.map(([first, last]) => first === last ? first : `${first} to ${last}`).join(", ")}` } : {});
    element(row, "td", `${since(Math.max(Date.now() - one.lastReceivedMs, 0))} ago`);
    const chosen = one.discardedBySetting || 0;
    const refused = one.discardedKernel > chosen ? { class: "bad" } : {};
    element(row, "td", count(one.discardedKernel), chosen ? { ...refused, title: `${count(chosen)} of them by the budget or a pause: no loss` } : refused);
    element(row, "td", count(one.discardedAgent), one.discardedAgent ? { class: "bad" } : {});
    const traces = one.unaccountedTraces === null ? "" : `${count(one.unaccountedTraces)} in `;
    element(row, "td", one.unaccountedPackets ? `${traces}${count(one.unaccountedPackets)} packets` : "0", one.unaccountedPackets ? { class: "bad", title: "The agent sent them, and they did not come; it may send them again." } : {});
  }
  if (!found.items.length) element(element(body, "tr"), "td", "No agent has sent its packets yet.", { colspan: 8 });
  $("clocks").textContent = (found.clocks || []).map(one => `${clockWords(one)} (${one.basis})`).join("; ");
}

async function refresh() {
  writeLook();
  await refreshJobs();
  await Promise.all([refreshTime(), refreshVerdict(), refreshOutliers(), refreshAgents()]);
  $("trouble").hidden = $("login").hidden = true;
}
async function everything() {
  await refresh();
  await listTraces();
  const chosen = listed.find(trace => same(trace) === look.trace) || ofAddress();
  // What the address names may be gone by now.
  await (chosen ? openTrace(chosen).catch(error => listed[0] ? openTrace(listed[0]) : complain(error)) : listed[0] && openTrace(listed[0]));
}

readLook();
$("span").value = look.span;
$("group").value = look.group;
for (const input of $("filter").elements) if (input.name && look.filter[input.name]) input.value = look.filter[input.name];
$("scope").onchange = event => {
  if (event.target.id !== "live") [look.job, look.span, look.group] = [$("job").value, +$("span").value, $("group").value];
  place = event.target.id === "job" ? "" : place;
  everything().catch(complain);
  follow();
};
$("scope").onsubmit = event => event.preventDefault();
$("subject").onchange = () => pick($("subject").value);
$("filter").onsubmit = event => {
  event.preventDefault();
  look.filter = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value.trim()).map(([key, value]) => [key, value.trim()]));
  writeLook();
  listTraces().then(() => { $("trouble").hidden = true; }).catch(complain);
};
$("more").onclick = () => listTraces(next).catch(complain);
$("login").onsubmit = event => {
  event.preventDefault();
  sessionStorage.setItem("stain-token", $("token").value);
  everything().catch(complain);
  follow();
};
everything().catch(complain);
follow();
setInterval(() => { if ($("live").checked && !document.hidden) refresh().catch(complain); }, 10000);
